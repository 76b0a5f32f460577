"""Intervals cover what they promise, tests keep their level, and scores by weight are those of scikit-learn."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import permutation_test
from scipy.stats import t as student
from sklearn.metrics import average_precision_score, f1_score

from scholar.errors import DataError
from scholar.resampling import (
    Sample,
    average_precision,
    bootstrap,
    interval,
    macro_f1,
    mean,
    micro_f1,
    swap_test,
)


def papers(rng: np.random.Generator, count: int, most: int) -> np.ndarray:
    """(rows,) the paper of each row, 1 to `most` rows each."""
    return np.repeat(np.arange(count), rng.integers(1, most + 1, count))


# --- scores by weight ---


@pytest.fixture
def rows() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    unit = papers(rng, 12, 9)
    n = len(unit)
    weights = rng.multinomial(12, np.full(12, 1 / 12), size=5)
    return {
        "unit": unit,
        "labels": rng.integers(0, 3, n),
        "predicted": rng.integers(0, 3, n),
        "relevant": rng.integers(0, 2, n),
        "scores": rng.integers(0, 8, n) / 8,  # few values: ties
        "weights": np.vstack([np.ones(12), weights]),  # first once each
    }


def test_many_rows_are_scored_in_blocks(rows: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    sample = average_precision(rows["unit"], rows["relevant"], rows["scores"])
    whole = sample.score(rows["weights"])
    for weights_at_once in (1, 4):  # of six
        monkeypatch.setattr("scholar.resampling.BLOCK", weights_at_once * len(rows["unit"]))
        np.testing.assert_array_equal(sample.score(rows["weights"]), whole)


def test_scores_by_weight_are_those_of_scikit_learn(rows: dict[str, np.ndarray]) -> None:
    unit, labels, predicted, relevant, scores, weights = rows.values()
    found = (scores > 0.5).astype(int)
    given: list[tuple[Sample, Callable[[np.ndarray], float]]] = [
        (
            macro_f1(unit, labels, predicted, 3),
            lambda w: f1_score(labels, predicted, average="macro", sample_weight=w, zero_division=0),
        ),
        (micro_f1(unit, relevant * found, found, relevant), lambda w: f1_score(relevant, found, sample_weight=w)),
        (mean(unit, scores), lambda w: np.average(scores, weights=w)),
        (
            average_precision(unit, relevant, scores),
            lambda w: average_precision_score(relevant, scores, sample_weight=w),
        ),
    ]
    for sample, expected in given:
        assert len(sample) == 12
        assert sample.score(weights) == pytest.approx([expected(w[unit]) for w in weights])


def test_a_score_of_nothing() -> None:
    unit = np.array([0, 1])
    nothing = np.zeros(2)
    assert micro_f1(unit, nothing, nothing, nothing).score(np.ones((1, 2))) == [0]
    ranked = average_precision(unit, np.array([0, 1]), [0.1, 0.2])
    assert np.isnan(ranked.score(np.array([[2.0, 0.0]])))  # the relevant one was not drawn


# --- coverage: what is simulated here has a known truth ---


def simulate_f1(rng: np.random.Generator) -> Sample:
    """Of the rows 30 % are positive, a paper's share found is uniform in [0.5, 1]; so are 10 % of the others."""
    unit = papers(rng, 60, 12)
    skill = rng.uniform(0.5, 1, 60)[unit]
    actual = rng.random(len(unit)) < 0.3
    right = actual & (rng.random(len(unit)) < skill)
    return micro_f1(unit, right, right | (~actual & (rng.random(len(unit)) < 0.1)), actual)


def simulate_mean(rng: np.random.Generator) -> Sample:
    """Few papers and a skewed score, as in a small test of summaries or of linking; its mean is 0.25."""
    unit = papers(rng, 24, 2)
    return mean(unit, rng.beta(1, 3, 24)[unit])


def simulate_macro(rng: np.random.Generator) -> Sample:
    """Three classes, 60 / 30 / 10 %; 70 % of predictions are right and the others one class further."""
    unit = papers(rng, 60, 12)
    labels = rng.choice(3, len(unit), p=[0.6, 0.3, 0.1])
    wrong = rng.random(len(unit)) > rng.uniform(0.4, 1, 60)[unit]
    return macro_f1(unit, labels, (labels + wrong) % 3, 3)


def simulate_ranking(rng: np.random.Generator, count: int = 200) -> Sample:
    """Every fifth row is relevant and scores 1.5 standard deviations higher."""
    labels = (rng.random(count) < 0.2).astype(int)
    return average_precision(np.arange(count), labels, rng.normal(1.5 * labels, 1))


def f1(right: float, predicted: float, actual: float) -> float:
    return 2 * right / (predicted + actual)


MACRO = [f1(0.7 * 0.6, 0.7 * 0.6 + 0.3 * 0.1, 0.6), f1(0.7 * 0.3, 0.7 * 0.3 + 0.3 * 0.6, 0.3)]
MACRO.append(f1(0.7 * 0.1, 0.7 * 0.1 + 0.3 * 0.3, 0.1))
RANKING = float(simulate_ranking(np.random.default_rng(0), 400_000).score(np.ones((1, 400_000)))[0])


