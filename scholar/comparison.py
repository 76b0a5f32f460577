"""Is one system better than another on the same rows? Effect, interval, p and verdict, from predictions alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from scholar.errors import DataError
from scholar.params import Evaluation, Retriever, Run, Summarizer
from scholar.records import Row
from scholar.resampling import bootstrap, interval, swap_test
from scholar.samples import read_samples

MODEL = "model"
CEILINGS = {"oracle"}  # systems that look at the answer: nothing to be compared with
TRUTH = ("paper", "query", "tags", "label", "sampled")  # columns that do not depend on the system


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The score of one system minus that of another on the same rows, and what the papers say about it.

    Attributes:
        low, high: the interval of the effect.
        p: two-sided, of this comparison alone.
        smallest: the smallest true difference that a test of this many papers finds with the power asked for.
    """

    effect: float
    low: float
    high: float
    p: float
    smallest: float


def compare(before: Sequence[Row], after: Sequence[Row], metric: str, evaluation: Evaluation, seed: int) -> Difference:
    """How much higher a score is after than before; both tables are one system's predictions, in any order.

    Args:
        before, after: predictions of the same rows.
        metric: a key of `read_samples`.
        evaluation: replicates, swaps, level and power.
        seed: of all draws.

    Raises:
        DataError: the two are not about the same ids, disagree on what is right, or one has no such score.

    Source: Card et al. 2020, With Little Power Comes Great Responsibility; `smallest` is the z of the level plus the z
    of the power (1.96 + 0.84 = 2.8 for 0.95 and 0.8) times the standard error of the paired difference.
    """
    before, after = (sorted(rows, key=lambda row: str(row["id"])) for rows in (before, after))
    _check_same(before, after)
    samples = [read_samples(rows) for rows in (before, after)]
    if any(metric not in found for found in samples):
        told = [", ".join(found) for found in samples]
        raise DataError(f"'{metric}' is no score of both; before there are {told[0]}, after {told[1]}")
    old, new = (found[metric] for found in samples)
    units = len(old)
    scores = bootstrap(lambda weights: new.score(weights) - old.score(weights), units, evaluation.replicates, seed)
    once = np.ones((1, units))
    low, high = interval(scores, units, evaluation.level)
    reach = norm.ppf((1 + evaluation.level) / 2) + norm.ppf(evaluation.power)
    return Difference(
        effect=float(new.score(once)[0] - old.score(once)[0]),
        low=low,
        high=high,
        p=swap_test(old, new, evaluation.swaps, seed),
        smallest=float(reach * np.nanstd(scores)),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values that hold for a family of tests: below a, one wrong finding or more is at most as likely as a.

    Source: Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.
    """
    order = np.argsort(p_values, kind="stable")
    rising = np.maximum.accumulate(np.sort(p_values) * np.arange(len(p_values), 0, -1))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(rising, 1)
    return [float(p) for p in adjusted]


def verdict(numbers: Mapping[str, float], level: float) -> str:
    """The plain word for a comparison, from its effect, p_holm and smallest."""
    if numbers["p_holm"] <= 1 - level:
        return "better" if numbers["effect"] > 0 else "worse"
    return f"no difference seen (one test alone could have shown about {numbers['smallest']:.3f})"


Trained = Run | Retriever | Summarizer
Systems = dict[str, list[Row]]


def compare_all(
    tables: Mapping[str, Mapping[str, Systems]], trained: Mapping[str, Trained], evaluation: Evaluation, seed: int
) -> dict[str, Any]:
    """Every model against the other systems of its table and against its rivals, as one family of tests.

    Args:
        tables: name -> view -> system -> predictions.
        trained: name -> its parameters.
        evaluation: replicates, swaps, level and power.
        seed: of all draws.

    Returns:
        name -> view -> the other system or rival -> score -> effect, low, high, p, smallest, p_holm. A positive effect
        speaks for the model of `name`.
    """
    found: dict[tuple[str, str, str, str], Difference] = {}
    for name, views in tables.items():
        for view, systems in views.items():
            others = {system: rows for system, rows in systems.items() if system not in {MODEL, *CEILINGS}}
            others |= {other: tables[other][view][MODEL] for other in rivals(name, trained)}
            for other, rows in others.items():
                metric = next(iter(read_samples(rows)))
                found[name, view, other, metric] = compare(rows, systems[MODEL], metric, evaluation, seed)
    adjusted = holm([difference.p for difference in found.values()])
    results: dict[str, Any] = {}
    for (name, view, other, metric), p_holm in zip(found, adjusted, strict=True):
        numbers = {**asdict(found[name, view, other, metric]), "p_holm": p_holm}
        results.setdefault(name, {}).setdefault(view, {}).setdefault(other, {})[metric] = numbers
    return results


def rivals(name: str, trained: Mapping[str, Trained]) -> list[str]:
    """Those before it in params.yaml that do the same on the same data, from another encoder."""
    names = list(trained)

    def role(other: str) -> tuple[str, str, str]:
        given = trained[other]
        return given.task, given.data, getattr(given, "head", given.task)

    earlier = names[: names.index(name)]
    return [o for o in earlier if role(o) == role(name) and trained[o].encoder != trained[name].encoder]


def _check_same(before: Sequence[Row], after: Sequence[Row]) -> None:
    old, new = [row["id"] for row in before], [row["id"] for row in after]
    if old != new:
        alone = [sorted(set(ids) - set(others)) for ids, others in ((old, new), (new, old))]
        raise DataError(
            f"{len(old)} rows before and {len(new)} after are not the same: {len(alone[0])} ids only before "
            f"{alone[0][:1]}, {len(alone[1])} only after {alone[1][:1]}; predict the same rows and compare again"
        )
    classes = [len(rows[0].get("probabilities", ())) if rows else 0 for rows in (before, after)]
    if classes[0] != classes[1]:
        raise DataError(f"{classes[0]} classes before and {classes[1]} after: the scores cannot be compared")
    for row, other in zip(before, after, strict=True):
        changed = [column for column in TRUTH if row.get(column) != other.get(column)]
        if changed:
            raise DataError(
                f"row {row['id']}: {changed[0]} is {row.get(changed[0])!r} before and {other.get(changed[0])!r} after; "
                "the data differ, so that the scores cannot be compared"
            )
