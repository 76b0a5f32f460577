"""A source of params.yaml -> its files, checked byte for byte: data/raw/<name>/."""

import argparse
from pathlib import Path

from scholar.errors import run
from scholar.params import choose, load_params
from scholar.sources import fetch_source


def main() -> None:
    """Fetch one source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a source of params.yaml")
    name = parser.parse_args().name
    sources = load_params().sources
    fetch_source(sources[choose("source", name, list(sources))], Path("data/raw", name))


if __name__ == "__main__":
    run(main)
