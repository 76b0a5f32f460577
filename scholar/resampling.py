"""How sure a score is: scores as functions of how often each unit counts, and what resampling the units tells.

A unit is what was drawn independently, here a paper: rows of one paper hang together, and resampling rows would promise
more than they hold. A unit can weigh 0, 1 or more, so that all replicates of a score are one product of matrices.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, permutation_test, rankdata, t

from scholar.errors import DataError
from scholar.splits import draw

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
BLOCK = 1_000_000  # weights held at once: 8 MB, and some times as much where units have many rows


@dataclass(frozen=True, slots=True)
class Sums:
    """A score that is a function of sums over units.

    Attributes:
        counts: (units, k) what each unit adds.
        of: (replicates, k) sums -> (replicates,) scores.
    """

    counts: Floats
    of: Callable[[Floats], Floats]

    def __len__(self) -> int:
        return len(self.counts)

    def score(self, weights: Floats) -> Floats:
        """(replicates, units) how often each unit counts -> (replicates,) scores."""
        return self.of(weights @ self.counts)

    def pooled(self, other: "Sums") -> "Sums":
        """The units of both, own first."""
        return Sums(np.concatenate([self.counts, other.counts]), self.of)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Average precision of rows ranked by a score; rows of equal score are retrieved together.

    Attributes:
        units: how many there are.
        unit: (rows,) the unit of each row.
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
        """(replicates, units) how often each unit counts -> (replicates,) scores; NaN where no relevant row counts."""
        size = max(BLOCK // len(self.unit), 1)
        if len(weights) > size:  # a unit may have many rows
            return np.concatenate([self.score(weights[at : at + size]) for at in range(0, len(weights), size)])
        order = np.argsort(-self.ranks, kind="stable")
        last_of_equals = np.append(np.diff(self.ranks[order]) != 0, True)
        of_rows = weights[:, self.unit[order]]  # (replicates, rows)
        retrieved = of_rows.cumsum(axis=1)[:, last_of_equals]  # (replicates, cuts)
        found = (of_rows * self.labels[order]).cumsum(axis=1)[:, last_of_equals]
        precision = found / np.maximum(retrieved, 1)
        gained = (np.diff(found, axis=1, prepend=0) * precision).sum(axis=1)
        scores = np.full(len(gained), np.nan)
        np.divide(gained, found[:, -1], out=scores, where=found[:, -1] > 0)
        return scores

    def pooled(self, other: "Ranked") -> "Ranked":
        """The units of both, own first."""
        return Ranked(
            self.units + other.units,
            np.concatenate([self.unit, self.units + other.unit]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.ranks, other.ranks]),
        )


Sample = Sums | Ranked


def micro_f1(unit: Integers, right: ArrayLike, predicted: ArrayLike, actual: ArrayLike) -> Sums:
    """F1 over all decisions; unit, and the counts of right, predicted and actual ones, are each (rows,)."""
    return Sums(sum_by_unit(unit, right, predicted, actual), lambda sums: _f1(sums[:, 0], sums[:, 1], sums[:, 2]))


def macro_f1(unit: Integers, labels: Integers, predictions: Integers, classes: int) -> Sums:
    """Mean of F1 over the classes, 0 for one that never occurs; unit, labels and predictions are each (rows,)."""
    actual, predicted = np.eye(classes)[labels], np.eye(classes)[predictions]  # (rows, classes)
    columns = np.concatenate([actual * predicted, predicted, actual], axis=1).T
    return Sums(
        sum_by_unit(unit, *columns),
        lambda sums: _f1(*np.split(sums, 3, axis=1)).mean(axis=1),
    )


def mean(unit: Integers, values: ArrayLike) -> Sums:
    """The mean of values; unit and values are each (rows,)."""
    return Sums(sum_by_unit(unit, values, np.ones(len(unit))), lambda sums: sums[:, 0] / sums[:, 1])


def average_precision(unit: Integers, labels: Integers, scores: ArrayLike) -> Ranked:
    """Average precision; unit, labels and scores are each (rows,)."""
    return Ranked(int(unit.max()) + 1, unit, labels, rankdata(scores))


def sum_by_unit(unit: Integers, *columns: ArrayLike) -> Floats:
    """(units, columns) from the unit of each row, numbered from 0, and columns of (rows,) values."""
    return np.stack([np.bincount(unit, weights=np.asarray(column, dtype=float)) for column in columns], axis=1)


def _f1(right: Floats, predicted: Floats, actual: Floats) -> Floats:
    both = predicted + actual
    return np.divide(2 * right, both, out=np.zeros_like(both), where=both > 0)


def bootstrap(score: Callable[[Floats], Floats], units: int, replicates: int, seed: int) -> Floats:
    """(replicates,) scores of as many units drawn with replacement; the same draws for every score of as many units.

    Raises:
        DataError: there is one unit only, of which nothing can be learnt about others.
    """
    if units < 2:
        raise DataError(f"{units} paper in the test split: an interval needs two; ask for more test examples")
    rng = np.random.default_rng(draw(seed, "bootstrap"))
    share = np.full(units, 1 / units)
    sizes = _blocks(replicates, units)
    return np.concatenate([score(rng.multinomial(units, share, size=size).astype(float)) for size in sizes])


def _blocks(replicates: int, units: int) -> Iterator[int]:
    size = max(BLOCK // units, 1)
    yield from (min(size, replicates - start) for start in range(0, replicates, size))


def interval(scores: Floats, units: int, level: float) -> tuple[float, float]:
    """Where the score of other such units lies: percentiles of bootstrap scores, a little further out for few units.

    Plain percentiles are too narrow by sqrt((n - 1) / n) and by what t exceeds the normal distribution.

    Args:
        scores: (replicates,), NaN where undefined.
        units: how many were drawn.
        level: such as 0.95.

    Source: Hesterberg 2015, What Teachers Should Know About the Bootstrap (expanded percentile interval).
    """
    tail = norm.cdf(-np.sqrt(units / (units - 1)) * t.ppf((1 + level) / 2, units - 1))
    low, high = np.nanquantile(scores, [tail, 1 - tail])
    return float(low), float(high)


def swap_test(before: Any, after: Any, swaps: int, seed: int) -> float:
    """Two-sided p of the difference in score, if the two systems could as well have changed places in any unit.

    Every way of changing places is tried when there are no more than `swaps`, else so many are drawn.

    Args:
        before, after: samples of the same units in the same order.
        swaps: ways of changing places that are tried.
        seed: of these draws.

    Source: Noreen 1989 (approximate randomization); Yeh 2000, More Accurate Tests for the Statistical Significance of
    Result Differences. Drawn and counted by scipy.
    """
    pool = before.pooled(after)

    def difference(first: Floats, second: Floats, axis: int) -> Floats:
        """first, second: (..., units) 0 for the answers of before, 1 for those of after."""
        own, swapped = np.atleast_2d(1 - first, first)
        kept = np.concatenate([own, swapped], axis=-1)  # (replicates, 2 units)
        found: Floats = pool.score(1 - kept) - pool.score(kept)
        return found if first.ndim > 1 else found[0]

    units = len(before)
    found = permutation_test(
        (np.zeros(units), np.ones(units)),
        difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=swaps,
        batch=max(BLOCK // units, 1),
        rng=np.random.default_rng(draw(seed, "swap")),
    )
    return float(found.pvalue)
