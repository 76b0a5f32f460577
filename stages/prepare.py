"""Turn the raw files of a data set into rows -> data/prepared/<task>/<data set>, data/test/<task>/<data set>."""

from papertrail.core.process import run_cli
from papertrail.data.prepare import prepare_dataset
from stages import read_name


def main() -> None:
    """Read, check and write one data set, and count what was dropped."""
    name, params = read_name(__doc__, "data set", "datasets")
    prepare_dataset(name, params)


if __name__ == "__main__":
    run_cli(main)
