"""Arrays of metrics: checks of the inputs, and tables of scores per class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from papertrail.core.errors import DataError

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def check_classes(labels: ArrayLike, classes: int) -> Integers:
    """Return class numbers of any shape as integers.

    Raises:
        DataError: A label is not in 0..classes - 1.
    """
    values: NDArray[Any] = np.asarray(labels)
    outside = values[~np.isin(values, np.arange(classes))]
    if outside.size:
        raise DataError(
            f"{outside.size} of {values.size} labels are not in 0..{classes - 1}, the first is {outside[0]}"
        )
    return values.astype(np.int64)


def check_finite(values: ArrayLike, name: str) -> Floats:
    """Return values of any shape as float64.

    Args:
        values: Numbers.
        name: What they are, for the message.

    Raises:
        DataError: A value is NaN or infinite.
    """
    floats = np.asarray(values, dtype=np.float64)
    if bad := floats.size - np.isfinite(floats).sum():
        raise DataError(f"{bad} of {floats.size} {name} are NaN or infinite; check that the training did not diverge")
    return floats


def check_probabilities(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Integers, Floats]:
    """Return labels (n,) and probabilities (n, classes).

    Raises:
        DataError: There is no example, shapes or labels do not fit, or a row is not a probability distribution.
    """
    floats = check_finite(probabilities, "probabilities")
    if floats.ndim != 2 or not floats.size or floats.shape[:1] != np.shape(labels):
        raise DataError(f"labels {np.shape(labels)}, probabilities {floats.shape}; expected (n,), (n, classes)")
    # the tolerance allows for a softmax in bfloat16, which keeps 8 bits
    if floats.min() < 0 or not np.allclose(floats.sum(axis=1), 1, atol=0.02):
        raise DataError("rows of probabilities must be at least 0 and sum to 1; are these logits?")
    return check_classes(labels, floats.shape[1]), floats


def check_scores(labels: ArrayLike, scores: ArrayLike) -> tuple[Integers, Floats]:
    """Return labels (n,) of 0 and 1, and scores (n,).

    Raises:
        DataError: There is no example, shapes differ, a label is not 0 or 1, or a score is not finite.
    """
    numbers, floats = check_classes(labels, 2), check_finite(scores, "scores")
    if numbers.ndim != 1 or numbers.shape != floats.shape or not numbers.size:
        raise DataError(f"labels {numbers.shape}, scores {floats.shape}; expected (n,) for both, n at least 1")
    return numbers, floats


def rows_by_name(names: Sequence[str], columns: Sequence[ArrayLike]) -> dict[str, dict[str, float]]:
    """Return name -> {precision, recall, f1, support} from these four columns, each (names,)."""
    precision, recall, f1, support = (np.asarray(column).tolist() for column in columns)
    rows = zip(names, precision, recall, f1, support, strict=True)
    return {name: {"precision": p, "recall": r, "f1": f, "support": s} for name, p, r, f, s in rows}
