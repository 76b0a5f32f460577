"""Test every model against its baselines and rivals on the same rows -> metrics/comparisons.json."""

from pathlib import Path

from papertrail.core.artifacts import write_json
from papertrail.core.params import load_params
from papertrail.core.process import run_cli
from papertrail.evaluate.stats.comparison import compare_all, read_systems


def main() -> None:
    """Read the predictions of every model of params.yaml and compare them."""
    params = load_params()
    tables = {
        name: {
            view: read_systems(Path("predictions", name, f"{view}.parquet")) for view in params.inputs_by_view(model)
        }
        for name, model in params.models.items()
    }
    write_json(compare_all(tables, params.models, params.evaluation, params.seed), Path("metrics/comparisons.json"))


if __name__ == "__main__":
    run_cli(main)
