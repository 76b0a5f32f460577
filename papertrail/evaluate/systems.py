"""The predictions and scores of all systems on one view of the test split: a model and its baselines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from papertrail.core.params import Evaluation
from papertrail.core.records import Row
from papertrail.evaluate.stats.samples import intervals, paper_of


@dataclass(frozen=True, slots=True)
class ScoredSystems:
    """Predictions and scores by system.

    Attributes:
        kind: Kind of the predictions, a key of papertrail.evaluate.stats.samples.SCORES.
        predictions: System -> predictions, a row per test row in the order of these.
        scores: System -> metric -> value.
    """

    kind: str
    predictions: dict[str, list[Row]]
    scores: dict[str, dict[str, Any]]

    @property
    def rows(self) -> list[Row]:
        """Return the predictions of all systems, one system after the other."""
        return [row for rows in self.predictions.values() for row in rows]


def add_intervals(systems: ScoredSystems, test: Sequence[Row], evaluation: Evaluation, seed: int) -> ScoredSystems:
    """Add columns `paper` and `system` to the predictions, and confidence intervals over papers to the scores."""
    predictions = {
        system: [{**row, "paper": paper_of(of), "system": system} for row, of in zip(rows, test, strict=True)]
        for system, rows in systems.predictions.items()
    }
    scores = {
        system: {**systems.scores[system], **intervals(rows, systems.kind, evaluation, seed)}
        for system, rows in predictions.items()
    }
    return ScoredSystems(systems.kind, predictions, scores)
