"""The generated parts of README.md and docs/: tables of results, and the tree of modules."""

import argparse
import ast
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from papertrail.core.artifacts import write_text
from papertrail.core.errors import PapertrailError
from papertrail.core.params import Params, load_params
from papertrail.report.answers import answer_table
from papertrail.report.data_tables import data_table
from papertrail.report.tables import Table, comparison_table, result_table, score_table, seed_table

README = Path("README.md")
RESULTS = Path("docs/results.md")
CODE = Path("docs/code.md")
PACKAGES = ("stages", "papertrail")  # folders of the tree


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `papertrail readme`."""
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if a file is out of date")


def run(arguments: argparse.Namespace) -> None:
    """Write the generated blocks from params.yaml, metrics/ and the code, or check that they are up to date.

    Raises:
        PapertrailError: A metrics file or a mark of a block is missing, or `--check` finds a difference.
    """
    params = load_params()
    files = {
        README: _to_markdown({"answers": answer_table(params)}),
        RESULTS: _to_markdown(build_tables(params)),
        CODE: {"tree": build_tree(Path())},
    }
    for file, texts in files.items():
        old = file.read_text(encoding="utf-8")
        new = replace_blocks(old, texts, file)
        if new != old and arguments.check:
            raise PapertrailError(f"{file}: its generated blocks are out of date; run `papertrail readme`")
        if new != old:
            write_text(new, file)


def build_tables(params: Params) -> dict[str, Table]:
    """Return block of docs/results.md -> its table."""
    return {
        "results": result_table(params),
        "seeds": seed_table(params),
        "comparisons": comparison_table(params),
        "search": score_table(_of_kind(params, "retriever")),
        "summaries": score_table(_of_kind(params, "summarizer", "extractor")),
        "data": data_table(params),
    }


def _to_markdown(tables: Mapping[str, Table]) -> dict[str, str]:
    return {name: table.to_markdown() if table.rows else "None yet." for name, table in tables.items()}


def build_tree(root: Path) -> str:
    """Return the modules of PACKAGES as a tree, each with the first line of its docstring."""
    files = sorted(file.relative_to(root) for package in PACKAGES for file in (root / package).rglob("*.py"))
    lines = ["```text"]
    for folder in sorted({file.parent for file in files}):
        title = _summary(root / folder / "__init__.py")
        lines.append(f"{folder}/".ljust(40) + title)
        modules = [file for file in files if file.parent == folder and file.name != "__init__.py"]
        lines += [f"  {file.name}".ljust(40) + _summary(root / file) for file in modules]
    return "\n".join([*(line.rstrip() for line in lines), "```"])


def _summary(module: Path) -> str:
    """Return the first line of a module's docstring; an empty text without a module."""
    if not module.is_file():
        return ""
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def replace_blocks(text: str, blocks: Mapping[str, str], file: Path) -> str:
    """Return the text with everything between the two marks of each block replaced.

    Args:
        text: Content of a file.
        blocks: Name of a block -> its new content.
        file: The file, for the message.

    Raises:
        PapertrailError: A mark is missing.
    """
    for name, content in blocks.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, opened, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (opened and closed):
            raise PapertrailError(f"{file}: no block between '{begin}' and '{end}'; add the two lines again")
        text = f"{before}{begin}\n{content}\n{end}{after}"
    return text


def _of_kind(params: Params, *kinds: str) -> Params:
    return replace(params, models={name: model for name, model in params.models.items() if model.kind in kinds})
