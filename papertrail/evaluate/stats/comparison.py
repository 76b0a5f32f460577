"""Comparison of two systems on the same rows, from their predictions: effect, interval, p-value and verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from papertrail.core.errors import DataError
from papertrail.core.params import Evaluation, Model
from papertrail.core.parquet import read_kind, read_rows
from papertrail.core.records import Row
from papertrail.evaluate.stats.bootstrap import bootstrap, interval
from papertrail.evaluate.stats.samples import SCORES, read_samples
from papertrail.evaluate.stats.significance import holm, minimum_detectable_effect, permutation_test

MODEL = "model"
ORACLES = {"oracle"}  # systems that read the reference; models are not compared with them
TRUTH = ("paper", "query", "tags", "label", "sampled")  # columns that do not depend on the system


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The score of one system minus that of another on the same rows.

    Attributes:
        effect: The difference.
        low, high: Confidence interval of the effect.
        p: Two-sided p-value of this test, not corrected for others.
        minimum_detectable_effect: The smallest true difference that this test detects with the power of params.yaml.
    """

    effect: float
    low: float
    high: float
    p: float
    minimum_detectable_effect: float


@dataclass(frozen=True, slots=True)
class Systems:
    """The predictions of all systems on one view of the test split; `kind` is a key of SCORES."""

    kind: str
    rows: dict[str, list[Row]]


def read_systems(file: Path) -> Systems:
    """Read the predictions of one view.

    Raises:
        DataError: There is no such file, it is no complete Parquet file, or it does not name a kind.
    """
    kind = read_kind(file)
    if kind is None:
        raise DataError(f"{file}: no kind of predictions in its metadata; run `dvc repro` to write it again")
    systems: dict[str, list[Row]] = {}
    for row in read_rows(file).to_list():
        systems.setdefault(row["system"], []).append(row)
    return Systems(kind, systems)


def compare(before: Sequence[Row], after: Sequence[Row], kind: str, evaluation: Evaluation, seed: int) -> Difference:
    """Return how much higher the first score of a kind is `after` than `before`.

    Args:
        before: Predictions of one system, in any order.
        after: Predictions of another system for the same rows, in any order.
        kind: Kind of both, a key of SCORES.
        evaluation: Number of samples and permutations, confidence level and power.
        seed: Seed of all draws.

    Raises:
        DataError: The ids, labels or numbers of classes differ, or see `read_samples`.
    """
    before, after = (sorted(rows, key=lambda row: str(row["id"])) for rows in (before, after))
    _check_same(before, after)
    old, new = (next(iter(read_samples(rows, kind).values())) for rows in (before, after))
    units = len(old)
    differences = bootstrap(
        lambda weights: new.score(weights) - old.score(weights), units, evaluation.bootstrap_samples, seed
    )
    once = np.ones((1, units))
    level = evaluation.confidence_level
    low, high = interval(differences, units, level)
    return Difference(
        effect=float(new.score(once)[0] - old.score(once)[0]),
        low=low,
        high=high,
        p=permutation_test(old, new, evaluation.permutations, seed),
        minimum_detectable_effect=minimum_detectable_effect(differences, level, evaluation.power),
    )


def verdict(numbers: Mapping[str, float], evaluation: Evaluation) -> str:
    """Return the verdict of a comparison: "better", "worse", or "not significant" with the detectable effect (MDE).

    Args:
        numbers: effect, p_holm and minimum_detectable_effect.
        evaluation: Confidence level and power.
    """
    if numbers["p_holm"] <= 1 - evaluation.confidence_level:
        return "better" if numbers["effect"] > 0 else "worse"
    mde, power = numbers["minimum_detectable_effect"], 100 * evaluation.power
    return f"not significant (MDE {mde:.3f}, one test, {power:.0f} % power)"


def compare_all(
    tables: Mapping[str, Mapping[str, Systems]], models: Mapping[str, Model], evaluation: Evaluation, seed: int
) -> dict[str, Any]:
    """Compare every model with its baselines and with its rivals, as one family of tests.

    Args:
        tables: Model -> view -> predictions.
        models: Model -> its parameters.
        evaluation: Number of samples and permutations, confidence level and power.
        seed: Seed of all draws.

    Returns:
        Model -> view -> baseline or rival -> score -> the numbers of `Difference`, and p_holm. A positive effect means
        that the model has the higher score.

    Raises:
        DataError: See `compare`.
    """
    found: dict[tuple[str, str, str, str], Difference] = {}
    for name, views in tables.items():
        for view, systems in views.items():
            others = {other: rows for other, rows in systems.rows.items() if other not in {MODEL, *ORACLES}}
            others |= {rival: tables[rival][view].rows[MODEL] for rival in rivals(name, models)}
            for other, rows in others.items():
                difference = compare(rows, systems.rows[MODEL], systems.kind, evaluation, seed)
                found[name, view, other, SCORES[systems.kind][0]] = difference
    adjusted = holm([difference.p for difference in found.values()])
    results: dict[str, Any] = {}
    for (name, view, other, metric), p_holm in zip(found, adjusted, strict=True):
        numbers = {**asdict(found[name, view, other, metric]), "p_holm": p_holm}
        results.setdefault(name, {}).setdefault(view, {}).setdefault(other, {})[metric] = numbers
    return results


def rivals(name: str, models: Mapping[str, Model]) -> list[str]:
    """Return the models before `name` in params.yaml with the same data set and head but another base model."""
    names = list(models)

    def role(other: str) -> tuple[str, str, str, str | None]:
        model = models[other]
        return model.kind, model.task, model.dataset, getattr(model, "head", None)

    earlier = names[: names.index(name)]
    return [o for o in earlier if role(o) == role(name) and models[o].base_model != models[name].base_model]


def _check_same(before: Sequence[Row], after: Sequence[Row]) -> None:
    old, new = [row["id"] for row in before], [row["id"] for row in after]
    if old != new:
        removed, added = sorted(set(old) - set(new)), sorted(set(new) - set(old))
        raise DataError(
            f"cannot compare {len(old)} rows before with {len(new)} after: {len(removed)} ids only before "
            f"{removed[:1]}, {len(added)} only after {added[:1]}; predict the same rows, then compare again"
        )
    classes = [len(rows[0].get("probabilities", ())) if rows else 0 for rows in (before, after)]
    if classes[0] != classes[1]:
        raise DataError(f"cannot compare scores over {classes[0]} classes before with {classes[1]} after")
    for row, other in zip(before, after, strict=True):
        changed = [column for column in TRUTH if row.get(column) != other.get(column)]
        if changed:
            raise DataError(
                f"row {row['id']}: {changed[0]} is {row.get(changed[0])!r} before and {other.get(changed[0])!r} after; "
                "scores on different data cannot be compared"
            )
