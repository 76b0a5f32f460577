"""Is a model better than its baselines, or than one from another encoder? predictions/ -> metrics/comparisons.json."""

from pathlib import Path

from scholar.comparison import Systems, compare_all
from scholar.errors import run
from scholar.params import load_params
from scholar.records import read_rows, write_json


def main() -> None:
    """Read the predictions of everything that params.yaml trains, and compare."""
    params = load_params()
    tables = {
        name: {view: read_systems(Path("predictions", name, f"{view}.parquet")) for view in params.views_of(given)}
        for name, given in params.trained.items()
    }
    write_json(compare_all(tables, params.trained, params.evaluation, params.seed), Path("metrics/comparisons.json"))


def read_systems(file: Path) -> Systems:
    """System -> its predictions."""
    systems: Systems = {}
    for row in read_rows(file).to_list():
        systems.setdefault(row["system"], []).append(row)
    return systems


if __name__ == "__main__":
    run(main)
