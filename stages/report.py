"""Write all results -> metrics/report.md, report/report.html, metrics/plots/test."""

from pathlib import Path

from papertrail.core.artifacts import write_text
from papertrail.core.params import load_params
from papertrail.core.process import run_cli
from papertrail.report.html import to_html
from papertrail.report.plots import collect_plots
from papertrail.report.sections import build_report, to_markdown


def main() -> None:
    """Read metrics/ and predictions/, and write both forms of the report."""
    params = load_params()
    collect_plots(list(params.models), Path("predictions"), Path("metrics/plots/test"))
    sections = build_report(params)
    write_text(to_html(sections), Path("report/report.html"))
    write_text(to_markdown(sections), Path("metrics/report.md"))


if __name__ == "__main__":
    run_cli(main)
