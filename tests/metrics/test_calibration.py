"""Calibration bins and error against hand-computed values, a plain loop and scikit-learn."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from papertrail.metrics.calibration import expected_calibration_error, reliability_bins


def test_bins_are_closed_above_and_empty_ones_left_out():
    probabilities = np.array([[0.5, 0.5], [0.4, 0.6], [0.0, 1.0], [0.2, 0.8]])
    assert reliability_bins([0, 1, 1, 0], probabilities, 2) == [
        {"confidence": 0.5, "accuracy": 1.0, "count": 1},
        {"confidence": pytest.approx(0.8), "accuracy": pytest.approx(2 / 3), "count": 3},
    ]


def test_calibration_against_a_loop():
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


def test_single_precision_softmax_is_accepted():
    probabilities = np.array([[1.0000001, 0.0]], dtype=np.float32)
    assert reliability_bins([0], probabilities, 10)[0]["count"] == 1


def test_bins_are_those_of_scikit_learn():
    rng = np.random.default_rng(2)
    labels, probabilities = rng.integers(0, 3, 500), rng.dirichlet(np.ones(3), 500).round(2)
    probabilities[:, 2] = 1 - probabilities[:, 0] - probabilities[:, 1]
    probabilities = probabilities.clip(0, 1)
    top, correct = probabilities.max(1), probabilities.argmax(1) == labels
    for bins in (1, 7, 10):
        accuracy, confidence = calibration_curve(correct, top, n_bins=bins)
        rows = reliability_bins(labels, probabilities, bins)
        assert [row["accuracy"] for row in rows] == accuracy.tolist()
        assert [row["confidence"] for row in rows] == confidence.tolist()
        assert sum(row["count"] for row in rows) == 500
