"""The tables of README.md, from params.yaml and metrics/. `python -m scholar.readme [--check]`."""

import argparse
from pathlib import Path

from scholar.errors import ScholarError, run
from scholar.params import load_params
from scholar.records import write_text
from scholar.tables import comparison_table, data_table, result_table, search_table, seed_table, summary_table

README = Path("README.md")


def main() -> None:
    """Write the tables, or with --check only tell whether they are those of the current metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 when README.md is stale")
    check = parser.parse_args().check
    params = load_params()
    old = README.read_text(encoding="utf-8")
    new = old
    tables = {
        "results": result_table(params),
        "seeds": seed_table(params),
        "comparisons": comparison_table(params),
        "search": search_table(params),
        "summaries": summary_table(params),
        "data": data_table(params),
    }
    for name, table in tables.items():
        new = replace_block(new, name, table.to_markdown() if table.rows else "None yet.")
    if new != old and check:
        raise ScholarError(f"{README}: its tables differ from params.yaml and metrics/; run `make readme`")
    if new != old:
        write_text(new, README)


def replace_block(text: str, name: str, table: str) -> str:
    """The text with everything between the two marks of a block replaced.

    Raises:
        ScholarError: the marks are not there.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        raise ScholarError(f"{README}: no block between '{begin}' and '{end}'; put the two lines back")
    return f"{before}{begin}\n{table}\n{end}{after}"


if __name__ == "__main__":
    run(main)
