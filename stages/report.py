"""All numbers in one place -> metrics/report.md; with curves, confusions and examples -> report/report.html."""

from pathlib import Path

from scholar.errors import run
from scholar.params import load_params
from scholar.records import write_text
from scholar.report import build_report, to_html, to_markdown


def main() -> None:
    """Read metrics/ and predictions/, and write both forms."""
    sections = build_report(load_params())
    write_text(to_html(sections), Path("report/report.html"))
    write_text(to_markdown(sections), Path("metrics/report.md"))


if __name__ == "__main__":
    run(main)
