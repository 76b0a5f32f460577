"""Ask the trained models about your own texts, serve them, and manage experiments."""

import argparse
import re
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import shtab

from papertrail.cli.commands import FILES, WHOLE, answer_command
from papertrail.core.errors import DataError
from papertrail.core.process import run_cli
from papertrail.inference.task_commands import TaskCommand, load_commands

TOOLS = {  # command -> module with add_arguments and run, which is imported when the command is chosen; help
    "serve": ("papertrail.serve.server", "serve these commands as a web page and JSON endpoints"),
    "check": ("papertrail.experiments.check", "check params.yaml before a stage runs"),
    "profile": (
        "papertrail.experiments.profile",
        "apply a profile to params.yaml, or run the pipeline with it elsewhere",
    ),
    "compare": ("papertrail.experiments.compare", "list changes since another revision, with significance tests"),
    "seeds": ("papertrail.experiments.seeds", "measure how much scores depend on the seed of the training"),
    "verify": ("papertrail.reproduce.verify", "build the pipeline again and compare the hashes of all outputs"),
    "readme": ("papertrail.report.readme", "write the tables of README.md and docs/"),
}
EPILOG = """examples:
{examples}
  papertrail serve --port 8000
  papertrail --print-completion bash > ~/.local/share/bash-completion/completions/papertrail

exit codes: 0 success, 1 an error of the input, the parameters, the models or the machine, 2 an invalid command line
"""


class Parser(argparse.ArgumentParser):
    """A parser whose arguments may come from a module, imported when its command is chosen."""

    module: str | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments; first import the module, if there is one."""
        if self.module is not None:
            tool = import_module(self.module)
            self.module = None
            self.description = tool.__doc__
            tool.add_arguments(self)
            self.set_defaults(execute=tool.run)
        return super().parse_known_args(args, namespace)


def main() -> None:
    """Run the command `papertrail`."""
    run_cli(run_command)


def run_command() -> None:
    """Parse the command line and run the command; Ctrl-C and SIGTERM end it.

    Raises:
        PapertrailError: The command failed.
    """
    check_encoding(sys.argv[1:])
    arguments = build_parser().parse_args()
    try:
        arguments.execute(arguments)
    except KeyboardInterrupt:
        sys.exit("interrupted")


def check_encoding(arguments: Sequence[str]) -> None:
    """Check that the command line is UTF-8.

    Raises:
        DataError: An argument is not.
    """
    for number, argument in enumerate(arguments, start=1):
        if re.search("[\ud800-\udfff]", argument):  # how Python decodes other bytes; no tokenizer accepts it
            raise DataError(f"argument {number}: not UTF-8 ({argument!a}); convert the text, or rename the file")


def build_parser() -> Parser:
    """Build the parser of the command line; its help needs neither params.yaml nor model libraries."""
    questions = load_commands()
    examples = "\n".join(f"  {question.command.example.splitlines()[0]}" for question in questions.values())
    shape = argparse.RawDescriptionHelpFormatter
    epilog = EPILOG.format(examples=examples)
    parser = Parser("papertrail", description=__doc__, epilog=epilog, formatter_class=shape)
    shtab.add_argument_to(parser, ["--print-completion"], help="print a completion script for this shell")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, question in questions.items():
        add_question(commands.add_parser(name, help=question.command.help, formatter_class=shape), question)
    for name, (module, text) in TOOLS.items():
        commands.add_parser(name, help=text, formatter_class=shape).module = module
    return parser


def add_question(parser: argparse.ArgumentParser, question: TaskCommand) -> None:
    """Add the arguments of a command of a task, which depend on its forms of input and answer."""
    command = question.command
    parser.description = command.help
    parser.epilog = f"example:\n  {command.example}\n\nmodels: those of task {question.task} in params.yaml"
    parser.set_defaults(execute=partial(answer_command, question), parser=parser, k=0, untuned=False)
    add_inputs(parser, command.input)
    if question.is_ranked:
        parser.add_argument("-k", type=positive, default=5, help="maximum number of results (default: %(default)s)")
    if (command.input, command.answer) == ("query", "hits"):
        parser.add_argument("--untuned", action="store_true", help="also show the hits of the model before fine-tuning")
    parser.add_argument("--json", action="store_true", help="one JSON object per text and line")
    names, options = ("a model or index", ["--index"]) if command.answer == "hits" else ("a model", [])
    text = f"{names} of params.yaml; default: the best on validation"
    parser.add_argument("--run", *options, dest="run", metavar="NAME", help=text)
    parser.add_argument("--rev", metavar="REV", help="take model and parameters from a branch, tag or commit")


def add_inputs(parser: argparse.ArgumentParser, form: str) -> None:
    """Add the arguments that a form of input needs."""
    if form in FILES:
        files = parser.add_argument("inputs", nargs="*", metavar="FILE", type=Path, help="a file; - is standard input")
    else:
        what, how = ("a text", "read whole") if form in WHOLE else ("a line of text", "one text per line")
        text = f"{what}; without any, standard input is read"
        parser.add_argument("inputs", nargs="*", metavar="TEXT", help=text)
        files = parser.add_argument("--file", action="append", default=[], type=Path, help=f"a UTF-8 file, {how}")
    files.complete = shtab.FILE  # type: ignore[attr-defined]
    if form == "paper":
        parser.add_argument("--abstract", help="abstract of the title")
    if form == "citations":
        file = parser.add_argument(
            "--bibliography", type=Path, help="for texts: BibTeX, RIS, CSL JSON, ..., see docs/documents.md"
        )
        file.complete = shtab.FILE  # type: ignore[attr-defined]


def positive(text: str) -> int:
    """Parse a positive integer, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {number}")
    return number
