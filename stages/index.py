"""Embed a collection and build its index -> data/index/<index>: vectors, documents, manifest."""

from pathlib import Path

from papertrail.core.artifacts import write_json
from papertrail.core.process import run_cli
from papertrail.core.runtime import start
from papertrail.models.index_build import build_index
from stages import read_name


def main() -> None:
    """Build the index and compare it with exact search on the validation queries."""
    name, params = read_name(__doc__, "index", "indexes")
    start(params.runtime, params.seed)
    metrics = build_index(params.indexes[name], params, Path("data/index", name))
    write_json(metrics, Path("metrics/index", f"{name}.json"))


if __name__ == "__main__":
    run_cli(main)
