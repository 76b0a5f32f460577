"""Answer a command of a task: read its inputs, load a model, predict, print.

The form of the input decides how texts are read, the form of the answer how it is printed. Model libraries are imported
where they are used, so that help and errors appear at once.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from papertrail.core.errors import DataError, MachineError, PapertrailError
from papertrail.core.params import Params, load_params
from papertrail.inference.bibliography import parse_bibliography
from papertrail.inference.documents import CITATION_FORMS, decode, parse_document, read_text
from papertrail.inference.task_commands import TaskCommand

Subjects = list[dict[str, Any]]  # what each answer is about; printed beside it
Texts = list[tuple[str, str]]  # (place for messages, text)
FILES = ("citations", "document")  # forms of input that are files, named on the command line
WHOLE = ("text", *FILES)  # forms where one file is one input; otherwise one input per line
log = logging.getLogger(__name__)


def answer_command(question: TaskCommand, arguments: argparse.Namespace) -> None:
    """Answer a command and print the answers.

    Raises:
        MachineError: Standard output is closed.
        PapertrailError: An input, the parameters or the model is wrong or missing.
    """
    if sys.stdout is None:
        raise MachineError("standard output is closed, so no answer can be written; open or redirect it")
    if arguments.untuned and arguments.rev is not None:
        arguments.parser.error("--untuned needs the base model of the workspace; leave out --rev")
    subjects, inputs = INPUTS[question.command.input](arguments, list(read_texts(arguments, question.command.input)))
    with open_revision(arguments.rev, question.task, arguments.run) as (params, root):
        from papertrail.inference.load import about, load

        model = load(params, question.task, arguments.run, root, arguments.rev)
    from papertrail.inference.predict import predict

    if sys.stdout.isatty():
        from papertrail.cli.output import show_model

        log.info("%s", show_model(about(model)))
    answers = predict(model, question.command, inputs, arguments.k)
    if arguments.untuned:
        from papertrail.inference.hits import search_untuned

        untuned = search_untuned(model, inputs, arguments.k)
        answers = [{**answer, "untuned": hits} for answer, hits in zip(answers, untuned, strict=True)]
    if cut := sum(bool(answer.get("cut")) for answer in answers):
        log.warning("%d of %d texts are longer than the model's input; their ends were not read", cut, len(answers))
    if arguments.json:
        lines = ({"run": model.name, **subject, **answer} for subject, answer in zip(subjects, answers, strict=True))
        write("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    else:
        from papertrail.cli.output import SHOW

        write(SHOW[question.command.answer](subjects, answers))


@contextmanager
def open_revision(revision: str | None, task: str, name: str | None) -> Iterator[tuple[Params, Path]]:
    """Yield parameters and folder of the workspace, or of another revision in a temporary folder.

    Raises:
        PapertrailError: The name of the revision is empty.
    """
    if revision is None:
        yield load_params(), Path()
        return
    if not revision.strip():
        raise PapertrailError("the revision is empty; give a branch, tag, commit or experiment, or leave out --rev")
    with TemporaryDirectory(prefix="papertrail-") as folder:
        from papertrail.inference.revision import fetch_model

        yield fetch_model(revision, task, name, Path(folder)), Path(folder)


def read_texts(arguments: argparse.Namespace, form: str) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of the command line, then of files; without either, of standard input.

    Raises:
        DataError: A file is missing, not UTF-8, or has no text.
        MachineError: Standard input is closed.
    """
    files = arguments.inputs if form in FILES else arguments.file
    if form not in FILES:
        for number, text in enumerate(arguments.inputs, start=1):
            if not text.strip() and not getattr(arguments, "abstract", None):  # before a model is loaded
                raise DataError(f"text {number} of {len(arguments.inputs)} is empty; expected a text")
            yield f"text {number}", text
    if not files and not arguments.inputs:
        if sys.stdin and sys.stdin.isatty():
            arguments.parser.error("nothing to read; give an input, or pipe it to standard input")
        files = [Path("-")]
    if Path("-") in files and sys.stdin is None:
        raise MachineError("standard input is closed, so no text can be read; open it, or name a file")
    for file in files:
        place = "standard input" if file == Path("-") else str(file)
        content = decode(sys.stdin.buffer.read(), place) if file == Path("-") else read_text(file)
        if not content.strip():
            raise DataError(f"{place}: no text")
        if form in WHOLE:
            yield place, content
        else:
            edges = " \r" if form == "paper" else None  # a tab before an abstract without a title stays
            lines = enumerate(content.split("\n"), start=1)  # a form feed ends no line
            yield from ((f"{place}:{number}", line.strip(edges)) for number, line in lines if line.strip())


def plain(key: str) -> Callable[[argparse.Namespace, Texts], tuple[Subjects, list[Any]]]:
    """Return a reader of texts that models read unchanged; `key` names the text beside the answer."""

    def read(arguments: argparse.Namespace, texts: Texts) -> tuple[Subjects, list[Any]]:
        return [{key: text} for _, text in texts], [text for _, text in texts]

    return read


def read_papers(arguments: argparse.Namespace, texts: Texts) -> tuple[Subjects, list[Any]]:
    """Read a title, and after a tab its abstract; --abstract is the abstract of a single title."""
    if arguments.abstract is not None and len(texts) != 1:
        arguments.parser.error("--abstract needs exactly one title; in a file, put the abstract after a tab")
    papers = []
    for _, text in texts:
        title, _, abstract = text.partition("\t")
        if arguments.abstract and abstract.strip():
            arguments.parser.error("two abstracts, one after the tab and one in --abstract; give one of them")
        papers.append({"title": title.strip(), "abstract": (arguments.abstract or abstract).strip()})
    return [{"title": paper["title"]} for paper in papers], papers


def read_citations(arguments: argparse.Namespace, texts: Texts) -> tuple[Subjects, list[Any]]:
    """Read texts with their citations and bibliography.

    Raises:
        DataError: A text has no citation, or a file is invalid.
    """
    file = arguments.bibliography
    entries = None if file is None else parse_bibliography(read_text(file), str(file))
    documents = [parse_document(text, place, entries) for place, text in texts]
    for (place, _), document in zip(texts, documents, strict=True):
        if not document["citations"]:
            raise DataError(f"{place}: no citation; known forms: {CITATION_FORMS}")
    return [{"file": place} for place, _ in texts], documents


def read_documents(arguments: argparse.Namespace, texts: Texts) -> tuple[Subjects, list[Any]]:
    """Read the text of whole papers; of S2ORC JSON the paragraphs."""
    return [{"file": place} for place, _ in texts], [parse_document(text, place, [])["text"] for place, text in texts]


INPUTS: dict[str, Callable[[argparse.Namespace, Texts], tuple[Subjects, list[Any]]]] = {  # by form of input
    "sentence": plain("text"),
    "text": plain("text"),
    "query": plain("query"),
    "paper_name": plain("paper"),
    "paper": read_papers,
    "citations": read_citations,
    "document": read_documents,
}


def write(text: str) -> None:
    """Write to standard output; a reader that stops early, such as `head`, is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit does not fail
