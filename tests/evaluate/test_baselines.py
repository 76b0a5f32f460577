"""Baselines of classification against hand-computed values."""

import numpy as np
import pytest

from papertrail.core.errors import DataError
from papertrail.evaluate.baselines import majority, tfidf_logistic

TEXTS = ["neural machine translation", "statistical machine translation", "constituency parsing", "dependency parsing"]


def test_majority_predicts_the_class_frequencies_of_training():
    np.testing.assert_array_equal(majority([0, 2, 2, 2], 4, 2), [[0.25, 0, 0.75, 0]] * 2)
    assert majority([0], 2, 0).shape == (0, 2)


@pytest.mark.parametrize("labels", [[], [0, 3], [-1], [np.nan]])
def test_training_labels_are_checked(labels):
    with pytest.raises(DataError, match=r"training labels: .* expected at least one, all in 0\.\.2"):
        majority(labels, 3, 1)


class TestTfidfLogistic:
    def test_learns_and_leaves_absent_classes_at_zero(self):
        labels = [1, 1, 3, 3]
        found = tfidf_logistic(TEXTS, labels, [*TEXTS, "translation", ""], 5, balanced=False)
        assert found.shape == (6, 5)
        np.testing.assert_allclose(found.sum(axis=1), 1)
        assert found[:4].argmax(axis=1).tolist() == labels
        assert found[4].argmax() == 1
        assert not found[:, [0, 2, 4]].any()

    def test_is_deterministic(self):
        first, second = (tfidf_logistic(TEXTS, [0, 1, 2, 2], TEXTS, 3, balanced=True) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_balanced_favours_the_rare_class(self):
        texts = ["parsing"] * 9 + ["parsing trees"]
        labels = [0] * 9 + [1]
        plain, balanced = (tfidf_logistic(texts, labels, ["trees"], 2, balanced=b) for b in (False, True))
        assert balanced[0, 1] > plain[0, 1]

    def test_a_single_class_is_certain(self):
        found = tfidf_logistic(TEXTS, [1, 1, 1, 1], ["anything"], 3, balanced=True)
        np.testing.assert_array_equal(found, [[0, 1, 0]])

    def test_no_text_to_classify(self):
        assert tfidf_logistic(TEXTS, [0, 0, 1, 1], [], 2, balanced=False).shape == (0, 2)

    def test_texts_without_words_are_an_error(self):
        with pytest.raises(DataError, match="none of 2 training texts has a word"):
            tfidf_logistic(["", "a ?"], [0, 1], ["x"], 2, balanced=False)
