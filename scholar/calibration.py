"""Temperature scaling: probabilities as sure as the model is right, without changing what it predicts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from scholar.batching import Item
from scholar.errors import DataError

IGNORED = -100
HOTTEST = 100.0  # temperatures from 1 / HOTTEST to HOTTEST are searched


def fit_temperature(items: Sequence[Item], logits: Sequence[Any]) -> float:
    """The temperature T for which softmax(logits / T) gives the labels the highest likelihood.

    Args:
        items: with `labels`, one or (tokens,) class numbers, -100 for ignored ones.
        logits: of each item (classes,) or (tokens or more, classes).

    Raises:
        DataError: there is no label.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.
    """
    labels = [np.atleast_1d(item["labels"]) for item in items]
    kept = [np.atleast_2d(given)[: len(of)][of != IGNORED] for of, given in zip(labels, logits, strict=True)]
    right = np.concatenate([of[of != IGNORED] for of in labels] or [np.empty(0, dtype=int)])  # (n,)
    if not right.size:
        raise DataError(f"no temperature can be chosen: {len(items)} validation examples without a label")
    stacked = np.concatenate(kept).astype(np.float64)  # (n, classes)

    def loss(log_temperature: float) -> float:
        log_probabilities = log_softmax(stacked / np.exp(log_temperature), axis=1)
        return float(-log_probabilities[np.arange(len(right)), right].mean())

    reach = np.log(HOTTEST)
    return float(np.exp(minimize_scalar(loss, bounds=(-reach, reach), method="bounded").x))
