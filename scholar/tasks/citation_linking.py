"""Citation linking: which entry of the bibliography does a citation in running text mean.

A query is the text around one resolved citation of the body text, the citation itself masked so that author and year do
not give it away; every occurrence is a query. A candidate is the title of an entry of the same paper. Who is cited was
resolved by the parser of the 250 ACL papers (MIT licence), not by people: 9,781 occurrences. In training each query
stands with its entry and `negatives` others; in validation and test with the whole bibliography, where column `sampled`
marks the same draw of 1 to `negatives`, for scores of single pairs such as others publish at 1:5.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datasets import ClassLabel, Features, Value

from scholar.corpora.aclsum import read_split_papers
from scholar.corpora.s2orc import (
    Entry,
    Paper,
    Paragraph,
    Span,
    has_author_and_year,
    has_title,
    normalise_title,
)
from scholar.params import Positive, Sizes, strict
from scholar.records import Counts, Row
from scholar.splits import draw, sample
from scholar.task import Task


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Queries and candidates. `queries`: queries kept; `context_characters`: text kept on either side."""

    task: Literal["citation_linking"]
    source: str
    context_characters: Positive
    mask: Literal["target", "all", "none"]
    mask_text: str
    negatives: Positive
    queries: Sizes


def features(settings: Settings) -> Features:
    """A pair of a query and a candidate; the rows of one query stand together."""
    return Features(
        id=Value("string"),
        paper=Value("string"),
        query=Value("string"),
        context=Value("string"),
        candidate=Value("string"),
        label=ClassLabel(names=["other", "cited"]),
        sampled=Value("bool"),
    )


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """(split, pair) for the queries drawn by (seed, query id)."""
    splits = read_split_papers(folder, counts)
    counts.dropped["papers in no split"] += len(splits.pop("none"))
    for split, papers in splits.items():
        for paper in papers:
            titles = [normalise_title(entry.title) for entry in paper.bibliography.values()]
            titled = [title for title in titles if title]
            counts.dropped["candidates without a title"] += len(titles) - len(titled)
            counts.dropped["candidates of a title that came before"] += len(titled) - len(set(titled))
        queries = {
            f"{paper.id}/{number}/{span.start}": (paper, paragraph, span)
            for paper in papers
            for number, paragraph in enumerate(paper.body)
            for span in paragraph.citations
        }
        usable = {key: query for key, query in queries.items() if _is_usable(*query, counts)}
        counts.read["citations"] += len(queries)
        chosen = sample(usable, settings.queries.of(split), seed, "citation_linking")
        counts.dropped["citations not sampled"] += len(usable) - len(chosen)
        for paper, paragraph, span in usable.values():
            cited, context = paper.bibliography[str(span.target)], mask_context(paragraph, span, settings)
            counts.add_clue("cited_title_in_context", has_title(context, cited))
            counts.add_clue("cited_author_and_year_in_context", has_author_and_year(context, cited))
        for key, query in usable.items():
            if key in chosen:
                yield from ((split, row) for row in _pairs(key, *query, settings, seed, split))


def _is_usable(paper: Paper, paragraph: Paragraph, span: Span, counts: Counts) -> bool:
    if span.target is None:
        counts.dropped["citations that the parser did not resolve"] += 1
    elif not normalise_title(paper.bibliography[span.target].title):
        counts.dropped["citations of an entry without a title"] += 1
    elif len(_candidates(paper, paper.bibliography[span.target])) < 2:
        counts.dropped["citations with no other candidate"] += 1
    else:
        return True
    return False


def _candidates(paper: Paper, cited: Entry) -> list[Entry]:
    """The bibliography without untitled entries and without second entries of one title: nothing tells them apart."""
    unique = {normalise_title(entry.title): entry for entry in reversed(paper.bibliography.values())}
    unique[normalise_title(cited.title)] = cited
    return sorted((entry for title, entry in unique.items() if title), key=lambda entry: entry.id)


def _pairs(
    key: str, paper: Paper, paragraph: Paragraph, span: Span, settings: Settings, seed: int, split: str
) -> Iterator[Row]:
    cited = paper.bibliography[str(span.target)]
    candidates = _candidates(paper, cited)
    others = [f"{key}/{entry.id}" for entry in candidates if entry is not cited]
    drawn = set(sorted(others, key=lambda id_: draw(seed, "negative", id_))[: settings.negatives])
    context = mask_context(paragraph, span, settings)
    for entry in candidates:
        id_ = f"{key}/{entry.id}"
        sampled = entry is cited or id_ in drawn
        if sampled or split != "train":
            label = "cited" if entry is cited else "other"
            row = {"id": id_, "paper": paper.id, "query": key, "context": context, "candidate": entry.title}
            yield {**row, "label": label, "sampled": sampled}


def mask_context(paragraph: Paragraph, span: Span, settings: Settings) -> str:
    """The citation masked, with up to settings.context_characters of the paragraph on either side, cut at words."""
    size = settings.context_characters
    before, after = paragraph.text[: span.start], paragraph.text[span.end :]
    hidden = [other for other in paragraph.citations if settings.mask == "all" or other.target == span.target]
    for other in reversed(hidden if settings.mask != "none" else []):
        if other.end <= span.start:
            before = before[: other.start] + settings.mask_text + before[other.end :]
        elif other.start >= span.end:
            start, end = other.start - span.end, other.end - span.end
            after = after[:start] + settings.mask_text + after[end:]
    middle = paragraph.text[span.start : span.end] if settings.mask == "none" else settings.mask_text
    left = before if len(before) <= size else before[-size:].partition(" ")[2]
    right = after if len(after) <= size else after[:size].rpartition(" ")[0]
    return " ".join(f"{left} {middle} {right}".split())


TASK = Task(settings=Settings, features=features, label_origin="parser", read=read, group="paper", text="context")
