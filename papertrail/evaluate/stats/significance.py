"""Paired permutation test over papers, minimum detectable effect, and correction for multiple tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import norm
from scipy.stats import permutation_test as scipy_permutation_test

from papertrail.core.randomness import draw
from papertrail.evaluate.stats.bootstrap import BLOCK, Floats


def permutation_test(before: Any, after: Any, permutations: int, seed: int) -> float:
    """Return the two-sided p-value of the difference in score between two systems.

    The null hypothesis is that in each unit the predictions of the two systems are exchangeable. All 2^units exchanges
    are evaluated if there are at most `permutations`, otherwise as many are drawn.

    Args:
        before: Sample of one system.
        after: Sample of the other, over the same units in the same order.
        permutations: Maximum number of exchanges.
        seed: Seed of the draws.

    Source: Noreen 1989 (approximate randomization); Yeh 2000, More Accurate Tests for the Statistical Significance of
    Result Differences. Drawn and counted by scipy.
    """
    pool = before.pooled(after)

    def difference(first: Floats, second: Floats, axis: int) -> Floats:
        """Return differences in score; first, second: (..., units), 0 for predictions of `before`, 1 of `after`."""
        kept, exchanged = np.atleast_2d(1 - first, first)
        weights = np.concatenate([kept, exchanged], axis=-1)  # (permutations, 2 units)
        found: Floats = pool.score(1 - weights) - pool.score(weights)
        return found if first.ndim > 1 else found[0]

    units = len(before)
    result = scipy_permutation_test(
        (np.zeros(units), np.ones(units)),
        difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=permutations,
        batch=max(BLOCK // units, 1),
        rng=np.random.default_rng(draw(seed, "swap")),
    )
    return float(result.pvalue)


def minimum_detectable_effect(differences: Floats, level: float, power: float) -> float:
    """Return the smallest true difference that one test detects with the given power.

    It is z of the level plus z of the power (1.96 + 0.84 = 2.8 for 0.95 and 0.8) times the standard error.

    Args:
        differences: (samples,) bootstrap samples of the paired difference, NaN where undefined.
        level: Confidence level, such as 0.95.
        power: Share of tests that detect the difference, such as 0.8.

    Source: Card et al. 2020, With Little Power Comes Great Responsibility.
    """
    reach = norm.ppf((1 + level) / 2) + norm.ppf(power)
    return float(reach * np.nanstd(differences))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for a family of tests, in the order of `p_values`.

    If tests with a corrected p <= alpha are rejected, the probability of any false rejection is at most alpha.

    Source: Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.
    """
    order = np.argsort(p_values, kind="stable")
    rising = np.maximum.accumulate(np.sort(p_values) * np.arange(len(p_values), 0, -1))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(rising, 1)
    return [float(p) for p in adjusted]
