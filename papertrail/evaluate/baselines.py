"""Baselines of classification. All are deterministic functions of their arguments."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from papertrail.core.errors import DataError

Floats = NDArray[np.float64]


def majority(train_labels: ArrayLike, classes: int, n: int) -> Floats:
    """Return the class frequencies of the training labels for each of n examples, so that the majority class wins.

    Returns:
        (n, classes) probabilities.

    Raises:
        DataError: There is no training label, or one is not in 0..classes - 1.
    """
    labels = _class_numbers(train_labels, classes)
    return np.tile(np.bincount(labels, minlength=classes) / len(labels), (n, 1))


def tfidf_logistic(
    train_texts: Sequence[str],
    train_labels: ArrayLike,
    texts: Sequence[str],
    classes: int,
    *,
    balanced: bool,
) -> Floats:
    """Classify by multinomial logistic regression over TF-IDF of words and word pairs.

    Term weights are (1 + ln tf) * (ln((1 + m) / (1 + df)) + 1), rows have length 1; the L2 penalty is C = 10. The
    solver, L-BFGS, draws no random numbers.

    Args:
        train_texts: (m,) texts.
        train_labels: (m,) class numbers.
        texts: (n,) texts to classify.
        classes: Number of classes.
        balanced: Whether to weight each class by m / (number of classes in training * its count).

    Returns:
        (n, classes) probabilities, 0 for a class that is not in training.

    Raises:
        DataError: There is no training example, a label is not in 0..classes - 1, or no training text has a word.
    """
    labels = _class_numbers(train_labels, classes)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    if not any(map(vectorizer.build_analyzer(), train_texts)):
        raise DataError(f"none of {len(train_texts)} training texts has a word; check the input columns")
    present = np.unique(labels)
    if len(present) == 1:  # LogisticRegression requires two
        return majority(labels, classes, len(texts))
    model = LogisticRegression(C=10, max_iter=1000, class_weight="balanced" if balanced else None)
    model.fit(vectorizer.fit_transform(train_texts), labels)
    probabilities = np.zeros((len(texts), classes))
    if len(texts):
        probabilities[:, present] = model.predict_proba(vectorizer.transform(texts))
    return probabilities


def _class_numbers(labels: ArrayLike, classes: int) -> NDArray[np.int64]:
    numbers = np.asarray(labels)
    if not numbers.size or not np.isin(numbers, np.arange(classes)).all():
        raise DataError(f"training labels: {np.unique(numbers)}; expected at least one, all in 0..{classes - 1}")
    return numbers.astype(np.int64)
