"""Entity mentions in texts of any length, with character offsets into the text.

A text is read sentence by sentence, as in training; see `papertrail.inference.windows` for long sentences. A mention
may continue over the end of a sentence, but not over a blank line.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from papertrail.core.errors import DataError
from papertrail.core.params import Classifier
from papertrail.core.records import Row
from papertrail.data.text import WORD, sentence_bounds
from papertrail.inference.load import Model
from papertrail.inference.windows import SentenceProbabilities, Window, cut_windows
from papertrail.metrics.entities import repair_iob2
from papertrail.models.batching import IGNORED, predict_logits
from papertrail.models.heads.token_classification import build_collator, encode

BLANK_LINE = re.compile(r"\n\s*\n")
Words = list[tuple[int, int]]  # characters [start, end) of each


@dataclass(frozen=True, slots=True)
class SplitText:
    """A text and the words of each of its sentences."""

    text: str
    sentences: list[Words]


def find_entities(model: Model, texts: list[str]) -> list[Row]:
    """Find the mentions of each text.

    Returns:
        For each text {"text", "entities": [{"start", "end", "text", "type", "probability"}], "windows"}: the mentions
        in order, and the number of windows in which the text was read.

    Raises:
        DataError: A text is empty.
    """
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            raise DataError(f"text {number} of {len(texts)} is empty; give the text to read")
    settings = model.settings_as(Classifier)
    split = [SplitText(text, split_words(text)) for text in texts]
    windows = _make_windows(model, settings, split)
    probabilities = _read_windows(model, settings, split, windows)
    counts = Counter(window.text for window in windows)
    return [
        {
            "text": part.text,
            "entities": join_mentions(part.text, part.sentences, probabilities[number], model.labels),
            "windows": counts[number],
        }
        for number, part in enumerate(split)
    ]


def split_words(text: str) -> list[Words]:
    """Return the words of each sentence, split as in training."""
    found = ([match.span() for match in WORD.finditer(text, *bounds)] for bounds in sentence_bounds(text, []))
    return [words for words in found if words]


def count_pieces(model: Model, text: str, words: Words) -> list[int]:
    """Return the number of tokens of each word; a word that the tokenizer drops is read as unknown, one token."""
    tokens = [text[start:end] for start, end in words]
    encoded = model.tokenizer(tokens, is_split_into_words=True, add_special_tokens=False)
    places = [place for place in encoded.word_ids() if place is not None]
    counts = np.bincount(np.array(places, dtype=int), minlength=len(words))
    return [max(int(count), 1) for count in counts]


def _make_windows(model: Model, settings: Classifier, split: list[SplitText]) -> list[Window]:
    budget = settings.max_tokens - model.tokenizer.num_special_tokens_to_add()
    return [
        Window(number, place, *bounds)
        for number, part in enumerate(split)
        for place, words in enumerate(part.sentences)
        for bounds in cut_windows(count_pieces(model, part.text, words), budget)
    ]


def _read_windows(model: Model, settings: Classifier, split: list[SplitText], windows: list[Window]) -> list[list[Any]]:
    """Return the probabilities of each sentence of each text, (words, tags)."""
    temperature = model.view_metrics(settings.inputs).get("temperature", 1.0)
    items = []
    for window in windows:
        part = split[window.text]
        tokens = [part.text[start:end] for start, end in part.sentences[window.sentence][window.first : window.last]]
        items.append(encode({settings.inputs[0]: tokens, "ner_tags": [0] * len(tokens)}, model.tokenizer, settings)[0])
    batch_size = model.params.evaluation.classifier.batch_size
    logits = predict_logits(model.network, items, build_collator(model.tokenizer), batch_size)
    outside = np.eye(len(model.labels))[model.labels.index("O")]
    merged = [[SentenceProbabilities(len(words), outside) for words in part.sentences] for part in split]
    for window, item, pieces in zip(windows, items, logits, strict=True):
        first = np.array(item["labels"]) != IGNORED  # the first token of each word
        read = softmax(pieces[: len(first)][first].astype(np.float64) / temperature, axis=1)  # (words read, tags)
        merged[window.text][window.sentence].add(window, read)
    return [[sentence.values for sentence in sentences] for sentences in merged]


def join_mentions(text: str, sentences: list[Words], probabilities: list[Any], labels: list[str]) -> list[Row]:
    """Join the tags of words to mentions.

    Args:
        text: The text.
        sentences: Words of each sentence.
        probabilities: (words, tags) of each sentence.
        labels: Names of the tags, in IOB2.

    Returns:
        {"start", "end", "text", "type", "probability"} of each mention. The probability is the lowest over its words
        that the word is in a mention of this type.
    """
    mentions: list[Row] = []
    previous = ""  # type of the mention of the word before
    for words, values in zip(sentences, probabilities, strict=True):
        tags = repair_iob2([labels[tag] for tag in values.argmax(axis=1)])
        for place, (tag, (start, end), row) in enumerate(zip(tags, words, values, strict=True)):
            kind = tag[2:]
            probability = sum(float(p) for p, label in zip(row, labels, strict=True) if kind and label[2:] == kind)
            continues = kind and kind == previous and (place == 0 or tag.startswith("I-"))  # place 0: new sentence
            if continues and not BLANK_LINE.search(text, mentions[-1]["end"], start):
                mentions[-1]["end"] = end
                mentions[-1]["probability"] = min(mentions[-1]["probability"], probability)
            elif kind:
                mentions.append({"start": start, "end": end, "text": "", "type": kind, "probability": probability})
            previous = kind
    return [{**mention, "text": text[mention["start"] : mention["end"]]} for mention in mentions]
