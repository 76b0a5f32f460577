"""Temperature scaling: calibrated probabilities without a change of the predicted classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from papertrail.core.errors import DataError
from papertrail.models.batching import IGNORED, Item

MAXIMUM = 100.0  # temperatures from 1 / MAXIMUM to MAXIMUM are searched


def fit_temperature(items: Sequence[Item], logits: Sequence[Any]) -> float:
    """Return the temperature T for which softmax(logits / T) maximises the likelihood of the labels.

    Args:
        items: Items with `labels`, one class number or (tokens,) of them, -100 for ignored ones.
        logits: Per item (classes,) or (tokens or more, classes).

    Raises:
        DataError: There is no label.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.
    """
    labels = [np.atleast_1d(item["labels"]) for item in items]
    kept = [np.atleast_2d(values)[: len(of)][of != IGNORED] for of, values in zip(labels, logits, strict=True)]
    classes = np.concatenate([of[of != IGNORED] for of in labels] or [np.empty(0, dtype=int)])  # (n,)
    if not classes.size:
        raise DataError(f"cannot fit a temperature: no label in {len(items)} validation examples")
    stacked = np.concatenate(kept).astype(np.float64)  # (n, classes)

    def loss(log_temperature: float) -> float:
        log_probabilities = log_softmax(stacked / np.exp(log_temperature), axis=1)
        return float(-log_probabilities[np.arange(len(classes)), classes].mean())

    reach = np.log(MAXIMUM)
    return float(np.exp(minimize_scalar(loss, bounds=(-reach, reach), method="bounded").x))
