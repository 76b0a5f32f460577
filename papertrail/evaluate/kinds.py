"""Evaluation of model kinds: one module each, papertrail.evaluate.<kind>, with the function of `Evaluator`."""

from pathlib import Path
from typing import Any, Protocol, cast

from papertrail.core.params import Params
from papertrail.core.plugins import load_plugin
from papertrail.evaluate.results import Results


class Evaluator(Protocol):
    """The function of a module that evaluates models of one kind."""

    def evaluate(self, model: Any, folder: Path, params: Params) -> Results:
        """Predict and score the test split with a model of params.yaml, saved in `folder`, and with its baselines."""


def load_evaluator(kind: str) -> Evaluator:
    """Return the evaluation module of a model kind.

    Raises:
        ParamsError: There is no such kind.
    """
    return cast(Evaluator, load_plugin("model kind", "papertrail.evaluate", kind))