@pytest.mark.parametrize(
    ("simulate", "truth"),
    [
        (simulate_f1, f1(0.3 * 0.75, 0.3 * 0.75 + 0.7 * 0.1, 0.3)),
        (simulate_mean, 0.25),
        (simulate_macro, sum(MACRO) / 3),
        (simulate_ranking, RANKING),
    ],
)
def test_95_percent_intervals_cover_93_to_97(simulate: Callable[[np.random.Generator], Sample], truth: float) -> None:
    covered = 0
    for number in range(600):
        sample = simulate(np.random.default_rng([1, number]))
        low, high = interval(bootstrap(sample.score, len(sample), 400, number), len(sample), 0.95)
        covered += low <= truth <= high
    assert 0.93 <= covered / 600 <= 0.97


def test_rows_of_a_paper_hang_together() -> None:
    rng = np.random.default_rng(3)
    skill = rng.random(50)
    unit = np.repeat(np.arange(50), 10)
    right = rng.random(500) < skill[unit]
    widths = []
    for of in (np.arange(500), unit):
        low, high = interval(bootstrap(mean(of, right).score, of.max() + 1, 2000, 0), of.max() + 1, 0.95)
        widths.append(high - low)
    assert widths[1] > 1.5 * widths[0]


def test_the_interval_of_a_mean_of_few_is_that_of_student() -> None:
    values = np.random.default_rng(4).normal(size=10)
    sample = mean(np.arange(10), values)
    found = interval(bootstrap(sample.score, 10, 50_000, 0), 10, 0.95)
    expected = student.interval(0.95, 9, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(10))
    assert found[1] - found[0] == pytest.approx(expected[1] - expected[0], rel=0.05)  # plain percentiles: 18 % less


def test_the_same_seed_draws_the_same() -> None:
    sample = simulate_mean(np.random.default_rng(0))
    first, again, other = (bootstrap(sample.score, len(sample), 500, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert not (first == other).all()
    p = [swap_test(sample, simulate_mean(np.random.default_rng(0)), 500, 1) for _ in range(2)]
    assert p == [1, 1]


def test_one_paper_tells_nothing() -> None:
    with pytest.raises(DataError, match="1 paper in the test split"):
        bootstrap(mean(np.zeros(3, dtype=int), [1, 2, 3]).score, 1, 100, 0)


# --- the paired test ---


def test_swaps_of_means_are_those_of_scipy() -> None:
    rng = np.random.default_rng(5)
    before, after = rng.random(10), rng.random(10) + 0.15
    expected = permutation_test(
        (after, before), lambda x, y, axis: x.mean(axis) - y.mean(axis), permutation_type="samples", n_resamples=np.inf
    )
    unit = np.arange(10)
    assert swap_test(mean(unit, before), mean(unit, after), 2000, 0) == pytest.approx(expected.pvalue)


def test_all_swaps_of_f1_by_hand() -> None:
    rng = np.random.default_rng(6)
    unit = papers(rng, 7, 5)
    labels, one, two = rng.integers(0, 2, (3, len(unit)))
    differences = []
    for swapped in itertools.product([False, True], repeat=7):
        change = np.array(swapped)[unit]
        first, second = np.where(change, two, one), np.where(change, one, two)
        differences.append(f1_score(labels, second) - f1_score(labels, first))
    expected = np.mean(np.abs(differences) >= abs(differences[0]) - 1e-12)
    samples = [micro_f1(unit, labels * said, said, labels) for said in (one, two)]
    assert swap_test(*samples, 200, 0) == pytest.approx(expected)


def test_the_scale_of_scores_does_not_matter() -> None:
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 2, 60)
    one, two = rng.normal(labels, 1), rng.normal(0.5 * labels, 1)
    unit = np.arange(60)
    p = [
        swap_test(average_precision(unit, labels, s), average_precision(unit, labels, two), 300, 0)
        for s in (one, np.exp(one))
    ]
    assert p[0] == p[1] < 1


def simulate_two(rng: np.random.Generator, gain: float) -> list[Sample]:
    """Two systems on the same papers: hard papers are hard for both; the second finds `gain` more."""
    unit = papers(rng, 40, 10)
    skill = rng.uniform(0.4, 0.8, 40)[unit]
    actual = rng.random(len(unit)) < 0.5
    samples = []
    for share in (skill, skill + gain):
        right = actual & (rng.random(len(unit)) < share)
        samples.append(micro_f1(unit, right, right | (~actual & (rng.random(len(unit)) < 0.1)), actual))
    return samples


def test_the_paired_test_keeps_its_level_and_finds_what_is_there() -> None:
    found = {
        gain: np.mean(
            [swap_test(*simulate_two(np.random.default_rng([8, i]), gain), 199, i) <= 0.05 for i in range(count)]
        )
        for gain, count in ((0.0, 600), (0.3, 50))
    }
    assert 0.03 <= found[0.0] <= 0.07
    assert found[0.3] > 0.9
