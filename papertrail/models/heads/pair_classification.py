"""Whether two texts belong together: a cross-encoder that ranks the candidates of each query."""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax
from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding, PreTrainedTokenizerFast

from papertrail.core.params import Classifier
from papertrail.core.records import Row
from papertrail.metrics.ranking import query_scores
from papertrail.models.batching import PAD_MULTIPLE, Item

if TYPE_CHECKING:
    from datasets import Features

COLUMNS = ("id", "query", "label", "sampled")
AUTO_MODEL = AutoModelForSequenceClassification


def class_names(features: "Features") -> list[str]:
    """Return the meaning of labels 0 and 1."""
    return list(features["label"].names)


def encode(
    row: Row, tokenizer: PreTrainedTokenizerFast, model: Classifier, left_out: frozenset[str] = frozenset()
) -> tuple[Item, bool]:
    """Return the tokens of both texts as one sequence, the longer text truncated first, and the label."""
    first, second = (row[name] for name in model.inputs)
    encoded = tokenizer(first, second, truncation="longest_first", max_length=model.max_tokens)
    return {**encoded, "labels": row["label"]}, bool(encoded.encodings[0].overflowing)


def build_collator(tokenizer: PreTrainedTokenizerFast) -> DataCollatorWithPadding:
    """Return a collator that pads to (batch, longest pair of the batch rounded up to PAD_MULTIPLE)."""
    return DataCollatorWithPadding(tokenizer, pad_to_multiple_of=PAD_MULTIPLE)


def decode(rows: list[Row], items: list[Item], logits: list[Any], names: list[str]) -> list[Row]:
    """Return the query, label and probability of label 1 of each row."""
    probabilities = softmax(np.stack(logits).astype(np.float64), axis=1)[:, 1]  # (rows,)
    return [
        {
            "id": row["id"],
            "query": row["query"],
            "label": row["label"],
            "sampled": row["sampled"],
            "probability": float(p),
        }
        for row, p in zip(rows, probabilities, strict=True)
    ]


def validation_score(rows: list[Row], predictions: list[Row], names: list[str]) -> float:
    """Return the mean reciprocal rank of the relevant candidate of each query; ties count against it."""
    queries, labels, scores = ([row[name] for row in predictions] for name in ("query", "label", "probability"))
    ids, per_query = query_scores(queries, labels, scores)
    mrr = dict(zip(ids.tolist(), per_query["mrr"], strict=True))
    return float(np.mean([mrr[query] for query in dict.fromkeys(queries)]))  # float sums depend on the order
