"""The subcommands of papertrail that ask a model: what each reads, which function answers, how it is shown.

Heavy modules are imported where they are called, so that help and errors come at once.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scholar.errors import DataError

if TYPE_CHECKING:
    from scholar.ask.models import Model

Subjects = list[dict[str, Any]]  # what is asked about, as it is told beside the answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A subcommand that asks a model.

    Attributes:
        task: of the model.
        help: in a line.
        example: for its own help.
        unit: what one text of the input is: "line", "text" (whole files) or "file" (whole files, named).
        read: (arguments, (place, text) of each) -> what is told beside each answer, what the model is given.
        answer: (model, what it is given, number of results) -> a dict each.
        show: (what is told, answers) -> text for people.
    """

    task: str
    help: str
    example: str
    unit: str
    read: Callable[[argparse.Namespace, list[tuple[str, str]]], tuple[Subjects, list[Any]]]
    answer: Callable[["Model", list[Any], int], Subjects]
    show: Callable[[Subjects, Subjects], str]


def read_plain(arguments: argparse.Namespace, texts: list[tuple[str, str]]) -> tuple[Subjects, list[Any]]:
    """Texts as they are."""
    return [{"text": text} for _, text in texts], [text for _, text in texts]


def read_asked(arguments: argparse.Namespace, texts: list[tuple[str, str]]) -> tuple[Subjects, list[Any]]:
    """Texts that stand in the answer itself."""
    return [{} for _ in texts], [text for _, text in texts]


def read_titles(arguments: argparse.Namespace, texts: list[tuple[str, str]]) -> tuple[Subjects, list[Any]]:
    """Papers: the title, and after a tab the abstract; --abstract is that of a single title."""
    if arguments.abstract is not None and len(texts) != 1:
        arguments.parser.error("--abstract goes with one title; in a file, the abstract stands after a tab")
    papers = []
    for _, text in texts:
        title, _, abstract = text.partition("\t")
        if arguments.abstract and abstract.strip():
            arguments.parser.error("two abstracts, one after the tab and one in --abstract; give one of them")
        papers.append({"title": title.strip(), "abstract": (arguments.abstract or abstract).strip()})
    return [{"title": paper["title"]} for paper in papers], papers


def read_documents(arguments: argparse.Namespace, texts: list[tuple[str, str]]) -> tuple[Subjects, list[Any]]:
    """Texts with their citations and bibliography."""
    from scholar.ask.bibliography import parse_bibliography, parse_document, read_text

    beside = arguments.bibliography
    entries = None if beside is None else parse_bibliography(read_text(beside), str(beside))
    documents = [parse_document(text, place, entries) for place, text in texts]
    for (place, _), document in zip(texts, documents, strict=True):
        if not document["citations"]:
            raise DataError(f"{place}: no citation; \\cite{{key}}, [3], (Smith, 2019) and Smith (2019) are known")
    return [{"file": place} for place, _ in texts], documents


def read_papers(arguments: argparse.Namespace, texts: list[tuple[str, str]]) -> tuple[Subjects, list[Any]]:
    """The text of papers; of S2ORC JSON its paragraphs."""
    from scholar.ask.bibliography import parse_document

    whole = [parse_document(text, place, [])["text"] for place, text in texts]
    return [{"file": place} for place, _ in texts], whole


def answer_with(name: str, ranked: bool = False) -> Callable[["Model", list[Any], int], Subjects]:
    """A function of scholar.ask.answers, which is imported when it is called: torch comes with it."""

    def answer(model: "Model", inputs: list[Any], k: int) -> Subjects:
        from scholar.ask import answers

        function = getattr(answers, name)
        told: Subjects = function(model, inputs, k) if ranked else function(model, inputs)
        return told

    return answer


def show_with(name: str, of_answers: bool = False) -> Callable[[Subjects, Subjects], str]:
    """A function of scholar.ask.show."""

    def show(subjects: Subjects, answers: Subjects) -> str:
        from scholar.ask import show as shown

        function = getattr(shown, name)
        return str(function(answers) if of_answers else function(subjects, answers))

    return show


COMMANDS = {
    "search": Command(
        task="semantic_search",
        help="papers of an index whose vectors are nearest to a query",
        example='papertrail search "low-resource machine translation" -k 3',
        unit="line",
        read=read_asked,
        answer=answer_with("search", ranked=True),
        show=show_with("show_hits", of_answers=True),
    ),
    "similar": Command(
        task="semantic_search",
        help="papers of an index that are nearest to one of them, by its id or title",
        example='papertrail similar "attention is all you need"',
        unit="line",
        read=read_asked,
        answer=answer_with("similar", ranked=True),
        show=show_with("show_hits", of_answers=True),
    ),
    "link": Command(
        task="citation_linking",
        help="entries of a bibliography that the citations of a text may mean",
        example="papertrail link draft.tex --bibliography references.bib\n  papertrail link paper.json 17.in",
        unit="file",
        read=read_documents,
        answer=answer_with("link", ranked=True),
        show=show_with("show_links"),
    ),
    "intent": Command(
        task="citation_intent",
        help="what a sentence does in its paper",
        example='papertrail intent "We show gains of two points." "Parsing is hard."',
        unit="line",
        read=read_plain,
        answer=answer_with("intent"),
        show=show_with("show_labels"),
    ),
    "entities": Command(
        task="ner",
        help="mentions in texts of any length, with offsets",
        example="papertrail entities --file paper.txt",
        unit="text",
        read=read_asked,
        answer=answer_with("entities"),
        show=show_with("show_entities", of_answers=True),
    ),
    "category": Command(
        task="paper_category",
        help="the field of a paper, by its title and, if known, its abstract",
        example='papertrail category "Free electron trajectories in graphene"',
        unit="line",
        read=read_titles,
        answer=answer_with("category"),
        show=show_with("show_labels"),
    ),
    "interest": Command(
        task="paper_interest",
        help="whether the reader whom the model knows would pick a paper up",
        example="papertrail interest --file titles.txt --json",
        unit="line",
        read=read_titles,
        answer=answer_with("interest"),
        show=show_with("show_labels"),
    ),
    "summarize": Command(
        task="summarization",
        help="a summary of a paper, from as much of its beginning as the model reads",
        example="papertrail summarize paper.txt",
        unit="file",
        read=read_papers,
        answer=answer_with("summarize"),
        show=show_with("show_summaries"),
    ),
}
