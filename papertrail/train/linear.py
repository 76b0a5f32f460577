"""Training of linear models: every candidate is fitted on the training rows and scored on validation; the best is kept.

There are no random draws and no checkpoints: a training takes seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from papertrail.core.params import Linear
from papertrail.core.parquet import read_rows
from papertrail.core.records import Row
from papertrail.core.runtime import device
from papertrail.data.prepared import split_file
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """Regressions by part, with the validation probabilities (rows, classes) and score of their mean."""

    regressions: dict[str, Regression]
    penalties: dict[str, float]
    probabilities: Floats
    score: float


def fit(model: Linear, names: list[str], splits: Mapping[str, list[Row]], device_name: str) -> Trained:
    """Fit every candidate on splits["train"]; keep the one with the best score on splits["validation"].

    Of equal candidates the first in params.yaml is kept. "both" takes for each part the penalty that is best for that
    part alone.

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
        features = {split: extractor.features(part, texts[split], model.batch_size) for split in SPLITS}
        tried[part] = fit_penalties(part, features, splits["train"], model, score)
    best_parts = {part: max(found, key=lambda candidate: candidate.score) for part, found in tried.items()}
    candidates = {f: join([best_parts[part] for part in PARTS[f]], score) for f in model.features}
    chosen = max(candidates, key=lambda features: candidates[features].score)
    best = candidates[chosen]
    network = LinearModel(labels=names, regressions=best.regressions, extractor=extractor.only(PARTS[chosen]))
    scores: dict[str, Any] = {p: {f"{c.penalties[p]:g}": c.score for c in found} for p, found in tried.items()}
    scores |= {"both": candidates["both"].score} if "both" in candidates else {}
    metrics = {
        "validation_score": best.score,
        "features": chosen,
        "penalties": best.penalties,
        "candidates": scores,
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


def join(parts: list[Candidate], score: Scorer) -> Candidate:
    """Return the candidate whose probabilities are the mean of those of its parts."""
    mean = np.mean([part.probabilities for part in parts], axis=0)
    regressions = {name: value for part in parts for name, value in part.regressions.items()}
    penalties = {name: value for part in parts for name, value in part.penalties.items()}
    return Candidate(regressions, penalties, mean, score(mean))
