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
from papertrail.data.formats.s2orc import to_nfc
from papertrail.inference.bibliography import parse_bibliography, read_records
from papertrail.inference.documents import CITATION_FORMS, Document, decode, parse_document, read_text
from papertrail.inference.task_commands import TaskCommand

Subjects = list[dict[str, Any]]  # what each answer is about; printed beside it
Texts = list[tuple[str, str]]  # (place for messages, text)
FILES = ("citations", "document")  # forms of input that are files, named on the command line
STDIN = "standard input"
WHOLE = ("text", *FILES)  # forms where one file is one input; otherwise one input per line
log = logging.getLogger(__name__)


def answer_command(question: TaskCommand, arguments: argparse.Namespace) -> None:
    """Answer a command and print the answers.

    Of several files, a bad one is reported and the others are answered.

    Raises:
        DataError: A file was not answered; raised after the answers to the others.
        MachineError: Standard output is closed.
        PapertrailError: An input, the parameters or the model is wrong or missing.
    """
    if sys.stdout is None:
        raise MachineError("standard output is closed, so no answer can be written; open or redirect it")
    if arguments.untuned and arguments.rev is not None:
        arguments.parser.error("--untuned needs the base model of the workspace; leave out --rev")
    form = question.command.input
    texts, failed = read_files(arguments) if form in FILES else (list(read_texts(arguments, form)), 0)
    subjects, inputs = INPUTS[form](arguments, texts)
    failed += len(texts) - len(inputs)
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
    print_answers(question, arguments.json, model.name, subjects, answers)
    if failed:
        raise DataError(f"{failed} of {failed + len(inputs)} documents were not answered; the reasons are above")


def print_answers(question: TaskCommand, as_json: bool, run: str, subjects: Subjects, answers: Subjects) -> None:
    """Write the answers to standard output, as JSON lines or for people."""
    if as_json:
        lines = ({"run": run, **subject, **answer} for subject, answer in zip(subjects, answers, strict=True))
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

    A file of papers may be a bibliography, such as RIS, or a table; each of its records is a text.

    Raises:
        DataError: A file is missing, not UTF-8, or has no text.
        MachineError: Standard input is closed.
    """
    files = arguments.inputs if form in FILES else arguments.file
    if form not in FILES:
        for number, text in enumerate(arguments.inputs, start=1):
            if not text.strip() and not getattr(arguments, "abstract", None):  # before a model is loaded
                raise DataError(f"text {number} of {len(arguments.inputs)} is empty; expected a text")
            yield f"text {number}", to_nfc(text)
    if not files and not arguments.inputs:
        if sys.stdin and sys.stdin.isatty():
            arguments.parser.error("nothing to read; give an input, or pipe it to standard input")
        files = [Path("-")]
    if Path("-") in files and sys.stdin is None:
        raise MachineError("standard input is closed, so no text can be read; open it, or name a file")
    for file in files:
        place, content = read_file(file)
        if form in FILES:
            yield from split_papers(place, content)
        elif form in WHOLE:
            yield place, to_nfc(content)
        elif form == "paper" and (records := read_records(content, place)) is not None:
            yield from ((f"{place}: {record['id']}", f"{record['title']}\t{record['abstract']}") for record in records)
        else:
            edges = " \r" if form == "paper" else None  # a tab before an abstract without a title stays
            lines = enumerate(to_nfc(content).split("\n"), start=1)  # a form feed ends no line
            yield from ((f"{place}:{number}", line.strip(edges)) for number, line in lines if line.strip())


def read_file(file: Path) -> tuple[str, str]:
    """Return place and content of a file; `-` is standard input.

    Raises:
        DataError: It is missing, not UTF-8, or has no text.
    """
    place = STDIN if file == Path("-") else str(file)
    content = decode(sys.stdin.buffer.read(), place) if file == Path("-") else read_text(file)
    if not content.strip():
        raise DataError(f"{place}: no text")
    return place, content


def read_files(arguments: argparse.Namespace) -> tuple[Texts, int]:
    """Return (place, text) of the documents that can be read, and the number of files that cannot, which are reported.

    Raises:
        DataError: No file can be read.
        MachineError: Standard input is closed.
    """
    texts: Texts = []
    errors: list[str] = []
    for file in arguments.inputs or [None]:
        alone = argparse.Namespace(**{**vars(arguments), "inputs": [] if file is None else [file]})
        try:
            texts += read_texts(alone, FILES[0])
        except DataError as error:
            errors.append(str(error))
    report(errors, bool(texts))
    return texts, len(errors)


def split_papers(place: str, content: str) -> Iterator[tuple[str, str]]:
    """Yield each line of JSON lines, as in releases of S2ORC, with its number; any other content whole."""
    lines = [(number, line) for number, line in enumerate(content.split("\n"), start=1) if line.strip()]
    if len(lines) > 1 and all(line.startswith("{") and line.rstrip().endswith("}") for _, line in lines):
        yield from ((f"{place}:{number}", line) for number, line in lines)
    else:
        yield place, content


def report(errors: list[str], others: bool) -> None:
    """Log errors of some inputs while others are answered.

    Raises:
        DataError: There are no others; the message has all errors.
    """
    if errors and not others:
        raise DataError("\n".join(errors))
    for error in errors:
        log.error("error: %s", error)


def parse_each(texts: Texts, parse: Callable[[str, str], Document]) -> tuple[Subjects, list[Document]]:
    """Parse documents; one that cannot be parsed is reported and left out.

    Raises:
        DataError: None can be parsed.
    """
    subjects: Subjects = []
    documents: list[Document] = []
    errors: list[str] = []
    for place, text in texts:
        try:
            documents.append(parse(text, place))
            subjects.append({"file": place})
        except DataError as error:
            errors.append(str(error))
    report(errors, bool(documents))
    return subjects, documents


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
        DataError: The bibliography is invalid, or no text can be used.
    """
    file = arguments.bibliography
    entries = None if file is None else parse_bibliography(read_text(file), str(file))

    def parse(text: str, place: str) -> Document:
        document = parse_document(text, place, entries, folder_of(place))
        if not document["citations"]:
            raise DataError(f"{place}: no citation; known forms: {CITATION_FORMS}")
        if not any(entry["title"] for entry in document["bibliography"]):
            raise DataError(f"{place}: no entry of its bibliography has a title; name one with --bibliography")
        return document

    return parse_each(texts, parse)


def read_documents(arguments: argparse.Namespace, texts: Texts) -> tuple[Subjects, list[Any]]:
    """Read the text of whole papers; of S2ORC JSON the paragraphs.

    Raises:
        DataError: No text can be used.
    """

    def parse(text: str, place: str) -> Document:
        document = parse_document(text, place, [], folder_of(place))
        if not document["text"].strip():
            raise DataError(f"{place}: no text to summarize")
        return document

    subjects, documents = parse_each(texts, parse)
    return subjects, [document["text"] for document in documents]


def folder_of(place: str) -> Path | None:
    """Return the folder of the file of a place; None for standard input."""
    return None if place == STDIN else Path(place).parent


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
