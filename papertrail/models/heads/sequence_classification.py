"""One label per text."""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax
from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding, PreTrainedTokenizerFast

from papertrail.core.params import Classifier
from papertrail.core.records import Row
from papertrail.models.batching import PAD_MULTIPLE, Item
from papertrail.models.heads import join_inputs

if TYPE_CHECKING:
    from datasets import Features

COLUMNS = ("id", "label")
AUTO_MODEL = AutoModelForSequenceClassification


def class_names(features: "Features") -> list[str]:
    """Return the labels of the data set."""
    return list(features["label"].names)


def encode(
    row: Row, tokenizer: PreTrainedTokenizerFast, model: Classifier, left_out: frozenset[str] = frozenset()
) -> tuple[Item, bool]:
    """Return the tokens of the text and the number of its label."""
    text = join_inputs(row, model.inputs, left_out)
    encoded = tokenizer(text, truncation=True, max_length=model.max_tokens)
    return {**encoded, "labels": row["label"]}, bool(encoded.encodings[0].overflowing)


def build_collator(tokenizer: PreTrainedTokenizerFast) -> DataCollatorWithPadding:
    """Return a collator that pads to (batch, longest text of the batch rounded up to PAD_MULTIPLE)."""
    return DataCollatorWithPadding(tokenizer, pad_to_multiple_of=PAD_MULTIPLE)


def decode(rows: list[Row], items: list[Item], logits: list[Any], names: list[str]) -> list[Row]:
    """Return the label, predicted label and class probabilities of each row."""
    probabilities = softmax(np.stack(logits).astype(np.float64), axis=1)  # (rows, classes)
    return [
        {"id": row["id"], "label": row["label"], "prediction": int(p.argmax()), "probabilities": p.tolist()}
        for row, p in zip(rows, probabilities, strict=True)
    ]


def validation_score(rows: list[Row], predictions: list[Row], names: list[str]) -> float:
    """Return the macro-F1 over the classes; for two classes, the average precision of class 1, 0 without a positive."""
    from sklearn.metrics import average_precision_score, f1_score  # takes a second to import

    labels = [prediction["label"] for prediction in predictions]
    if len(names) == 2:
        scores = [prediction["probabilities"][1] for prediction in predictions]
        return float(average_precision_score(labels, scores)) if any(labels) else 0.0
    predicted = [prediction["prediction"] for prediction in predictions]
    return float(f1_score(labels, predicted, labels=list(range(len(names))), average="macro", zero_division=0))
