"""Coverage of intervals in simulations, and weighted scores against scikit-learn."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import t as student
from sklearn.metrics import average_precision_score, f1_score

from papertrail.core.errors import DataError
from papertrail.evaluate.stats.bootstrap import (
    Sample,
    average_precision,
    bootstrap,
    interval,
    macro_f1,
    mean,
    micro_f1,
)


def papers(rng: np.random.Generator, count: int, most: int) -> np.ndarray:
    """Return the paper of each row (rows,), 1 to `most` rows per paper."""
    return np.repeat(np.arange(count), rng.integers(1, most + 1, count))


# --- weighted scores ---


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
        "weights": np.vstack([np.ones(12), weights]),  # first, each paper once
    }


def test_blocks_of_weights_give_the_same_scores(rows: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    sample = average_precision(rows["unit"], rows["relevant"], rows["scores"])
    whole = sample.score(rows["weights"])
    for weights_at_once in (1, 4):  # of six
        monkeypatch.setattr("papertrail.evaluate.stats.bootstrap.BLOCK", weights_at_once * len(rows["unit"]))
        np.testing.assert_array_equal(sample.score(rows["weights"]), whole)


def test_weighted_scores_equal_scikit_learn(rows: dict[str, np.ndarray]) -> None:
    unit, labels, predicted, relevant, scores, weights = rows.values()
    found = (scores > 0.5).astype(int)
    expectations: list[tuple[Sample, Callable[[np.ndarray], float]]] = [
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
    for sample, expected in expectations:
        assert len(sample) == 12
        assert sample.score(weights) == pytest.approx([expected(w[unit]) for w in weights])


def test_scores_without_positives() -> None:
    unit = np.array([0, 1])
    nothing = np.zeros(2)
    assert micro_f1(unit, nothing, nothing, nothing).score(np.ones((1, 2))) == [0]
    ranked = average_precision(unit, np.array([0, 1]), [0.1, 0.2])
    assert np.isnan(ranked.score(np.array([[2.0, 0.0]])))  # the relevant row was not drawn


# --- coverage: the true scores of these simulations are known ---


def simulate_f1(rng: np.random.Generator) -> Sample:
    """Simulate F1: 30 % of rows positive, recall per paper uniform in [0.5, 1], false positive rate 0.1."""
    unit = papers(rng, 60, 12)
    skill = rng.uniform(0.5, 1, 60)[unit]
    actual = rng.random(len(unit)) < 0.3
    correct = actual & (rng.random(len(unit)) < skill)
    return micro_f1(unit, correct, correct | (~actual & (rng.random(len(unit)) < 0.1)), actual)


def simulate_mean(rng: np.random.Generator) -> Sample:
    """Simulate a mean over few papers with a skewed score, as in a small test split of summaries; the mean is 0.25."""
    unit = papers(rng, 24, 2)
    return mean(unit, rng.beta(1, 3, 24)[unit])


def simulate_macro(rng: np.random.Generator) -> Sample:
    """Simulate macro F1 of classes 60 / 30 / 10 %; 70 % of predictions are correct, others are the next class."""
    unit = papers(rng, 60, 12)
    labels = rng.choice(3, len(unit), p=[0.6, 0.3, 0.1])
    wrong = rng.random(len(unit)) > rng.uniform(0.4, 1, 60)[unit]
    return macro_f1(unit, labels, (labels + wrong) % 3, 3)


def simulate_ranking(rng: np.random.Generator, count: int = 200) -> Sample:
    """Simulate average precision: a fifth of the rows is relevant and scores 1.5 standard deviations higher."""
    labels = (rng.random(count) < 0.2).astype(int)
    return average_precision(np.arange(count), labels, rng.normal(1.5 * labels, 1))


def f1(correct: float, predicted: float, actual: float) -> float:
    return 2 * correct / (predicted + actual)


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


def test_intervals_over_papers_are_wider_than_over_correlated_rows() -> None:
    rng = np.random.default_rng(3)
    skill = rng.random(50)
    unit = np.repeat(np.arange(50), 10)
    correct = rng.random(500) < skill[unit]
    widths = []
    for units in (np.arange(500), unit):
        count = units.max() + 1
        low, high = interval(bootstrap(mean(units, correct).score, count, 2000, 0), count, 0.95)
        widths.append(high - low)
    assert widths[1] > 1.5 * widths[0]


def test_the_interval_of_a_small_mean_is_that_of_student() -> None:
    values = np.random.default_rng(4).normal(size=10)
    sample = mean(np.arange(10), values)
    found = interval(bootstrap(sample.score, 10, 50_000, 0), 10, 0.95)
    expected = student.interval(0.95, 9, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(10))
    assert found[1] - found[0] == pytest.approx(expected[1] - expected[0], rel=0.05)  # plain percentiles: 18 % less


def test_the_seed_decides_the_draws() -> None:
    sample = simulate_mean(np.random.default_rng(0))
    first, second, other = (bootstrap(sample.score, len(sample), 500, seed) for seed in (1, 1, 2))
    assert (first == second).all()
    assert not (first == other).all()


def test_one_paper_is_an_error() -> None:
    with pytest.raises(DataError, match="1 paper in the test split: an interval needs at least two"):
        bootstrap(mean(np.zeros(3, dtype=int), [1, 2, 3]).score, 1, 100, 0)
