"""Write a card and the provenance of every model -> cards/<model>/README.md, cards/<model>/provenance.json."""

from pathlib import Path

from papertrail.core.params import load_params
from papertrail.core.process import run_cli
from papertrail.report.cards import write_cards


def main() -> None:
    """Describe every model from params.yaml, dvc.yaml, metrics/ and files."""
    write_cards(load_params(), Path("cards"))


if __name__ == "__main__":
    run_cli(main)
