"""Look for test rows of every data set in the pretraining text -> metrics/contamination.json."""

from pathlib import Path

from papertrail.core.artifacts import write_json
from papertrail.core.params import load_params
from papertrail.core.process import run_cli
from papertrail.data.contamination import find_contamination


def main() -> None:
    """Count contained test rows; fail on a test paper or on more rows than the limit."""
    write_json(find_contamination(load_params()), Path("metrics/contamination.json"))


if __name__ == "__main__":
    run_cli(main)
