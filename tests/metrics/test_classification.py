"""Scores against hand-computed values, scikit-learn and plain loops."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from papertrail.core.errors import DataError
from papertrail.metrics.classification import (
    best_threshold,
    binary_scores,
    classification_scores,
    confusion_rows,
    precision_recall_points,
    screening_scores,
)
from papertrail.metrics.ranking import ranking_scores

# few distinct scores, so that ties are common; at least one positive
scored = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=1, max_size=30).filter(
    lambda rows: any(label for label, _ in rows)
)


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = zip(*rows, strict=True)
    return np.array(labels), np.array(scores) / 5


def decide(labels: np.ndarray, scores: np.ndarray, threshold: float) -> tuple[float, float, float]:
    """Precision, recall and F1 as plain counts, because scikit-learn is slow to call thousands of times."""
    predicted = scores >= threshold
    right = int((labels[predicted] == 1).sum())
    return right / max(predicted.sum(), 1), right / labels.sum(), 2 * right / (predicted.sum() + labels.sum())


class TestClassificationScores:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1, 0], [0.3, 0.7, 0], [0.2, 0.8, 0], [0.4, 0.6, 0]])

    def test_by_hand(self):
        scores = classification_scores(self.labels, self.probabilities, ["yes", "no", "never"], 10)
        assert scores == {
            "accuracy": 0.75,
            "macro_f1": pytest.approx((2 / 3 + 0.8 + 0) / 3),
            # one example per bin: |1 - 0.9|, |0 - 0.7|, |1 - 0.8|, |1 - 0.6|
            "expected_calibration_error": pytest.approx((0.1 + 0.7 + 0.2 + 0.4) / 4),
            "yes": {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2},
            "no": {"precision": pytest.approx(2 / 3), "recall": 1.0, "f1": pytest.approx(0.8), "support": 2},
            "never": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
        }

    def test_agrees_with_scikit_learn_in_any_order(self):
        rng = np.random.default_rng(0)
        labels, probabilities = rng.integers(0, 4, 200), rng.dirichlet(np.ones(4), 200)
        scores = classification_scores(labels, probabilities, list("abcd"), 15)
        assert scores["accuracy"] == accuracy_score(labels, probabilities.argmax(1))
        assert scores["macro_f1"] == pytest.approx(f1_score(labels, probabilities.argmax(1), average="macro"))
        order = rng.permutation(200)
        again = classification_scores(labels[order], probabilities[order], list("abcd"), 15)
        assert again.pop("expected_calibration_error") == pytest.approx(scores.pop("expected_calibration_error"))
        assert again == scores

    @pytest.mark.parametrize(
        ("labels", "probabilities", "names", "message"),
        [
            ([0, 1], [[0.5, np.nan], [np.nan, 1]], "ab", "2 of 4 probabilities are NaN"),
            ([0], [[3.0, -2.0]], "ab", "are these logits"),
            ([-100], [[1.0, 0.0]], "ab", "1 of 1 labels are not in 0..1, the first is -100"),
            ([0, 1], [[1.0, 0.0]], "ab", "expected"),
            ([], np.empty((0, 2)), "ab", "expected"),
            ([0], [[1.0, 0.0]], "abc", "2 classes, but 3 names"),
        ],
    )
    def test_invalid_input_is_an_error(self, labels, probabilities, names, message):
        with pytest.raises(DataError, match=message):
            classification_scores(labels, probabilities, list(names), 10)


def test_confusion_rows():
    rows = confusion_rows([0, 1], np.array([1, 1]), ["background", "method"])
    assert rows == [{"actual": "background", "predicted": "method"}, {"actual": "method", "predicted": "method"}]
    assert confusion_rows([], [], ["background"]) == []
    with pytest.raises(DataError, match="2 labels but 1 predictions"):
        confusion_rows([0, 0], [0], ["background"])


class TestBestThreshold:
    def test_by_hand(self):
        # F1 at 0.9: 2/3, at 0.8: 1/2, at 0.7: 4/5
        assert best_threshold([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]) == 0.7

    def test_the_highest_of_equals(self):
        # F1 at 0.9: 2 * 1 / (1 + 2), at 0.6: 2 * 2 / (4 + 2); both 2/3
        assert best_threshold([1, 0, 0, 1], [0.9, 0.8, 0.7, 0.6]) == 0.9

    def test_equal_scores_are_not_separated(self):
        assert best_threshold([1, 0], [0.5, 0.5]) == 0.5

    @given(scored)
    def test_no_other_threshold_is_better(self, rows):
        labels, scores = columns(rows)
        best = best_threshold(labels, scores)
        tried = [(decide(labels, scores, t)[2], t) for t in np.linspace(-0.1, 1.1, 25)]
        reached = f1_score(labels, scores >= best)
        assert reached >= max(tried)[0] - 1e-12
        assert all(t <= best for f1, t in tried if f1 > reached - 1e-12)

    def test_a_split_without_positive_is_an_error(self):
        with pytest.raises(DataError, match="none of the 2 validation examples is positive"):
            best_threshold([0, 0], [0.1, 0.2])


def test_binary_scores():
    scores = binary_scores([1, 1, 0, 0], [0.9, 0.2, 0.5, 0.1], 0.5)
    assert scores == {"accuracy": 0.5, "precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert binary_scores([0, 0], [0.1, 0.1], 0.5) == {"accuracy": 1.0, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert binary_scores([True], [1.0], 0.5)["f1"] == 1.0


class TestScreeningScores:
    def test_by_hand(self):
        scores = screening_scores([1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.2, 0.1], 0.75)
        assert scores == {
            "average_precision": pytest.approx(0.5 * 1 + 0.5 * 2 / 3),
            "wss@95": pytest.approx(2 / 5 - 0.05),  # three are retrieved, two are not
            "prevalence": 0.4,
            "threshold": 0.75,
            "precision": 0.5,
            "recall": 0.5,
            "f1": 0.5,
            "accuracy": 0.6,
        }

    def test_recall_of_19_in_20_suffices(self):
        labels = [1] * 19 + [0] * 80 + [1]
        assert screening_scores(labels, -np.arange(100), 0)["wss@95"] == pytest.approx(0.81 - 0.05)

    def test_a_constant_score_saves_nothing(self):
        scores = screening_scores([1, 0, 0, 0], [0.3] * 4, 0.5)
        assert scores["wss@95"] == pytest.approx(-0.05)
        assert scores["average_precision"] == scores["prevalence"] == 0.25

    @given(scored, st.data())
    def test_agrees_with_a_loop_in_any_order(self, rows, data):
        labels, scores = columns(rows)
        result = screening_scores(labels, scores, 0.5)
        enough = [t for t in scores if labels[scores >= t].sum() / labels.sum() >= 0.95 - 1e-12]
        unread = scores < max(enough)
        assert result["wss@95"] == pytest.approx(unread.sum() / len(labels) - 0.05)
        assert result["average_precision"] == pytest.approx(average_precision_score(labels, scores))
        assert all(0 <= result[name] <= 1 for name in result if name != "wss@95")
        assert result == pytest.approx(screening_scores(*columns(data.draw(st.permutations(rows))), 0.5))

    @given(scored)
    def test_a_monotonic_function_of_the_score_changes_no_ranking(self, rows):
        labels, scores = columns(rows)
        before, after = screening_scores(labels, scores, 0), screening_scores(labels, np.exp(scores), 0)
        assert before["wss@95"] == after["wss@95"]
        assert before["average_precision"] == after["average_precision"]


class TestPrecisionRecallPoints:
    def test_by_hand(self):
        rows = precision_recall_points([0, 1, 0, 1], [0.9, 0.8, 0.7, 0.6], 3)
        assert rows == [
            {"recall": 0.0, "precision": 0.0},
            {"recall": 0.5, "precision": 0.5},
            {"recall": 1.0, "precision": 0.5},
        ]

    @given(scored, st.integers(1, 8))
    def test_few_ascending_points_of_the_curve(self, rows, points):
        labels, scores = columns(rows)
        found = precision_recall_points(labels, scores, points)
        assert 1 <= len(found) <= points
        recalls = [row["recall"] for row in found]
        assert recalls == sorted(set(recalls))
        curve = np.array([decide(labels, scores, t)[:2] for t in scores])  # (n, 2)
        for row in found:
            assert np.isclose(curve, [row["precision"], row["recall"]]).all(axis=1).any()
        assert points == 1 or recalls[-1] == 1


SCORERS = [
    best_threshold,
    lambda labels, scores: binary_scores(labels, scores, 0.5),
    lambda labels, scores: screening_scores(labels, scores, 0.5),
    lambda labels, scores: precision_recall_points(labels, scores, 5),
    lambda labels, scores: ranking_scores(np.zeros(len(labels), int), labels, scores),
]


@pytest.mark.parametrize("score", SCORERS)
class TestEveryScorerOfScores:
    def test_values_that_are_not_finite_are_counted(self, score):
        with pytest.raises(DataError, match="2 of 3 scores are NaN or infinite"):
            score([1, 0, 1], [np.nan, 0.5, np.inf])

    def test_no_example_is_an_error(self, score):
        with pytest.raises(DataError, match="n at least 1"):
            score([], [])

    def test_other_labels_are_an_error(self, score):
        with pytest.raises(DataError, match=r"1 of 2 labels are not in 0\.\.1, the first is 2"):
            score([1, 2], [0.1, 0.2])

    def test_other_lengths_are_an_error(self, score):
        with pytest.raises(DataError, match="expected"):
            score([1, 0, 1], [0.1, 0.2])

    def test_is_silent(self, score):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            score([1, 1], [0.1, 0.2])


@pytest.mark.parametrize("score", [SCORERS[2], SCORERS[3]])
def test_recall_without_positive_is_an_error(score):
    with pytest.raises(DataError, match="none of 2 examples is positive"):
        score([0, 0], [0.1, 0.2])
