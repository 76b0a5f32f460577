"""Training of linear models: every candidate is fitted on the training rows and scored on validation; the best is kept.

There are no random draws and no checkpoints: a training takes seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from papertrail.core.params import Linear
from papertrail.core.parquet import read_rows
from papertrail.core.records import Row
from papertrail.core.runtime import device
from papertrail.data.prepared import split_file
from papertrail.models.embeddings import embed_once
from papertrail.models.encoding import check_columns
from papertrail.models.heads import Head, join_inputs, load_head
from papertrail.models.linear import (
    PARTS,
    Extractor,
    Floats,
    LinearModel,
    Regression,
    fit_regression,
    fit_vectorizer,
    to_logits,
)
from papertrail.models.sentence_encoder import load_encoder
from papertrail.train.checkpoints import Settings
from papertrail.train.kinds import Trained, with_base_model

SPLITS = ("train", "validation")


def input_files(model: Linear) -> list[Path]:
    """Return every file that the training reads."""
    return with_base_model(model.base_model, (split_file(model.task, model.dataset, split) for split in SPLITS))


def train(model: Linear, settings: Settings) -> Trained:
    """Train a linear model on its data set.

    Raises:
        DataError: The data set lacks a column that the model needs, or no training text has a word.
        ParamsError: max_tokens exceeds the positions of the encoder.
    """
    head = load_head(model.head)
    data = {split: read_rows(split_file(model.task, model.dataset, split)) for split in SPLITS}
    check_columns(head, model, data["train"].column_names)
    names = head.class_names(data["train"].features)
    return fit(model, names, {split: rows.to_list() for split, rows in data.items()}, device(settings.runtime))


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Regressions by part, with the validation probabilities (rows, classes) and score of their mean."""

    regressions: dict[str, Regression]
    penalties: dict[str, float]
    probabilities: Floats
    score: float

    @property
    def name(self) -> str:
        """Return its penalties, such as `10` or, TF-IDF first, `10 + 1`."""
        return " + ".join(f"{penalty:g}" for penalty in self.penalties.values())


def fit(model: Linear, names: list[str], splits: Mapping[str, list[Row]], device_name: str) -> Trained:
    """Fit every candidate on splits["train"]; keep the one with the best score on splits["validation"].

    Of equal candidates the first in params.yaml is kept. "both" is tried with every penalty of each part.

    Args:
        model: Candidates and other settings.
        names: (classes,) class names.
        splits: Rows of train and validation.
        device_name: Of the encoder, "cpu" or "cuda".

    Raises:
        DataError: No training text has a word.
        ParamsError: max_tokens exceeds the positions of the encoder.
    """
    texts = {split: [join_inputs(row, model.inputs, frozenset()) for row in splits[split]] for split in SPLITS}
    score = Scorer(load_head(model.head), splits["validation"], names)
    extractor = fit_extractor(model, texts["train"], device_name)
    tried = {}
    for part in _parts_of(model):
        features = {s: extractor.features(part, texts[s], model.batch_size, embed_once) for s in SPLITS}
        tried[part] = fit_penalties(part, features, splits["train"], model, score)
    candidates = {
        features: [join(parts, score) for parts in product(*(tried[part] for part in PARTS[features]))]
        for features in model.features
    }
    best = max((found for group in candidates.values() for found in group), key=lambda found: found.score)
    chosen = next(features for features, group in candidates.items() if best in group)
    network = LinearModel(labels=names, regressions=best.regressions, extractor=extractor.only(PARTS[chosen]))
    metrics = {
        "validation_score": best.score,
        "features": chosen,
        "penalties": best.penalties,
        "candidates": {f: {found.name: found.score for found in group} for f, group in candidates.items()},
        **{f"{split}_examples_cut": sum(map(network.is_cut, texts[split])) for split in SPLITS},
    }
    return Trained(network=network, tokenizer=None, history=[], metrics=metrics, savers=(network.save,))


def _parts_of(model: Linear) -> list[str]:
    """Return the parts that any candidate needs, in the order of params.yaml."""
    return list(dict.fromkeys(part for features in model.features for part in PARTS[features]))


def fit_extractor(model: Linear, texts: list[str], device_name: str) -> Extractor:
    """Fit TF-IDF on training texts and load the base model, each if a candidate needs it.

    Raises:
        DataError: No text has a word.
        ParamsError: max_tokens exceeds the positions of the encoder.
    """
    parts = _parts_of(model)
    return Extractor(
        fit_vectorizer(texts) if "tfidf" in parts else None,
        load_encoder(Path(model.base_model), model.max_tokens, device_name) if "embeddings" in parts else None,
    )


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores validation probabilities as the head does for a fine-tuned model."""

    head: Head
    rows: list[Row]
    names: list[str]

    def __call__(self, probabilities: Floats) -> float:
        """Return the validation score of probabilities (rows, classes)."""
        predictions = self.head.decode(self.rows, [], list(to_logits(probabilities)), self.names)
        return self.head.validation_score(self.rows, predictions, self.names)


def fit_penalties(
    part: str, features: Mapping[str, Any], train_rows: Sequence[Row], model: Linear, score: Scorer
) -> list[Candidate]:
    """Return a regression over one part of the features for each penalty.

    Args:
        part: "tfidf" or "embeddings".
        features: Split -> (rows, features).
        train_rows: Rows with labels.
        model: Penalties and class weights.
        score: Of validation probabilities.
    """
    labels, balanced = [row["label"] for row in train_rows], model.class_weights == "balanced"
    found = []
    for penalty in model.penalties:
        regression = fit_regression(features["train"], labels, len(score.names), penalty, balanced=balanced)
        probabilities = regression.predict(features["validation"])
        found.append(Candidate({part: regression}, {part: penalty}, probabilities, score(probabilities)))
    return found


def join(parts: Sequence[Candidate], score: Scorer) -> Candidate:
    """Return the candidate whose probabilities are the mean of those of its parts."""
    mean = np.mean([part.probabilities for part in parts], axis=0)
    regressions = {name: value for part in parts for name, value in part.regressions.items()}
    penalties = {name: value for part in parts for name, value in part.penalties.items()}
    return Candidate(regressions, penalties, mean, score(mean))
