"""What a user should know before trusting a model, from its metrics on the test split."""

from collections.abc import Callable, Mapping
from typing import Any

from papertrail.evaluate.stats.comparison import MODEL, ORACLES
from papertrail.models.search_systems import UNVALIDATED

FEW_POSITIVES = 10  # examples of the class that is searched for; a threshold from fewer is close to arbitrary


def find_cautions(
    scores: Mapping[str, Any], metric: str, system: str = MODEL, name_of: Callable[[str], str] = str
) -> list[str]:
    """Return sentences on a model in one view: a better system, one predicted class, a choice on few or no examples.

    Args:
        scores: System -> metric -> value, and counts, as in metrics/evaluate.
        metric: The metric that systems are compared by; higher is better.
        system: The system that answers.
        name_of: Function of a metric or a system; returns its name for people.
    """
    own = scores[system]
    others = {
        name: values[metric]
        for name, values in scores.items()
        if isinstance(values, Mapping) and metric in values and name not in {system, *ORACLES}
    }
    best = max(others, key=lambda name: others[name], default=None)
    cautions = []
    if best is not None and others[best] > own[metric]:
        numbers = f"{name_of(metric)} {others[best]:.3f} against {own[metric]:.3f}"
        cautions.append(f"{name_of(best)} scores higher on the test split: {numbers}")
    if own.get("classes_predicted") == 1:
        cautions.append("it predicts the same class for every test example")
    positives = own.get("validation_positives", FEW_POSITIVES)
    if positives < FEW_POSITIVES:
        cautions.append(f"its threshold was chosen on {positives} positive examples, fewer than {FEW_POSITIVES}")
    if scores.get("validation_queries") == 0:
        answer = name_of(UNVALIDATED)
        cautions.append(f"no validation queries, so a search answers with {answer} without a comparison")
    return cautions
