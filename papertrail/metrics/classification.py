"""Scores of classes and of binary decisions: pure functions over arrays, fractions in [0, 1], not rounded.

Undefined input (no example, no positive, a NaN) raises DataError. A class that never occurs scores 0.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    precision_recall_curve,
    precision_recall_fscore_support,
)

from papertrail.core.errors import DataError
from papertrail.metrics.arrays import (
    Floats,
    Integers,
    check_classes,
    check_probabilities,
    check_scores,
    rows_by_name,
)
from papertrail.metrics.calibration import expected_calibration_error


def classification_scores(
    labels: ArrayLike, probabilities: ArrayLike, names: Sequence[str], bins: int
) -> dict[str, Any]:
    """Score single-label classification; the prediction is the most probable class, the first one of equals.

    Args:
        labels: (n,) class numbers.
        probabilities: (n, classes), rows sum to 1.
        names: (classes,) class names.
        bins: Number of bins of the calibration error.

    Returns:
        accuracy; macro_f1, the mean of f1 over all of `names`, where a class that never occurs counts as 0;
        expected_calibration_error; and per class name {precision, recall, f1, support}.

    Raises:
        DataError: There is no example, shapes or labels do not fit `names`, or a row is not a probability distribution.
    """
    labels, probabilities = check_probabilities(labels, probabilities)
    if probabilities.shape[1] != len(names):
        raise DataError(f"probabilities of {probabilities.shape[1]} classes, but {len(names)} names: {list(names)}")
    predicted = probabilities.argmax(axis=1)
    per_class = precision_recall_fscore_support(labels, predicted, labels=np.arange(len(names)), zero_division=0)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "macro_f1": float(per_class[2].mean()),
        "expected_calibration_error": expected_calibration_error(labels, probabilities, bins),
        **rows_by_name(names, per_class),
    }


def confusion_rows(labels: ArrayLike, predictions: ArrayLike, names: Sequence[str]) -> list[dict[str, str]]:
    """Return one row {actual, predicted} of class names per example.

    Args:
        labels: (n,) class numbers.
        predictions: (n,) class numbers.
        names: (classes,) class names.

    Raises:
        DataError: Lengths differ, or a class number is outside `names`.
    """
    actual, predicted = check_classes(labels, len(names)), check_classes(predictions, len(names))
    if len(actual) != len(predicted):
        raise DataError(f"{len(actual)} labels but {len(predicted)} predictions")
    return [{"actual": names[a], "predicted": names[p]} for a, p in zip(actual, predicted, strict=True)]


def best_threshold(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the threshold at which `score >= threshold` has the highest F1; of equally good ones, the highest.

    Call it with the validation split. A threshold chosen on the test split inflates the test scores.

    Args:
        labels: (n,) 0 or 1.
        scores: (n,), higher is more likely 1.

    Raises:
        DataError: There is no example, no positive example, or a score is not finite.
    """
    labels, scores = check_scores(labels, scores)
    if not labels.any():
        raise DataError(f"cannot choose a threshold: none of the {len(labels)} validation examples is positive")
    thresholds, retrieved, found = _cuts(labels, scores)
    f1 = 2 * found / (retrieved + labels.sum())
    return float(thresholds[f1.argmax()])  # thresholds descend, and argmax returns the first of equals


def binary_scores(labels: ArrayLike, scores: ArrayLike, threshold: float) -> dict[str, float]:
    """Score binary decisions `score >= threshold`.

    Args:
        labels: (n,) 0 or 1.
        scores: (n,), higher is more likely 1.
        threshold: Lowest score that is decided as 1.

    Returns:
        accuracy, and precision, recall, f1 of class 1; an undefined ratio is 0.

    Raises:
        DataError: There is no example, or a score is not finite.
    """
    labels, scores = check_scores(labels, scores)
    predicted = (scores >= threshold).astype(int)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, average="binary", zero_division=0)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }


def screening_scores(labels: ArrayLike, scores: ArrayLike, threshold: float) -> dict[str, float]:
    """Score the search for few relevant examples among many; examples of equal score are retrieved together.

    Args:
        labels: (n,) 0 or 1.
        scores: (n,), higher is retrieved earlier.
        threshold: Lowest score that is decided as 1; chosen on another split.

    Returns:
        average_precision, the sum over cuts of (recall - previous recall) * precision; wss@95, work saved over
        sampling, in [-0.05, 0.95]: (TN + FN) / n - 0.05 at the highest cut whose recall is at least 0.95; prevalence,
        the share of positives, which is the average precision of a random order; threshold; and precision, recall,
        f1, accuracy at the threshold.

    Raises:
        DataError: There is no example, no positive example, or a score is not finite.

    Source: Cohen et al. 2006, Reducing Workload in Systematic Review Preparation Using Automated Citation
    Classification (wss@95).
    """
    labels, scores = _check_positive(*check_scores(labels, scores))
    _, retrieved, found = _cuts(labels, scores)
    cut = np.argmax(100 * found >= 95 * labels.sum())  # in integers, because 0.95 * positives may round up
    return {
        "average_precision": float(average_precision_score(labels, scores)),
        "wss@95": float(1 - retrieved[cut] / len(labels) - 0.05),
        "prevalence": float(labels.mean()),
        "threshold": float(threshold),
        **binary_scores(labels, scores, threshold),
    }


def precision_recall_points(labels: ArrayLike, scores: ArrayLike, points: int) -> list[dict[str, float]]:
    """Return at most `points` points of the precision-recall curve, evenly spaced over recall.

    For each of `points` recalls from 0 to 1, the highest threshold that reaches it is kept.

    Args:
        labels: (n,) 0 or 1.
        scores: (n,).
        points: Maximum number of rows, at least 1.

    Returns:
        Rows {recall, precision} in ascending order of recall.

    Raises:
        DataError: There is no example, no positive example, or a score is not finite.
    """
    labels, scores = _check_positive(*check_scores(labels, scores))
    precision, recall, _ = precision_recall_curve(labels, scores)
    precision, recall = precision[-2::-1], recall[-2::-1]  # ascending recall, without sklearn's extra point (0, 1)
    kept = np.unique(np.searchsorted(recall, np.linspace(0, 1, points)))
    return [{"recall": float(recall[i]), "precision": float(precision[i])} for i in kept]


def _cuts(labels: Integers, scores: Floats) -> tuple[Floats, Integers, Integers]:
    """Return distinct scores in descending order, and how many examples and positives reach each; all (cuts,)."""
    order = np.argsort(-scores, kind="stable")
    descending = scores[order]
    last_of_equals = np.flatnonzero(np.append(descending[1:] != descending[:-1], True))
    return descending[last_of_equals], last_of_equals + 1, labels[order].cumsum()[last_of_equals]


def _check_positive(labels: Integers, scores: Floats) -> tuple[Integers, Floats]:
    if not labels.any():
        raise DataError(f"none of {len(labels)} examples is positive, so recall is undefined; check the split")
    return labels, scores
