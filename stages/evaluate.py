"""Predict and score the test split with a model and its baselines -> predictions/<model>, metrics/evaluate."""

from pathlib import Path

from papertrail.core.process import run_cli
from papertrail.core.runtime import start
from papertrail.evaluate.kinds import load_evaluator
from papertrail.evaluate.results import write_results
from stages import read_name


def main() -> None:
    """Evaluate one model; write predictions, scores, plots and examples of errors."""
    name, params = read_name(__doc__, "model", "models")
    model = params.models[name]
    start(params.runtime, params.seed)
    results = load_evaluator(model.kind).evaluate(model, Path("models", name), params)
    write_results(results, Path("predictions", name), Path("metrics/evaluate", f"{name}.json"))


if __name__ == "__main__":
    run_cli(main)
