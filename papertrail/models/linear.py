"""Logistic regression over TF-IDF and sentence embeddings: fitting, the fitted model, and its folder."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import load_file, save_file
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from papertrail.core.artifacts import write_json, write_text
from papertrail.core.errors import DataError
from papertrail.models.sentence_encoder import Encode, count_truncated, embed, load_encoder

Floats = NDArray[np.float64]
PARTS = {"tfidf": ("tfidf",), "embeddings": ("embeddings",), "both": ("tfidf", "embeddings")}  # by value of `features`
CONFIG, VOCABULARY, WEIGHTS, ENCODER = "config.json", "vocabulary.json", "model.safetensors", "encoder"
MAX_ITERATIONS = 10_000  # of L-BFGS, far more than it needs


@dataclass(frozen=True, slots=True)
class Regression:
    """Multinomial logistic regression: weights (classes, features), intercepts (classes,)."""

    weights: Floats
    intercepts: Floats  # -inf for a class that is not in training, so its probability is 0

    def predict(self, features: Any) -> Floats:
        """Return the probabilities (rows, classes) of features (rows, features), dense or sparse."""
        if not features.shape[0]:
            return np.zeros((0, len(self.intercepts)))
        probabilities: Floats = softmax(np.asarray(features @ self.weights.T) + self.intercepts, axis=1)
        return probabilities


def fit_regression(features: Any, labels: ArrayLike, classes: int, penalty: float, *, balanced: bool) -> Regression:
    """Fit by L-BFGS, which draws no random numbers.

    Args:
        features: (rows, features), dense or sparse.
        labels: (rows,) class numbers.
        classes: Number of classes.
        penalty: C of scikit-learn, the inverse strength of the L2 penalty.
        balanced: Whether to weight each class by rows / (number of classes in training * its count).

    Raises:
        DataError: There is no label, or one is not in 0..classes - 1.
    """
    numbers = class_numbers(labels, classes)
    present = np.unique(numbers)
    weights, intercepts = np.zeros((classes, features.shape[1])), np.full(classes, -np.inf)
    intercepts[present] = 0.0
    if len(present) == 1:  # LogisticRegression requires two
        return Regression(weights, intercepts)
    model = LogisticRegression(C=penalty, max_iter=MAX_ITERATIONS, class_weight="balanced" if balanced else None)
    model.fit(features, numbers)
    chosen = present[-len(model.intercept_) :]  # of two classes, only the second has coefficients
    weights[chosen], intercepts[chosen] = model.coef_, model.intercept_
    return Regression(weights, intercepts)


def class_numbers(labels: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Return labels of training as an array.

    Raises:
        DataError: There is no label, or one is not in 0..classes - 1.
    """
    numbers = np.asarray(labels)
    if not numbers.size or not np.isin(numbers, np.arange(classes)).all():
        raise DataError(f"training labels: {np.unique(numbers)}; expected at least one, all in 0..{classes - 1}")
    return numbers.astype(np.int64)


def fit_vectorizer(texts: list[str]) -> Any:
    """Return a TfidfVectorizer of words and word pairs, fitted on texts.

    Term weights are (1 + ln tf) * (ln((1 + m) / (1 + df)) + 1) for m texts; rows have length 1.

    Raises:
        DataError: No text has a word.
    """
    vectorizer = _vectorizer()
    if not any(map(vectorizer.build_analyzer(), texts)):
        raise DataError(f"none of {len(texts)} training texts has a word; check the input columns")
    return vectorizer.fit(texts)


def _vectorizer(terms: list[str] | None = None) -> Any:
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, vocabulary=terms)


def to_logits(probabilities: Floats) -> Floats:
    """Return logits whose softmax is the probabilities, (rows, classes); a probability of 0 becomes about 1e-308."""
    logits: Floats = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    return logits


