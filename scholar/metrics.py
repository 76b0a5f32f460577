"""Scores of predictions: pure functions over arrays, fractions in [0, 1], unrounded.

What cannot be scored (no example, no positive, a score that is NaN) is a DataError: a number that only looks like a
result would go unnoticed into a table. What is merely absent (a class that nobody predicted) scores 0, as in most
published tables.
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from seqeval.metrics.v1 import precision_recall_fscore_support as entity_rates
from seqeval.scheme import IOB2, Entities
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    precision_recall_curve,
    precision_recall_fscore_support,
)

from scholar.errors import DataError

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
IOB2_TAG = re.compile(r"O|[BI]-.+")
RECALL_DEPTHS = (1, 5, 10)


def entity_scores(references: list[list[str]], predictions: list[list[str]]) -> dict[str, Any]:
    """Score mentions: right is the same type over exactly the same tokens.

    Tags are read as strict IOB2: an I- that does not continue a mention of its type starts none and is ignored.

    Args:
        references: one list of IOB2 tags per sentence.
        predictions: the same shape.

    Returns:
        precision = right / predicted, recall = right / actual and their harmonic mean f1 over all mentions (micro);
        macro_f1, the unweighted mean of f1 over the types that occur in references or predictions;
        and per such type {precision, recall, f1, support}. An undefined ratio is 0.

    Raises:
        DataError: the two differ in length, there is no sentence, or a tag is not IOB2.

    Source: Tjong Kim Sang and De Meulder 2003 (CoNLL-2003), computed by seqeval.
    """
    _check_tags(references, predictions)
    actual, found = Entities(references, IOB2), Entities(predictions, IOB2)
    rates = partial(entity_rates, references, predictions, scheme=IOB2, entities_true=actual, entities_pred=found)
    precision, recall, f1, _ = rates(average="micro", zero_division=0)
    types = sorted(actual.unique_tags | found.unique_tags)
    per_type = rates(average=None, zero_division=0)  # four arrays, each (types,)
    return {
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "macro_f1": float(per_type[2].mean()) if types else 0.0,
        **_rows_by_name(types, per_type),
    }


def classification_scores(
    labels: ArrayLike, probabilities: ArrayLike, names: Sequence[str], bins: int
) -> dict[str, Any]:
    """Score single-label classification; the prediction is the most probable class, the first one of equals.

    Args:
        labels: (n,) class numbers.
        probabilities: (n, classes), rows sum to 1.
        names: (classes,) what the classes are called.
        bins: how many bins the calibration error uses.

    Returns:
        accuracy; macro_f1, the mean of f1 over all of `names`, where a class that never occurs counts as 0;
        expected_calibration_error; and per class name {precision, recall, f1, support}.

    Raises:
        DataError: no example, shapes or labels that do not fit `names`, or rows that are not probabilities.
    """
    labels, probabilities = _check_probabilities(labels, probabilities)
    if probabilities.shape[1] != len(names):
        raise DataError(f"probabilities of {probabilities.shape[1]} classes, but {len(names)} names: {list(names)}")
    predicted = probabilities.argmax(axis=1)
    per_class = precision_recall_fscore_support(labels, predicted, labels=np.arange(len(names)), zero_division=0)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "macro_f1": float(per_class[2].mean()),
        "expected_calibration_error": expected_calibration_error(labels, probabilities, bins),
        **_rows_by_name(names, per_class),
    }


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int) -> float:
    """How far confidence is from accuracy: the sum over bins of count / n * |accuracy - confidence|.

    The arguments and the bins are those of `reliability_bins`.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, equation 3.
    """
    rows = reliability_bins(labels, probabilities, bins)
    total = sum(row["count"] for row in rows)
    return float(sum(row["count"] / total * abs(row["accuracy"] - row["confidence"]) for row in rows))


def reliability_bins(labels: ArrayLike, probabilities: ArrayLike, bins: int) -> list[dict[str, float]]:
    """Group examples by their top probability into bins ((m - 1) / bins, m / bins], m = 1 ... bins.

    Args:
        labels: (n,) class numbers.
        probabilities: (n, classes), rows sum to 1.
        bins: number of bins of equal width, at least 1.

    Returns:
        One row per bin that is not empty, from low to high: mean top probability (confidence), share of right
        predictions (accuracy), number of examples (count).

    Raises:
        DataError: as `classification_scores`.

    Source: Guo et al. 2017, equations 1 and 2.
    """
    labels, probabilities = _check_probabilities(labels, probabilities)
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    inner_edges = np.linspace(0, 1, bins + 1)[1:-1]  # without 0 and 1, a top of 1.0000001 still falls in the last bin
    bin_of = np.digitize(top, inner_edges, right=True)
    count = np.bincount(bin_of, minlength=bins)
    confidence = np.bincount(bin_of, weights=top, minlength=bins)
    accuracy = np.bincount(bin_of, weights=right, minlength=bins)
    return [
        {
            "confidence": float(confidence[m] / count[m]),
            "accuracy": float(accuracy[m] / count[m]),
            "count": int(count[m]),
        }
        for m in np.flatnonzero(count)
    ]


def confusion_rows(labels: ArrayLike, predictions: ArrayLike, names: Sequence[str]) -> list[dict[str, str]]:
    """Name what was and what was predicted, one row {actual, predicted} per example; labels, predictions: (n,)."""
    actual, predicted = _check_classes(labels, len(names)), _check_classes(predictions, len(names))
    if len(actual) != len(predicted):
        raise DataError(f"{len(actual)} labels but {len(predicted)} predictions")
    return [{"actual": names[a], "predicted": names[p]} for a, p in zip(actual, predicted, strict=True)]


def best_threshold(labels: ArrayLike, scores: ArrayLike) -> float:
    """Find the threshold at which `score >= threshold` has the highest F1; of equally good ones, the highest.

    Use the validation split: a threshold chosen on the split that it is reported on flatters.

    Args:
        labels: (n,) 0 or 1.
        scores: (n,), higher is more likely 1.

    Raises:
        DataError: no example, no positive among them, or a score that is not finite.
    """
    labels, scores = _check_scores(labels, scores)
    if not labels.any():
        raise DataError(
            f"no threshold can be chosen: the validation split has no positive among {len(labels)} examples"
        )
    thresholds, retrieved, found = _cuts(labels, scores)
    f1 = 2 * found / (retrieved + labels.sum())
    return float(thresholds[f1.argmax()])  # argmax takes the first of equals, and thresholds fall


def pair_scores(labels: ArrayLike, scores: ArrayLike, threshold: float) -> dict[str, float]:
    """Score yes-or-no decisions `score >= threshold`; labels (n,) 0 or 1, scores (n,).

    Returns:
        accuracy, and precision, recall, f1 of the label 1; an undefined ratio is 0.

    Raises:
        DataError: no example, or a score that is not finite.
    """
    labels, scores = _check_scores(labels, scores)
    predicted = (scores >= threshold).astype(int)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, average="binary", zero_division=0)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }


def screening_scores(labels: ArrayLike, scores: ArrayLike, threshold: float) -> dict[str, float]:
    """Score a search for the few relevant ones among many.

    Args:
        labels: (n,) 0 or 1.
        scores: (n,), higher is read earlier.
        threshold: the decision is `score >= threshold`; it comes from another split.

    Returns:
        average_precision = sum over cuts of (recall - previous recall) * precision; wss@95, the reading saved, in
        [-0.05, 0.95]: (TN + FN) / n - 0.05 at the highest cut whose recall is at least 0.95; prevalence, the share of
        1, which is the average_precision of a random order; threshold; and precision, recall, f1, accuracy there.
        Examples of equal score are retrieved together.

    Raises:
        DataError: no example, no positive among them, or a score that is not finite.

    Source: wss@95 is work saved over sampling, Cohen et al. 2006, Reducing Workload in Systematic Review Preparation
    Using Automated Citation Classification.
    """
    labels, scores = _check_positive(*_check_scores(labels, scores))
    _, retrieved, found = _cuts(labels, scores)
    first_enough = np.argmax(100 * found >= 95 * labels.sum())  # in integers: 0.95 * positives may round up
    return {
        "average_precision": float(average_precision_score(labels, scores)),
        "wss@95": float(1 - retrieved[first_enough] / len(labels) - 0.05),
        "prevalence": float(labels.mean()),
        "threshold": float(threshold),
        **pair_scores(labels, scores, threshold),
    }


def precision_recall_points(labels: ArrayLike, scores: ArrayLike, points: int) -> list[dict[str, float]]:
    """Thin the precision-recall curve to at most `points` of its points, spread evenly over recall.

    For each of `points` recalls from 0 to 1 the highest threshold that reaches it is kept.

    Args:
        labels: (n,) 0 or 1.
        scores: (n,).
        points: the most rows wanted, at least 1.

    Returns:
        Rows {recall, precision}, recall rising.

    Raises:
        DataError: no example, no positive among them, or a score that is not finite.
    """
    labels, scores = _check_positive(*_check_scores(labels, scores))
    precision, recall, _ = precision_recall_curve(labels, scores)
    precision, recall = precision[-2::-1], recall[-2::-1]  # rising recall, without the point (0, 1) that sklearn adds
    kept = np.unique(np.searchsorted(recall, np.linspace(0, 1, points)))
    return [{"recall": float(recall[i]), "precision": float(precision[i])} for i in kept]


def ranking_scores(queries: ArrayLike, labels: ArrayLike, scores: ArrayLike) -> dict[str, float]:
    """Score how high relevant candidates rank among those of their query; each row is one (query, candidate).

    Returns:
        The means over the queries of what `query_scores` gives, how many queries there are, and candidates_per_query.

    Raises:
        DataError: as `query_scores`.
    """
    ids, per_query = query_scores(queries, labels, scores)
    means = {name: float(values.mean()) for name, values in per_query.items()}
    return {**means, "queries": len(ids), "candidates_per_query": np.size(scores) / len(ids)}


def query_scores(queries: ArrayLike, labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[Any], dict[str, Floats]]:
    """Score each query by how high its relevant candidates rank.

    Among equal scores the relevant ones come last, so that a constant score earns nothing.

    Args:
        queries: (n,) ids, integers or strings, in any order.
        labels: (n,) 1 for relevant, 0 for not.
        scores: (n,), higher ranks earlier.

    Returns:
        The (queries,) ids, and (queries,) values of mrr, 1 / rank of the best-ranked relevant candidate, and of
        recall@k, the share of the relevant candidates that rank within k.

    Raises:
        DataError: no row, a query without a relevant candidate, or a score that is not finite.
    """
    labels, scores = _check_scores(labels, scores)
    ids, query_of = np.unique(np.asarray(queries), return_inverse=True)  # (queries,), (n,)
    if len(query_of) != len(labels):
        raise DataError(f"{len(query_of)} query ids but {len(labels)} labels")
    relevant_per_query = np.bincount(query_of, weights=labels)
    if not relevant_per_query.all():
        lacking = ids[relevant_per_query == 0]
        raise DataError(f"{len(lacking)} of {len(ids)} queries have no relevant candidate, the first is {lacking[0]}")
    order = np.lexsort((labels, -scores, query_of))  # by query, best score first, irrelevant first among equals
    size = np.bincount(query_of)
    start = np.cumsum(size) - size
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels)) - np.repeat(start, size) + 1
    best = np.full(len(ids), len(labels))
    np.minimum.at(best, query_of[labels == 1], rank[labels == 1])
    recalls = {
        f"recall@{k}": np.bincount(query_of, weights=labels * (rank <= k)) / relevant_per_query for k in RECALL_DEPTHS
    }
    return ids, {"mrr": 1 / best, **recalls}


def _cuts(labels: Integers, scores: Floats) -> tuple[Floats, Integers, Integers]:
    """List every distinct score from high to low, how many examples reach it, and how many of those are positive."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last_of_equals = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    return falling[last_of_equals], last_of_equals + 1, labels[order].cumsum()[last_of_equals]


