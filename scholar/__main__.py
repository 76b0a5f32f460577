"""Ask the trained models about your own texts, on the command line."""

import argparse
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import shtab

from scholar.ask.commands import COMMANDS, Command, read_documents, read_titles
from scholar.errors import DataError, MachineError, ScholarError, run
from scholar.params import Params, load_params

log = logging.getLogger(__name__)

EXAMPLES = """examples:
  papertrail search "low-resource machine translation" -k 3
  papertrail similar "attention is all you need"
  papertrail link draft.tex --bibliography references.bib
  papertrail intent "We show gains of two points."
  papertrail entities --file paper.txt
  papertrail category "Free electron trajectories in graphene"
  papertrail interest --file titles.txt --json
  papertrail summarize paper.txt --run summary-base
  papertrail entities --file paper.txt --rev main
  papertrail --print-completion bash > ~/.local/share/bash-completion/completions/papertrail

exit codes: 0 answered, 1 something is wrong with the input, the models or the machine, 2 the command is not understood
"""


def main() -> None:
    """The console script."""
    run(answer_command)


def answer_command() -> None:
    """Understand the command line, then ask or serve; Ctrl-C and SIGTERM end either, and no checkpoint is spoken of.

    Raises:
        DataError: a word of it is not UTF-8.
    """
    for number, given in enumerate(sys.argv[1:], start=1):
        if re.search("[\ud800-\udfff]", given):  # what Python makes of such bytes; no tokenizer takes it
            raise DataError(f"argument {number}: not UTF-8 ({given!a}); convert the text, or rename the file")
    arguments = build_parser().parse_args()
    try:
        if arguments.command == "serve":
            from scholar.ask.server import main as serve

            serve(arguments.host, arguments.port)
        else:
            ask(COMMANDS[arguments.command], arguments)
    except KeyboardInterrupt:
        sys.exit("interrupted")


