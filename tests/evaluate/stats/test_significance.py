"""Permutation tests against scipy and full enumeration, their level and power in simulations; Holm's correction."""

import itertools

import numpy as np
import pytest
from scipy.stats import permutation_test as scipy_permutation_test
from sklearn.metrics import f1_score

from papertrail.evaluate.stats.bootstrap import Sample, average_precision, mean, micro_f1
from papertrail.evaluate.stats.significance import holm, permutation_test


def papers(rng: np.random.Generator, count: int, most: int) -> np.ndarray:
    """Return the paper of each row (rows,), 1 to `most` rows per paper."""
    return np.repeat(np.arange(count), rng.integers(1, most + 1, count))


def test_equal_systems_have_a_p_value_of_one() -> None:
    sample = mean(np.arange(24), np.random.default_rng(0).beta(1, 3, 24))
    assert permutation_test(sample, sample, 500, 1) == 1


def test_the_test_of_means_equals_scipy() -> None:
    rng = np.random.default_rng(5)
    before, after = rng.random(10), rng.random(10) + 0.15
    expected = scipy_permutation_test(
        (after, before), lambda x, y, axis: x.mean(axis) - y.mean(axis), permutation_type="samples", n_resamples=np.inf
    )
    unit = np.arange(10)
    assert permutation_test(mean(unit, before), mean(unit, after), 2000, 0) == pytest.approx(expected.pvalue)


def test_all_exchanges_of_f1_by_hand() -> None:
    rng = np.random.default_rng(6)
    unit = papers(rng, 7, 5)
    labels, one, two = rng.integers(0, 2, (3, len(unit)))
    differences = []
    for exchanged in itertools.product([False, True], repeat=7):
        exchange = np.array(exchanged)[unit]
        first, second = np.where(exchange, two, one), np.where(exchange, one, two)
        differences.append(f1_score(labels, second) - f1_score(labels, first))
    expected = np.mean(np.abs(differences) >= abs(differences[0]) - 1e-12)
    samples = [micro_f1(unit, labels * predicted, predicted, labels) for predicted in (one, two)]
    assert permutation_test(*samples, 200, 0) == pytest.approx(expected)


def test_the_scale_of_scores_does_not_matter() -> None:
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 2, 60)
    one, two = rng.normal(labels, 1), rng.normal(0.5 * labels, 1)
    unit = np.arange(60)
    p = [
        permutation_test(average_precision(unit, labels, s), average_precision(unit, labels, two), 300, 0)
        for s in (one, np.exp(one))
    ]
    assert p[0] == p[1] < 1


def simulate_two(rng: np.random.Generator, gain: float) -> list[Sample]:
    """Simulate two systems on the same papers; recall depends on the paper, and is higher by `gain` for the second."""
    unit = papers(rng, 40, 10)
    skill = rng.uniform(0.4, 0.8, 40)[unit]
    actual = rng.random(len(unit)) < 0.5
    samples = []
    for share in (skill, skill + gain):
        correct = actual & (rng.random(len(unit)) < share)
        samples.append(micro_f1(unit, correct, correct | (~actual & (rng.random(len(unit)) < 0.1)), actual))
    return samples


def test_level_and_power() -> None:
    found = {
        gain: np.mean(
            [permutation_test(*simulate_two(np.random.default_rng([8, i]), gain), 199, i) <= 0.05 for i in range(count)]
        )
        for gain, count in ((0.0, 600), (0.3, 50))
    }
    assert 0.03 <= found[0.0] <= 0.07
    assert found[0.3] > 0.9


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1, 1]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


def test_holm_controls_the_family_wise_error_rate() -> None:
    p = np.random.default_rng(2).random((4000, 10))  # no true difference
    assert np.mean([min(holm(family)) <= 0.05 for family in p]) == pytest.approx(0.05, abs=0.01)