def _rows_by_name(names: Sequence[str], columns: Sequence[ArrayLike]) -> dict[str, dict[str, float]]:
    """Turn the columns precision, recall, f1, support, each (names,), into one small table row per name."""
    precision, recall, f1, support = (np.asarray(column).tolist() for column in columns)
    rows = zip(names, precision, recall, f1, support, strict=True)
    return {name: {"precision": p, "recall": r, "f1": f, "support": s} for name, p, r, f, s in rows}


def _check_tags(references: list[list[str]], predictions: list[list[str]]) -> None:
    if not references or len(references) != len(predictions):
        raise DataError(
            f"{len(references)} tagged sentences but {len(predictions)} predicted: expected as many, and one"
        )
    for sentence, (reference, prediction) in enumerate(zip(references, predictions, strict=True)):
        if len(reference) != len(prediction):
            raise DataError(f"sentence {sentence}: {len(reference)} tags but {len(prediction)} predicted")
        for tag in (*reference, *prediction):
            if not IOB2_TAG.fullmatch(tag):
                raise DataError(f"sentence {sentence}: tag {tag!r} is not IOB2; expected O, B-<type> or I-<type>")


def _check_classes(labels: ArrayLike, classes: int) -> Integers:
    labels = np.asarray(labels)
    outside = labels[~np.isin(labels, np.arange(classes))]
    if outside.size:
        raise DataError(
            f"{outside.size} of {labels.size} labels are not in 0..{classes - 1}, the first is {outside[0]}"
        )
    return labels.astype(np.int64)


