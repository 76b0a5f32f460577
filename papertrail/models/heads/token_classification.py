"""One IOB2 tag per word, predicted at its first token."""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax
from transformers import AutoModelForTokenClassification, DataCollatorForTokenClassification, PreTrainedTokenizerFast

from papertrail.core.params import Classifier
from papertrail.core.records import Row
from papertrail.metrics.entities import repair_iob2
from papertrail.models.batching import IGNORED, PAD_MULTIPLE, Item

if TYPE_CHECKING:
    from datasets import Features

COLUMNS = ("id", "ner_tags")
AUTO_MODEL = AutoModelForTokenClassification


def class_names(features: "Features") -> list[str]:
    """Return the tags: O, then B- and I- of each type."""
    return list(features["ner_tags"].feature.names)


def encode(
    row: Row, tokenizer: PreTrainedTokenizerFast, model: Classifier, left_out: frozenset[str] = frozenset()
) -> tuple[Item, bool]:
    """Return the tokens of the words; the first token of each word has the number of its tag, the others IGNORED.

    A word of characters that the tokenizer drops has no token. It is read as unknown, so that every word before the
    truncation has a token.
    """
    words = row[model.inputs[0]]
    encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=model.max_tokens)
    read = {word for word in encoded.word_ids() if word is not None}
    if dropped := set(range(max(read, default=0))) - read:
        words = [tokenizer.unk_token if i in dropped else word for i, word in enumerate(words)]
        encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=model.max_tokens)
    labels, previous = [], None
    for word in encoded.word_ids():
        labels.append(IGNORED if word is None or word == previous else row["ner_tags"][word])
        previous = word
    return {**encoded, "labels": labels}, bool(encoded.encodings[0].overflowing)


def build_collator(tokenizer: PreTrainedTokenizerFast) -> DataCollatorForTokenClassification:
    """Return a collator that pads to (batch, longest sentence of the batch rounded up to PAD_MULTIPLE)."""
    return DataCollatorForTokenClassification(tokenizer, pad_to_multiple_of=PAD_MULTIPLE, label_pad_token_id=IGNORED)


def decode(rows: list[Row], items: list[Item], logits: list[Any], names: list[str]) -> list[Row]:
    """Return tags, predicted tags and the probability that a word is part of a mention, one per word.

    Truncated words are O with probability 0.
    """
    decoded = []
    for row, item, tokens in zip(rows, items, logits, strict=True):
        first = np.array(item["labels"]) != IGNORED
        probabilities = softmax(tokens[: len(first)][first].astype(np.float64), axis=1)  # (words read, tags)
        missing = len(row["ner_tags"]) - len(probabilities)
        predicted = repair_iob2([names[tag] for tag in probabilities.argmax(axis=1)])
        decoded.append(
            {
                "id": row["id"],
                "tags": [names[tag] for tag in row["ner_tags"]],
                "predicted_tags": predicted + ["O"] * missing,
                "mention_probabilities": (1 - probabilities[:, names.index("O")]).tolist() + [0.0] * missing,
            }
        )
    return decoded


def validation_score(rows: list[Row], predictions: list[Row], names: list[str]) -> float:
    """Return the F1 over whole mentions, by seqeval."""
    from seqeval.metrics import f1_score  # takes a second to import
    from seqeval.scheme import IOB2

    tags = [prediction["tags"] for prediction in predictions]
    predicted = [prediction["predicted_tags"] for prediction in predictions]
    return float(f1_score(tags, predicted, mode="strict", scheme=IOB2, zero_division=0))