def ask(command: Command, arguments: argparse.Namespace) -> None:
    """Read the input, load a model, answer, write: JSON lines, or a table for people.

    Raises:
        MachineError: standard output is closed.
    """
    if sys.stdout is None:
        raise MachineError("standard output is closed, so that no answer can be written; open it, or redirect it")
    subjects, inputs = command.read(arguments, list(read_inputs(arguments, command.unit)))
    with opened(arguments.rev, command.task, arguments.run) as (params, root):
        from scholar.ask.models import about, load

        model = load(params, command.task, arguments.run, root, arguments.rev)
    if sys.stdout.isatty():
        from scholar.ask.show import show_model

        log.info("%s", show_model(about(model)))
    answers = command.answer(model, inputs, getattr(arguments, "k", 0))
    if cut := sum(bool(answer.get("cut")) for answer in answers):
        log.warning("%d of %d texts are longer than the model reads; only their beginning was read", cut, len(answers))
    if arguments.json:
        lines = ({"run": model.name, **told, **given} for told, given in zip(subjects, answers, strict=True))
        write("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    else:
        write(command.show(subjects, answers))


@contextmanager
def opened(revision: str | None, task: str, name: str | None) -> Iterator[tuple[Params, Path]]:
    """Parameters and folder of the workspace, or of another revision, whose files are gone afterwards.

    Raises:
        ScholarError: the revision is empty.
    """
    if revision is None:
        yield load_params(), Path()
        return
    if not revision.strip():
        raise ScholarError("the revision is empty; give a branch, tag, commit or experiment, or leave --rev out")
    with TemporaryDirectory(prefix="papertrail-") as folder:
        from scholar.ask.revision import fetch_model

        yield fetch_model(revision, task, name, Path(folder)), Path(folder)


def read_inputs(arguments: argparse.Namespace, unit: str) -> Iterator[tuple[str, str]]:
    """(place, text) of every text: those of the command line, then those of files, else those of standard input.

    Raises:
        DataError: a file is missing or not UTF-8, or there is no text in it.
        MachineError: standard input is to be read and closed.
    """
    from scholar.ask.bibliography import decode, read_text

    named = unit == "file"
    files = arguments.inputs if named else arguments.file
    if not named:
        yield from ((f"text {number}", text) for number, text in enumerate(arguments.inputs, start=1))
    if not files and not arguments.inputs:
        if sys.stdin and sys.stdin.isatty():
            arguments.parser.error("nothing to read: name it, or pipe it to standard input")
        files = [Path("-")]
    if Path("-") in files and sys.stdin is None:
        raise MachineError("standard input is closed, so that no text can be read; open it, or name a file")
    for file in files:
        place = "standard input" if file == Path("-") else str(file)
        content = decode(sys.stdin.buffer.read(), place) if file == Path("-") else read_text(file)
        if not content.strip():
            raise DataError(f"{place}: no text in it")
        if unit == "line":
            lines = enumerate(content.split("\n"), start=1)  # a form feed ends no line
            edges = " \r" if "abstract" in arguments else None  # a tab before an abstract without a title stays
            yield from ((f"{place}:{number}", line.strip(edges)) for number, line in lines if line.strip())
        else:
            yield place, content


def write(text: str) -> None:
    """Write to standard output; a reader that has enough, such as `head`, is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is flushed into it at the end


def build_parser() -> argparse.ArgumentParser:
    """The command line as it is documented by --help."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("papertrail", description=__doc__, epilog=EXAMPLES, formatter_class=shape)
    shtab.add_argument_to(parser, ["--print-completion"], help="print a completion script for this shell")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        epilog = f"example:\n  {command.example}\n\nthe model: one of task {command.task} in params.yaml"
        own = commands.add_parser(
            name, help=command.help, description=command.help, epilog=epilog, formatter_class=shape
        )
        own.set_defaults(parser=own)
        add_inputs(own, command)
        own.add_argument("--json", action="store_true", help="a JSON object on each line, one per text")
        own.add_argument("--run", metavar="NAME", help="a model of params.yaml; default: the best on validation")
        own.add_argument("--rev", metavar="REV", help="take model and parameters from a branch, tag or commit")
    serve = commands.add_parser("serve", help="a page and JSON endpoints with all of these, on this machine")
    serve.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s, no other machine)"
    )
    serve.add_argument("--port", type=port, default=8000, help="port to listen on (default: %(default)s)")
    return parser


def add_inputs(parser: argparse.ArgumentParser, command: Command) -> None:
    """What a command reads, and how much of its answer it shows."""
    if command.unit == "file":
        given = parser.add_argument("inputs", nargs="*", metavar="FILE", type=Path, help="a file; - is standard input")
    else:
        what = "a text" if command.unit == "text" else "a line of text"
        parser.add_argument("inputs", nargs="*", metavar="TEXT", help=f"{what}; without any, standard input is read")
        how = "read whole" if command.unit == "text" else "one on each line"
        given = parser.add_argument("--file", action="append", default=[], type=Path, help=f"a UTF-8 file, {how}")
    given.complete = shtab.FILE  # type: ignore[attr-defined]
    if command.read is read_titles:
        parser.add_argument("--abstract", help="that of the title")
    if command.read is read_documents:
        beside = parser.add_argument("--bibliography", type=Path, help="of a plain text: BibTeX, or titles, one a line")
        beside.complete = shtab.FILE  # type: ignore[attr-defined]
    if command.task in ("semantic_search", "citation_linking"):
        parser.add_argument("-k", type=positive, default=5, help="results at most (default: %(default)s)")


def port(text: str) -> int:
    """A port, for argparse; 0 takes one that is free."""
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"a port from 0 to 65535 was expected, got {number}")
    return number


def positive(text: str) -> int:
    """A whole number above 0, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"a number above 0 was expected, got {number}")
    return number


if __name__ == "__main__":
    main()