def embed_texts(encoder: Any, texts: list[str], batch_size: int, encode: Encode = embed) -> Floats:
    """Return mean-pooled vectors of texts, (texts, dimension), each of length 1.

    Args:
        encoder: A sentence encoder.
        texts: Any texts.
        batch_size: Texts of similar length that it reads at a time.
        encode: `embed`, or `embed_once` in a stage whose vectors other stages need, too.
    """
    if not texts:
        return np.zeros((0, encoder.get_embedding_dimension()))
    return encode(encoder, texts, batch_size).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Extractor:
    """What turns texts into features: a fitted TfidfVectorizer and a sentence encoder, None for a part without it."""

    vectorizer: Any
    encoder: Any

    def features(self, part: str, texts: list[str], batch_size: int, encode: Encode = embed) -> Any:
        """Return (texts, features) of part "tfidf" or "embeddings"; for the other arguments see `embed_texts`."""
        if part == "tfidf":
            return self.vectorizer.transform(texts)
        return embed_texts(self.encoder, texts, batch_size, encode)

    def only(self, parts: Collection[str]) -> "Extractor":
        """Return what is needed for some parts."""
        return Extractor(self.vectorizer if "tfidf" in parts else None, self.encoder if "embeddings" in parts else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearModel:
    """A fitted model: the mean of the probabilities of one regression per kind of features.

    Attributes:
        labels: Names of the classes.
        regressions: "tfidf", "embeddings" or both -> its regression.
        extractor: Makes the features of these regressions.
    """

    labels: list[str]
    regressions: dict[str, Regression]
    extractor: Extractor

    def predict(self, texts: list[str], batch_size: int, encode: Encode = embed) -> Floats:
        """Return probabilities (texts, classes); for the other arguments see `embed_texts`."""
        parts = {part: self.extractor.features(part, texts, batch_size, encode) for part in self.regressions}
        mean: Floats = np.mean([self.regressions[part].predict(features) for part, features in parts.items()], axis=0)
        return mean

    def is_cut(self, text: str) -> bool:
        """Return whether the encoder reads only the beginning of a text; TF-IDF reads all of it."""
        encoder = self.extractor.encoder
        return encoder is not None and count_truncated(encoder, [text]) == 1

    def save(self, folder: str) -> None:
        """Write the model into a folder that `load_linear` reads."""
        root, vectorizer, encoder = Path(folder), self.extractor.vectorizer, self.extractor.encoder
        tensors: dict[str, Floats] = {}
        for name, regression in self.regressions.items():
            tensors |= {f"{name}.weights": regression.weights, f"{name}.intercepts": regression.intercepts}
        if vectorizer is not None:
            tensors["tfidf.idf"] = vectorizer.idf_
            terms = list(vectorizer.get_feature_names_out())
            write_text(json.dumps(terms, ensure_ascii=False, indent=0) + "\n", root / VOCABULARY)
        if encoder is not None:
            encoder.save_pretrained(str(root / ENCODER), create_model_card=False)
        save_file(tensors, root / WEIGHTS)
        config = {"model_type": "papertrail-linear", "features": list(self.regressions), "labels": self.labels}
        write_json(config, root / CONFIG)


def load_linear(folder: Path, max_tokens: int, device: str) -> LinearModel:
    """Load a saved model.

    Args:
        folder: Written by `LinearModel.save`.
        max_tokens: The encoder truncates longer texts.
        device: Of the encoder, "cpu" or "cuda".

    Raises:
        OSError, ValueError, SafetensorError: A file is missing or broken.
    """
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    tensors = load_file(folder / WEIGHTS)
    vectorizer = encoder = None
    if "tfidf" in config["features"]:
        vectorizer = _vectorizer(json.loads((folder / VOCABULARY).read_text(encoding="utf-8")))
        vectorizer.idf_ = tensors["tfidf.idf"]
    if "embeddings" in config["features"]:
        encoder = load_encoder(folder / ENCODER, max_tokens, device)
    return LinearModel(
        labels=config["labels"],
        regressions={
            name: Regression(tensors[f"{name}.weights"], tensors[f"{name}.intercepts"]) for name in config["features"]
        },
        extractor=Extractor(vectorizer, encoder),
    )
