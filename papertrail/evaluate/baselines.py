"""Baselines of classification. All are deterministic functions of their arguments."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from papertrail.core.params import Classifier, Linear, Runtime
from papertrail.core.records import Row
from papertrail.core.runtime import device
from papertrail.models.embeddings import embed_once
from papertrail.models.heads import join_inputs
from papertrail.models.linear import Floats, class_numbers, embed_texts, fit_regression, fit_vectorizer
from papertrail.models.sentence_encoder import load_encoder

PENALTY = 10.0  # C of all baselines; it is not tuned


def majority(train_labels: ArrayLike, classes: int, n: int) -> Floats:
    """Return the class frequencies of the training labels for each of n examples, so that the majority class wins.

    Returns:
        (n, classes) probabilities.

    Raises:
        DataError: There is no training label, or one is not in 0..classes - 1.
    """
    labels = class_numbers(train_labels, classes)
    return np.tile(np.bincount(labels, minlength=classes) / len(labels), (n, 1))


def tfidf_logistic(
    train_texts: Sequence[str],
    train_labels: ArrayLike,
    texts: Sequence[str],
    classes: int,
    *,
    balanced: bool,
) -> Floats:
    """Classify by multinomial logistic regression over TF-IDF of words and word pairs, with C = 10.

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
    labels = class_numbers(train_labels, classes)
    vectorizer = fit_vectorizer(list(train_texts))
    regression = fit_regression(vectorizer.transform(train_texts), labels, classes, PENALTY, balanced=balanced)
    return regression.predict(vectorizer.transform(texts)) if len(texts) else np.zeros((0, classes))


class FrozenBaseline:
    """The base model of a classifier without fine-tuning, and logistic regression over its mean-pooled vectors.

    Args:
        model: Base model, inputs and class weights.
        train: Training rows.
        classes: Number of classes.
        runtime: Decides the device.
        batch_size: Texts of similar length that are embedded at a time.
    """

    def __init__(
        self, model: Classifier | Linear, train: list[Row], classes: int, runtime: Runtime, batch_size: int
    ) -> None:
        self.model = model
        self.batch_size = batch_size
        self.encoder = load_encoder(Path(model.base_model), model.max_tokens, device(runtime))
        labels, balanced = [row["label"] for row in train], model.class_weights == "balanced"
        self.regression = fit_regression(self._embed(train, frozenset()), labels, classes, PENALTY, balanced=balanced)

    def predict(self, rows: list[Row], left_out: frozenset[str]) -> Floats:
        """Return probabilities (rows, classes); some inputs can be left out."""
        return self.regression.predict(self._embed(rows, left_out))

    def _embed(self, rows: list[Row], left_out: frozenset[str]) -> Floats:
        texts = [join_inputs(row, self.model.inputs, left_out) for row in rows]
        return embed_texts(self.encoder, texts, self.batch_size, embed_once)
