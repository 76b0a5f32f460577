"""Entity mentions in texts of any length, with offsets into the text as it was given.

A text is read sentence by sentence, as in training. A sentence longer than the model reads is read in windows that
overlap by half; a word is told by the window in which it stands farthest from an edge, so a mention on a seam is found
once. A mention that runs over the end of a sentence is one mention, too; over a blank line none runs.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from scholar.ask.models import Model
from scholar.batching import predict_logits
from scholar.corpora.s2orc import sentence_bounds
from scholar.heads.token_classification import IGNORED, build_collator, encode, repair
from scholar.params import Run
from scholar.tasks.ner import WORD

BLANK_LINE = re.compile(r"\n\s*\n")
Words = list[tuple[int, int]]  # characters [start, end) of each


@dataclass(frozen=True, slots=True)
class Window:
    """Words [first, last) of a sentence of a text, all of them at once given to the model."""

    text: int
    sentence: int
    first: int
    last: int


def find_entities(model: Model, run: Run, texts: list[str], temperature: float) -> list[dict[str, Any]]:
    """For each text its mentions in order, and in how many windows it was read."""
    sentences = [split_words(text) for text in texts]
    windows = [
        Window(number, place, *bounds)
        for number, text in enumerate(texts)
        for place, words in enumerate(sentences[number])
        for bounds in cut(
            count_pieces(model, text, words), run.max_tokens - model.tokenizer.num_special_tokens_to_add()
        )
    ]
    items = []
    for window in windows:
        words = sentences[window.text][window.sentence][window.first : window.last]
        tokens = [texts[window.text][start:end] for start, end in words]
        items.append(encode({run.inputs[0]: tokens, "ner_tags": [0] * len(tokens)}, model.tokenizer, run)[0])
    logits = predict_logits(model.network, items, build_collator(model.tokenizer), model.params.evaluation.batch_size)
    outside = np.eye(len(model.labels))[model.labels.index("O")]  # what is told of a word that no window read
    told = [[np.tile(outside, (len(words), 1)) for words in given] for given in sentences]  # (words, tags)
    margins = [[np.full(len(words), -1) for words in given] for given in sentences]
    for window, item, pieces in zip(windows, items, logits, strict=True):
        first = np.array(item["labels"]) != IGNORED
        read = softmax(pieces[: len(first)][first].astype(np.float64) / temperature, axis=1)  # (words read, tags)
        places = np.arange(window.first, window.first + len(read))
        words = sentences[window.text][window.sentence]
        left = places - window.first if window.first else np.full(len(read), len(words))
        right = window.last - 1 - places if window.last < len(words) else np.full(len(read), len(words))
        margin = np.minimum(left, right)  # words between a word and the nearest edge that is not the sentence's own
        better = margin > margins[window.text][window.sentence][places]
        told[window.text][window.sentence][places[better]] = read[better]
        margins[window.text][window.sentence][places[better]] = margin[better]
    counts = Counter(window.text for window in windows)
    return [
        {"text": text, "entities": join(text, sentences[i], told[i], model.labels), "windows": counts[i]}
        for i, text in enumerate(texts)
    ]


def split_words(text: str) -> list[Words]:
    """The words of each sentence, split by the expression that split them in training."""
    found = ([match.span() for match in WORD.finditer(text, *bounds)] for bounds in sentence_bounds(text, []))
    return [words for words in found if words]


def count_pieces(model: Model, text: str, words: Words) -> list[int]:
    """How many tokens each word takes; one that the tokenizer drops is read as unknown, which takes one."""
    encoded = model.tokenizer(
        [text[start:end] for start, end in words], is_split_into_words=True, add_special_tokens=False
    )
    places = [place for place in encoded.word_ids() if place is not None]
    return np.maximum(np.bincount(np.array(places, dtype=int), minlength=len(words)), 1).tolist()  # type: ignore[no-any-return]


def cut(pieces: list[int], budget: int) -> list[tuple[int, int]]:
    """[first, last) of the windows of a sentence: as many words as fit into the budget, overlapping by half.

    A word longer than the budget is a window of its own, in which its first piece is read.
    """
    windows: list[tuple[int, int]] = []
    first = 0
    while True:
        last, taken = first, 0
        while last < len(pieces) and (last == first or taken + pieces[last] <= budget):
            taken += pieces[last]
            last += 1
        windows.append((first, last))
        if last == len(pieces):
            return windows
        first += max((last - first) // 2, 1)


def join(text: str, sentences: list[Words], told: list[Any], labels: list[str]) -> list[dict[str, Any]]:
    """Mentions from the tags of words: characters [start, end), text, type, probability.

    The probability is that of its least sure word being in a mention of this type.
    """
    mentions: list[dict[str, Any]] = []
    running = ""  # type of the mention that the word before belongs to
    for words, probabilities in zip(sentences, told, strict=True):
        tags = repair([labels[tag] for tag in probabilities.argmax(axis=1)])
        for place, (tag, (start, end), given) in enumerate(zip(tags, words, probabilities, strict=True)):
            kind = tag[2:]
            sure = sum(float(p) for p, label in zip(given, labels, strict=True) if kind and label[2:] == kind)
            goes_on = (
                kind and kind == running and (place == 0 or tag.startswith("I-"))
            )  # place 0: over a sentence's end
            if goes_on and not BLANK_LINE.search(text, mentions[-1]["end"], start):
                mentions[-1]["end"] = end
                mentions[-1]["probability"] = min(mentions[-1]["probability"], sure)
            elif kind:
                mentions.append({"start": start, "end": end, "text": "", "type": kind, "probability": sure})
            running = kind
    return [{**mention, "text": text[mention["start"] : mention["end"]]} for mention in mentions]
