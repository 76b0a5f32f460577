"""Download and check the files of a source -> data/raw/<source>."""

from pathlib import Path

from papertrail.core.process import run_cli
from papertrail.data.sources.fetch import fetch_source
from stages import read_name


def main() -> None:
    """Fetch one source."""
    name, params = read_name(__doc__, "source", "sources")
    fetch_source(params.sources[name], Path("data/raw", name))


if __name__ == "__main__":
    run_cli(main)
