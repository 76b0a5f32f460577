"""Scores as functions of how often each unit counts, and their confidence intervals by a cluster bootstrap.

A unit is sampled independently: a paper. Rows of one paper are correlated, and resampling rows would give intervals
that are too narrow. Because a unit can have any weight, all resamples of a score are one product of matrices.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata, t

from papertrail.core.errors import DataError
from papertrail.core.randomness import draw

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
BLOCK = 1_000_000  # weights in memory at a time: 8 MB, and several times as much where units have many rows


@dataclass(frozen=True, slots=True)
class Sums:
    """A score that is a function of sums over units.

    Attributes:
        counts: (units, k) what each unit adds.
        of: (samples, k) sums -> (samples,) scores.
    """

    counts: Floats
    of: Callable[[Floats], Floats]

    def __len__(self) -> int:
        return len(self.counts)

    def score(self, weights: Floats) -> Floats:
        """Return scores (samples,) for weights (samples, units), how often each unit counts."""
        return self.of(weights @ self.counts)

    def pooled(self, other: "Sums") -> "Sums":
        """Return the score of the units of both, those of `self` first."""
        return Sums(np.concatenate([self.counts, other.counts]), self.of)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Average precision of rows ranked by a score; rows of equal score are retrieved together.

    Attributes:
        units: Number of units.
        unit: (rows,) unit of each row.
        labels: (rows,) 1 for relevant, 0 for not.
        ranks: (rows,) mean rank of the score among all rows of its system, so that two systems share a scale.
    """

    units: int
    unit: Integers
    labels: Integers
    ranks: Floats

    def __len__(self) -> int:
        return self.units

    def score(self, weights: Floats) -> Floats:
        """Return scores (samples,) for weights (samples, units); NaN where no relevant row counts."""
        size = max(BLOCK // len(self.unit), 1)
        if len(weights) > size:  # a unit may have many rows
            return np.concatenate([self.score(weights[at : at + size]) for at in range(0, len(weights), size)])
        order = np.argsort(-self.ranks, kind="stable")
        last_of_equals = np.append(np.diff(self.ranks[order]) != 0, True)
        of_rows = weights[:, self.unit[order]]  # (samples, rows)
        retrieved = of_rows.cumsum(axis=1)[:, last_of_equals]  # (samples, cuts)
        found = (of_rows * self.labels[order]).cumsum(axis=1)[:, last_of_equals]
        precision = found / np.maximum(retrieved, 1)
        gained = (np.diff(found, axis=1, prepend=0) * precision).sum(axis=1)
        scores = np.full(len(gained), np.nan)
        np.divide(gained, found[:, -1], out=scores, where=found[:, -1] > 0)
        return scores

    def pooled(self, other: "Ranked") -> "Ranked":
        """Return the score of the units of both, those of `self` first."""
        return Ranked(
            self.units + other.units,
            np.concatenate([self.unit, self.units + other.unit]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.ranks, other.ranks]),
        )


Sample = Sums | Ranked


def micro_f1(unit: Integers, correct: ArrayLike, predicted: ArrayLike, actual: ArrayLike) -> Sums:
    """Return F1 over all decisions.

    Args:
        unit: (rows,) unit of each row.
        correct: (rows,) number of correct predictions.
        predicted: (rows,) number of predictions.
        actual: (rows,) number of positives.
    """
    return Sums(sum_by_unit(unit, correct, predicted, actual), lambda sums: _f1(sums[:, 0], sums[:, 1], sums[:, 2]))


def macro_f1(unit: Integers, labels: Integers, predictions: Integers, classes: int) -> Sums:
    """Return the mean of F1 over the classes; a class that never occurs counts as 0.

    Args:
        unit: (rows,) unit of each row.
        labels: (rows,) class numbers.
        predictions: (rows,) class numbers.
        classes: Number of classes.
    """
    actual, predicted = np.eye(classes)[labels], np.eye(classes)[predictions]  # (rows, classes)
    columns = np.concatenate([actual * predicted, predicted, actual], axis=1).T
    return Sums(
        sum_by_unit(unit, *columns),
        lambda sums: _f1(*np.split(sums, 3, axis=1)).mean(axis=1),
    )


def mean(unit: Integers, values: ArrayLike) -> Sums:
    """Return the mean of values (rows,), given the unit of each row (rows,)."""
    return Sums(sum_by_unit(unit, values, np.ones(len(unit))), lambda sums: sums[:, 0] / sums[:, 1])


def average_precision(unit: Integers, labels: Integers, scores: ArrayLike) -> Ranked:
    """Return the average precision of scores (rows,) for labels (rows,), given the unit of each row (rows,)."""
    return Ranked(int(unit.max()) + 1, unit, labels, rankdata(scores))


def sum_by_unit(unit: Integers, *columns: ArrayLike) -> Floats:
    """Return sums (units, columns) of columns (rows,), given the unit of each row (rows,), numbered from 0."""
    return np.stack([np.bincount(unit, weights=np.asarray(column, dtype=float)) for column in columns], axis=1)


def _f1(correct: Floats, predicted: Floats, actual: Floats) -> Floats:
    both = predicted + actual
    return np.divide(2 * correct, both, out=np.zeros_like(both), where=both > 0)


def bootstrap(score: Callable[[Floats], Floats], units: int, samples: int, seed: int) -> Floats:
    """Return scores (samples,) of units drawn with replacement.

    Systems with the same number of units get the same draws.

    scipy.stats.bootstrap draws row indices from another random stream, and has no expanded percentile interval.

    Args:
        score: Weights (samples, units) -> scores (samples,).
        units: Number of units; as many are drawn per sample.
        samples: Number of bootstrap samples.
        seed: Seed of the draws.

    Raises:
        DataError: There are fewer than two units, so their variance is unknown.
    """
    if units < 2:
        raise DataError(f"{units} paper in the test split: an interval needs at least two; add test examples")
    rng = np.random.default_rng(draw(seed, "bootstrap"))
    share = np.full(units, 1 / units)
    sizes = _blocks(samples, units)
    return np.concatenate([score(rng.multinomial(units, share, size=size).astype(float)) for size in sizes])


def _blocks(samples: int, units: int) -> Iterator[int]:
    size = max(BLOCK // units, 1)
    yield from (min(size, samples - start) for start in range(0, samples, size))


def interval(scores: Floats, units: int, level: float) -> tuple[float, float]:
    """Return the expanded percentile interval of bootstrap scores.

    Plain percentile intervals are too narrow by sqrt((n - 1) / n) and by the ratio of Student's t to the normal
    distribution.

    Args:
        scores: (samples,), NaN where undefined.
        units: Number of units drawn per sample.
        level: Confidence level, such as 0.95.

    Source: Hesterberg 2015, What Teachers Should Know About the Bootstrap.
    """
    tail = norm.cdf(-np.sqrt(units / (units - 1)) * t.ppf((1 + level) / 2, units - 1))
    low, high = np.nanquantile(scores, [tail, 1 - tail])
    return float(low), float(high)
