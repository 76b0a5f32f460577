"""Temperature scaling finds the temperature that labels were drawn with."""

import numpy as np
import pytest
from scipy.special import softmax

from papertrail.core.errors import DataError
from papertrail.evaluate.calibration import fit_temperature
from papertrail.metrics.calibration import expected_calibration_error


def draw_labels(temperature: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (count, 3) and labels (count,) drawn from softmax(logits / temperature)."""
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2, size=(count, 3))
    cumulative = softmax(logits / temperature, axis=1).cumsum(axis=1)
    return logits, (rng.random((count, 1)) > cumulative).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_the_labels_is_found(temperature: float) -> None:
    logits, labels = draw_labels(temperature)
    found = fit_temperature([{"labels": int(label)} for label in labels], list(logits))
    assert found == pytest.approx(temperature, rel=0.05)
    before, after = (expected_calibration_error(labels, softmax(logits / t, axis=1), 10) for t in (1.0, found))
    assert after < 0.02
    assert temperature == 1 or before > 0.05


def test_ignored_tokens_and_padding_have_no_effect() -> None:
    logits, labels = draw_labels(2.0)
    classes = [{"labels": int(label)} for label in labels]
    words = [{"labels": [-100, *labels[i : i + 4].tolist(), -100]} for i in range(0, len(labels), 4)]
    padding = np.full((1, 3), 9.0)
    pieces = [np.concatenate([padding, logits[i : i + 4], padding, padding]) for i in range(0, len(labels), 4)]
    assert fit_temperature(words, pieces) == fit_temperature(classes, list(logits))


def test_no_label_is_an_error() -> None:
    with pytest.raises(DataError, match="cannot fit a temperature: no label in 1 validation examples"):
        fit_temperature([{"labels": [-100]}], [np.zeros((1, 3))])