def _check_finite(values: ArrayLike, what: str) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    if bad := values.size - np.isfinite(values).sum():
        raise DataError(f"{bad} of {values.size} {what} are NaN or infinite; check that the training did not diverge")
    return values


def _check_probabilities(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Integers, Floats]:
    probabilities = _check_finite(probabilities, "probabilities")
    if probabilities.ndim != 2 or not probabilities.size or probabilities.shape[:1] != np.shape(labels):
        raise DataError(f"labels {np.shape(labels)}, probabilities {probabilities.shape}; expected (n,), (n, classes)")
    # the tolerance leaves room for a softmax in bfloat16, which keeps 8 bits
    if probabilities.min() < 0 or not np.allclose(probabilities.sum(axis=1), 1, atol=0.02):
        raise DataError("the rows of probabilities must be at least 0 and sum to 1; were logits given?")
    return _check_classes(labels, probabilities.shape[1]), probabilities


def _check_scores(labels: ArrayLike, scores: ArrayLike) -> tuple[Integers, Floats]:
    labels, scores = _check_classes(labels, 2), _check_finite(scores, "scores")
    if labels.ndim != 1 or labels.shape != scores.shape or not labels.size:
        raise DataError(f"labels {labels.shape}, scores {scores.shape}; expected (n,) both, and n at least 1")
    return labels, scores


def _check_positive(labels: Integers, scores: Floats) -> tuple[Integers, Floats]:
    if not labels.any():
        raise DataError(f"none of {len(labels)} examples is positive: recall is undefined; check the split")
    return labels, scores
