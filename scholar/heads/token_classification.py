"""One IOB2 tag for each word. The first piece of a word speaks for it; the others are ignored (-100)."""

from typing import Any

import numpy as np
from datasets import Features
from scipy.special import softmax
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2
from transformers import AutoModelForTokenClassification, DataCollatorForTokenClassification, PreTrainedTokenizerFast

from scholar.batching import PAD_MULTIPLE, Item
from scholar.params import Run
from scholar.records import Row

COLUMNS = ("id", "ner_tags")
AUTO_MODEL = AutoModelForTokenClassification
IGNORED = -100


def class_names(features: Features) -> list[str]:
    """The tags: O, then B- and I- of each type."""
    return list(features["ner_tags"].feature.names)


def encode(
    row: Row, tokenizer: PreTrainedTokenizerFast, run: Run, left_out: frozenset[str] = frozenset()
) -> tuple[Item, bool]:
    """The pieces of the words, and on the first piece of each word the index of its tag.

    A word of signs that the tokenizer drops has no piece; it is read as unknown, so that each up to the cut has one.
    """
    words = row[run.inputs[0]]
    encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=run.max_tokens)
    read = {word for word in encoded.word_ids() if word is not None}
    if dropped := set(range(max(read, default=0))) - read:
        words = [tokenizer.unk_token if i in dropped else word for i, word in enumerate(words)]
        encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=run.max_tokens)
    labels, previous = [], None
    for word in encoded.word_ids():
        labels.append(IGNORED if word is None or word == previous else row["ner_tags"][word])
        previous = word
    return {**encoded, "labels": labels}, bool(encoded.encodings[0].overflowing)


def build_collator(tokenizer: PreTrainedTokenizerFast) -> DataCollatorForTokenClassification:
    """Pads input_ids and labels to (batch, longest sentence of the batch rounded up to PAD_MULTIPLE)."""
    return DataCollatorForTokenClassification(tokenizer, pad_to_multiple_of=PAD_MULTIPLE, label_pad_token_id=IGNORED)


def decode(rows: list[Row], items: list[Item], logits: list[Any], names: list[str]) -> list[Row]:
    """Tags, predicted tags, and the probability that a word is in a mention at all, one per word.

    Words that were cut off are O with probability 0.
    """
    decoded = []
    for row, item, pieces in zip(rows, items, logits, strict=True):
        first = np.array(item["labels"]) != IGNORED
        probabilities = softmax(pieces[: len(first)][first].astype(np.float64), axis=1)  # (words read, tags)
        missing = len(row["ner_tags"]) - len(probabilities)
        decoded.append(
            {
                "id": row["id"],
                "tags": [names[tag] for tag in row["ner_tags"]],
                "predicted_tags": repair([names[tag] for tag in probabilities.argmax(axis=1)]) + ["O"] * missing,
                "mention_probabilities": (1 - probabilities[:, names.index("O")]).tolist() + [0.0] * missing,
            }
        )
    return decoded


def repair(tags: list[str]) -> list[str]:
    """IOB2: an I- that continues nothing begins a mention, as conlleval reads it."""
    fixed: list[str] = []
    for tag in tags:
        continues = bool(fixed) and fixed[-1] != "O" and fixed[-1][2:] == tag[2:]
        fixed.append(f"B-{tag[2:]}" if tag.startswith("I-") and not continues else tag)
    return fixed


def validation_score(rows: list[Row], predictions: list[Row], names: list[str]) -> float:
    """F1 over whole mentions, by seqeval."""
    tags = [prediction["tags"] for prediction in predictions]
    predicted = [prediction["predicted_tags"] for prediction in predictions]
    return float(f1_score(tags, predicted, mode="strict", scheme=IOB2, zero_division=0))
