"""Calibration: how well the probability of the predicted class matches the share of correct predictions."""

import numpy as np
from numpy.typing import ArrayLike

from papertrail.metrics.arrays import check_probabilities


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int) -> float:
    """Return the sum over bins of count / n * |accuracy - confidence|.

    Args and bins are those of `reliability_bins`.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, equation 3.
    """
    rows = reliability_bins(labels, probabilities, bins)
    total = sum(row["count"] for row in rows)
    return float(sum(row["count"] / total * abs(row["accuracy"] - row["confidence"]) for row in rows))


def reliability_bins(labels: ArrayLike, probabilities: ArrayLike, bins: int) -> list[dict[str, float]]:
    """Group examples by the probability of their predicted class into bins ((m - 1) / bins, m / bins], m = 1 ... bins.

    sklearn.calibration.calibration_curve returns no counts, and rejects a float32 probability of 1.0000001.

    Args:
        labels: (n,) class numbers.
        probabilities: (n, classes), rows sum to 1.
        bins: Number of bins of equal width, at least 1.

    Returns:
        One row per non-empty bin, in ascending order: mean probability of the predicted class (confidence), share of
        correct predictions (accuracy), number of examples (count).

    Raises:
        DataError: There is no example, shapes or labels do not fit, or a row is not a probability distribution.

    Source: Guo et al. 2017, equations 1 and 2.
    """
    labels, probabilities = check_probabilities(labels, probabilities)
    top = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    inner_edges = np.linspace(0, 1, bins + 1)[1:-1]  # without 0 and 1, so that 1.0000001 falls into the last bin
    bin_of = np.digitize(top, inner_edges, right=True)
    count = np.bincount(bin_of, minlength=bins)
    confidence = np.bincount(bin_of, weights=top, minlength=bins)
    accuracy = np.bincount(bin_of, weights=correct, minlength=bins)
    return [
        {
            "confidence": float(confidence[m] / count[m]),
            "accuracy": float(accuracy[m] / count[m]),
            "count": int(count[m]),
        }
        for m in np.flatnonzero(count)
    ]
