"""Scores against values worked out by hand, against scikit-learn and seqeval, and against plain loops."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score as seqeval_f1
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from scholar.errors import DataError
from scholar.metrics import (
    best_threshold,
    classification_scores,
    confusion_rows,
    entity_scores,
    expected_calibration_error,
    pair_scores,
    precision_recall_points,
    ranking_scores,
    reliability_bins,
    screening_scores,
)

TAGS = ["O", "B-CITATION", "I-CITATION", "B-FIGURE", "I-FIGURE"]
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


class TestEntityScores:
    def test_by_hand(self):
        references = [["B-CITATION", "I-CITATION", "O", "B-FIGURE"], ["O", "B-CITATION"]]
        predictions = [["B-CITATION", "I-CITATION", "O", "B-CITATION"], ["O", "B-CITATION"]]
        assert entity_scores(references, predictions) == {
            "precision": pytest.approx(2 / 3),
            "recall": pytest.approx(2 / 3),
            "f1": pytest.approx(2 / 3),
            "macro_f1": pytest.approx(0.4),
            "CITATION": {"precision": pytest.approx(2 / 3), "recall": 1.0, "f1": pytest.approx(0.8), "support": 2},
            "FIGURE": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1},
        }

    def test_a_part_of_a_span_is_wrong(self):
        assert entity_scores([["B-A", "I-A"]], [["B-A", "O"]])["f1"] == 0

    def test_an_inside_tag_without_its_beginning_is_no_mention(self):
        scores = entity_scores([["B-A", "O"]], [["I-A", "O"]])
        assert scores["A"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}

    def test_a_type_only_predicted_counts_as_zero(self):
        scores = entity_scores([["B-A", "O"]], [["B-A", "B-B"]])
        assert scores["B"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
        assert scores["macro_f1"] == 0.5

    def test_no_mention_anywhere(self):
        expected = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "macro_f1": 0.0}
        assert entity_scores([["O", "O"], []], [["O", "I-A"], []]) == expected

    def test_numbers_are_plain(self):
        scores = entity_scores([["B-A"]], [["B-A"]])
        assert type(scores["f1"]) is float
        assert type(scores["A"]["support"]) is int

    @given(
        st.lists(st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), max_size=6), min_size=1), st.data()
    )
    def test_agrees_with_seqeval_in_any_order(self, sentences, data):
        shuffled = data.draw(st.permutations(sentences))
        references, predictions = ([[pair[side] for pair in s] for s in shuffled] for side in (0, 1))
        scores = entity_scores(references, predictions)
        unshuffled = entity_scores([[r for r, _ in s] for s in sentences], [[p for _, p in s] for s in sentences])
        assert scores == unshuffled
        assert 0 <= scores["macro_f1"] <= 1
        expected = seqeval_f1(references, predictions, mode="strict", scheme=IOB2, zero_division=0)
        assert scores["f1"] == pytest.approx(expected)

    @pytest.mark.parametrize(
        ("references", "predictions", "message"),
        [
            ([], [], "0 tagged sentences"),
            ([["O"]], [["O"], ["O"]], "1 tagged sentences but 2 predicted"),
            ([["O"], ["O"]], [["O"], []], "sentence 1: 1 tags but 0 predicted"),
            ([["CITATION"]], [["O"]], "sentence 0: tag 'CITATION' is not IOB2"),
            ([["O"]], [["B"]], "sentence 0: tag 'B' is not IOB2"),
        ],
    )
    def test_refuses(self, references, predictions, message):
        with pytest.raises(DataError, match=message):
            entity_scores(references, predictions)


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

    def test_bins_are_closed_above_and_empty_ones_left_out(self):
        probabilities = np.array([[0.5, 0.5], [0.4, 0.6], [0.0, 1.0], [0.2, 0.8]])
        assert reliability_bins([0, 1, 1, 0], probabilities, 2) == [
            {"confidence": 0.5, "accuracy": 1.0, "count": 1},
            {"confidence": pytest.approx(0.8), "accuracy": pytest.approx(2 / 3), "count": 3},
        ]

    def test_calibration_against_a_loop(self):
        rng = np.random.default_rng(1)
        labels, probabilities = rng.integers(0, 3, 300), rng.dirichlet(np.ones(3), 300)
        top, right = probabilities.max(1), probabilities.argmax(1) == labels
        for bins in (1, 7, 15):
            expected = 0.0
            for m in range(bins):
                inside = (top > m / bins) & (top <= (m + 1) / bins)
                if inside.any():
                    expected += inside.mean() * abs(right[inside].mean() - top[inside].mean())
            assert expected_calibration_error(labels, probabilities, bins) == pytest.approx(expected)

    def test_single_precision_softmax_is_accepted(self):
        probabilities = np.array([[1.0000001, 0.0]], dtype=np.float32)
        assert reliability_bins([0], probabilities, 10)[0]["count"] == 1

    @pytest.mark.parametrize(
        ("labels", "probabilities", "names", "message"),
        [
            ([0, 1], [[0.5, np.nan], [np.nan, 1]], "ab", "2 of 4 probabilities are NaN"),
            ([0], [[3.0, -2.0]], "ab", "were logits given"),
            ([-100], [[1.0, 0.0]], "ab", "1 of 1 labels are not in 0..1, the first is -100"),
            ([0, 1], [[1.0, 0.0]], "ab", "expected"),
            ([], np.empty((0, 2)), "ab", "expected"),
            ([0], [[1.0, 0.0]], "abc", "2 classes, but 3 names"),
        ],
    )
    def test_refuses(self, labels, probabilities, names, message):
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

    def test_of_equals_the_highest(self):
        # F1 at 0.9: 2 * 1 / (1 + 2), at 0.6: 2 * 2 / (4 + 2); both 2/3
        assert best_threshold([1, 0, 0, 1], [0.9, 0.8, 0.7, 0.6]) == 0.9

    def test_equal_scores_are_never_parted(self):
        assert best_threshold([1, 0], [0.5, 0.5]) == 0.5

    @given(scored)
    def test_no_other_threshold_is_better(self, rows):
        labels, scores = columns(rows)
        best = best_threshold(labels, scores)
        tried = [(decide(labels, scores, t)[2], t) for t in np.linspace(-0.1, 1.1, 25)]
        reached = f1_score(labels, scores >= best)
        assert reached >= max(tried)[0] - 1e-12
        assert all(t <= best for f1, t in tried if f1 > reached - 1e-12)

    def test_refuses_a_split_without_positive(self):
        with pytest.raises(DataError, match="validation split has no positive among 2"):
            best_threshold([0, 0], [0.1, 0.2])


def test_pair_scores():
    scores = pair_scores([1, 1, 0, 0], [0.9, 0.2, 0.5, 0.1], 0.5)
    assert scores == {"accuracy": 0.5, "precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert pair_scores([0, 0], [0.1, 0.1], 0.5) == {"accuracy": 1.0, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert pair_scores([True], [1.0], 0.5)["f1"] == 1.0


class TestScreeningScores:
    def test_by_hand(self):
        scores = screening_scores([1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.2, 0.1], 0.75)
        assert scores == {
            "average_precision": pytest.approx(0.5 * 1 + 0.5 * 2 / 3),
            "wss@95": pytest.approx(2 / 5 - 0.05),  # three are read, two are not
            "prevalence": 0.4,
            "threshold": 0.75,
            "precision": 0.5,
            "recall": 0.5,
            "f1": 0.5,
            "accuracy": 0.6,
        }

    def test_nineteen_of_twenty_are_enough(self):
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
    def test_a_rising_function_of_the_score_changes_no_ranking(self, rows):
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
    def test_few_rising_and_true(self, rows, points):
        labels, scores = columns(rows)
        found = precision_recall_points(labels, scores, points)
        assert 1 <= len(found) <= points
        recalls = [row["recall"] for row in found]
        assert recalls == sorted(set(recalls))
        curve = np.array([decide(labels, scores, t)[:2] for t in scores])  # (n, 2)
        for row in found:
            assert np.isclose(curve, [row["precision"], row["recall"]]).all(axis=1).any()
        assert points == 1 or recalls[-1] == 1


class TestRankingScores:
    def test_by_hand(self):
        queries = ["a", "b", "a", "b", "a", "b"]
        labels = [0, 1, 1, 0, 1, 0]
        scores = [0.9, 0.9, 0.8, 0.1, 0.1, 0.2]
        assert ranking_scores(queries, labels, scores) == {
            "mrr": pytest.approx((1 / 2 + 1) / 2),
            "recall@1": 0.5,
            "recall@5": 1.0,
            "recall@10": 1.0,
            "queries": 2,
            "candidates_per_query": 3.0,
        }

    def test_share_of_several_relevant(self):
        result = ranking_scores([7] * 8, [1, 0, 0, 0, 0, 0, 1, 1], -np.arange(8))
        assert (result["recall@1"], result["recall@5"], result["recall@10"]) == pytest.approx((1 / 3, 1 / 3, 1))

    def test_a_constant_score_ranks_the_relevant_last(self):
        result = ranking_scores([1] * 4, [1, 0, 0, 0], [0.5] * 4)
        assert (result["mrr"], result["recall@1"]) == (0.25, 0)

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 4)), max_size=60), st.data())
    def test_agrees_with_a_loop_in_any_order(self, rows, data):
        rows = rows + [(query, 1, data.draw(st.integers(0, 4))) for query in {q for q, _, _ in rows} | {9}]
        reciprocal, recall = [], {1: [], 5: [], 10: []}
        for query in {q for q, _, _ in rows}:
            ranked = sorted(((-score, label) for q, label, score in rows if q == query))
            ranks = [rank for rank, (_, label) in enumerate(ranked, 1) if label]
            reciprocal.append(1 / ranks[0])
            for k, shares in recall.items():
                shares.append(sum(rank <= k for rank in ranks) / len(ranks))
        expected = {"mrr": np.mean(reciprocal), **{f"recall@{k}": np.mean(shares) for k, shares in recall.items()}}
        result = ranking_scores(*zip(*data.draw(st.permutations(rows)), strict=True))
        assert {name: result[name] for name in expected} == pytest.approx(expected)
        assert 0 <= result["recall@1"] <= result["recall@5"] <= result["recall@10"] <= 1

    def test_refuses_a_query_without_relevant_candidate(self):
        with pytest.raises(DataError, match="2 of 3 queries have no relevant candidate, the first is b"):
            ranking_scores(["a", "b", "c"], [1, 0, 0], [0.1, 0.2, 0.3])

    def test_refuses_ids_of_another_length(self):
        with pytest.raises(DataError, match="3 query ids but 2 labels"):
            ranking_scores(["a", "b", "c"], [1, 0], [0.1, 0.2])


SCORERS = [
    best_threshold,
    lambda labels, scores: pair_scores(labels, scores, 0.5),
    lambda labels, scores: screening_scores(labels, scores, 0.5),
    lambda labels, scores: precision_recall_points(labels, scores, 5),
    lambda labels, scores: ranking_scores(np.zeros(len(labels), int), labels, scores),
]


@pytest.mark.parametrize("score", SCORERS)
class TestEveryScorerOfScores:
    def test_counts_what_is_not_a_number(self, score):
        with pytest.raises(DataError, match="2 of 3 scores are NaN or infinite"):
            score([1, 0, 1], [np.nan, 0.5, np.inf])

    def test_refuses_no_example(self, score):
        with pytest.raises(DataError, match="n at least 1"):
            score([], [])

    def test_refuses_other_labels(self, score):
        with pytest.raises(DataError, match=r"1 of 2 labels are not in 0\.\.1, the first is 2"):
            score([1, 2], [0.1, 0.2])

    def test_refuses_other_lengths(self, score):
        with pytest.raises(DataError, match="expected"):
            score([1, 0, 1], [0.1, 0.2])

    def test_is_silent(self, score):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            score([1, 1], [0.1, 0.2])


@pytest.mark.parametrize("score", [SCORERS[2], SCORERS[3]])
def test_recall_without_positive_is_refused(score):
    with pytest.raises(DataError, match="none of 2 examples is positive"):
        score([0, 0], [0.1, 0.2])
