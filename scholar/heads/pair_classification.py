"""Does the second text belong to the first: a cross-encoder over both, ranking the candidates of each query."""

from collections import defaultdict
from typing import Any

import numpy as np
from datasets import Features
from scipy.special import softmax
from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding, PreTrainedTokenizerFast

from scholar.batching import PAD_MULTIPLE, Item
from scholar.params import Run
from scholar.records import Row

COLUMNS = ("id", "query", "label", "sampled")
AUTO_MODEL = AutoModelForSequenceClassification


def class_names(features: Features) -> list[str]:
    """What 0 and 1 mean."""
    return list(features["label"].names)


def encode(
    row: Row, tokenizer: PreTrainedTokenizerFast, run: Run, left_out: frozenset[str] = frozenset()
) -> tuple[Item, bool]:
    """The tokens of both texts as one sequence, the longer one cut first, and 1 if they belong together."""
    first, second = (row[name] for name in run.inputs)
    encoded = tokenizer(first, second, truncation="longest_first", max_length=run.max_tokens)
    return {**encoded, "labels": row["label"]}, bool(encoded.encodings[0].overflowing)


def build_collator(tokenizer: PreTrainedTokenizerFast) -> DataCollatorWithPadding:
    """Pads input_ids to (batch, longest pair of the batch rounded up to PAD_MULTIPLE)."""
    return DataCollatorWithPadding(tokenizer, pad_to_multiple_of=PAD_MULTIPLE)


def decode(rows: list[Row], items: list[Item], logits: list[Any], names: list[str]) -> list[Row]:
    """Query, label and probability that the pair belongs together, for each row."""
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
    """Mean reciprocal rank of the right candidate among those of its query; ties count against it."""
    scored = defaultdict(list)
    for prediction in predictions:
        scored[prediction["query"]].append((-prediction["probability"], prediction["label"]))
    ranks = [next(rank for rank, (_, label) in enumerate(sorted(pairs), start=1) if label) for pairs in scored.values()]
    return float(np.mean(1 / np.array(ranks)))
