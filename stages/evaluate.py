"""Predict and score the test split with a model and its baselines -> predictions/<model>, metrics/evaluate."""

import logging
from pathlib import Path

from papertrail.core.process import run_cli
from papertrail.core.runtime import start
from papertrail.evaluate.cautions import find_cautions
from papertrail.evaluate.kinds import load_evaluator
from papertrail.evaluate.results import write_results
from papertrail.evaluate.stats.samples import SCORES
from stages import read_name

log = logging.getLogger(__name__)


def main() -> None:
    """Evaluate one model; write predictions, scores, plots and examples of errors."""
    name, params = read_name(__doc__, "model", "models")
    model = params.models[name]
    start(params.runtime, params.seed)
    results = load_evaluator(model.kind).evaluate(model, Path("models", name), params)
    for view, scores in results.scores.items():
        for caution in find_cautions(scores, SCORES[results.predictions[view].kind][0]):
            log.warning("caution: %s on %s: %s", name, view, caution)
    write_results(results, Path("predictions", name), Path("metrics/evaluate", f"{name}.json"))


if __name__ == "__main__":
    run_cli(main)
