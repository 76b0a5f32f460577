"""Windows over sentences that are longer than the input of a model.

A sentence is read in windows that overlap by half. The probabilities of a word come from the window in which it is
farthest from an edge, so a mention across the edge of a window is found once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """Words [first, last) of a sentence of a text; one input of the model."""

    text: int
    sentence: int
    first: int
    last: int


def cut_windows(pieces: list[int], budget: int) -> list[tuple[int, int]]:
    """Return [first, last) of the windows of a sentence: as many words as fit into the budget, overlapping by half.

    A word longer than the budget is a window by itself, and only its beginning is read.

    Args:
        pieces: Number of tokens of each word.
        budget: Maximum number of tokens per window.
    """
    windows: list[tuple[int, int]] = []
    first = 0
    while True:
        last, used = first, 0
        while last < len(pieces) and (last == first or used + pieces[last] <= budget):
            used += pieces[last]
            last += 1
        windows.append((first, last))
        if last == len(pieces):
            return windows
        first += max((last - first) // 2, 1)


class SentenceProbabilities:
    """The probabilities of the words of a sentence, merged from its windows."""

    def __init__(self, words: int, unread: Floats) -> None:
        """Start without any window.

        Args:
            words: Number of words of the sentence.
            unread: (tags,) probabilities of a word that no window reads.
        """
        self.values: Floats = np.tile(unread, (words, 1))  # (words, tags)
        self.margins = np.full(words, -1)

    def add(self, window: Window, probabilities: Floats) -> None:
        """Add a window; a word keeps the probabilities of the window in which it is farthest from an edge.

        Args:
            window: Its bounds.
            probabilities: (words read, tags); fewer words than the window has if its end was truncated.
        """
        words = len(self.values)
        places = np.arange(window.first, window.first + len(probabilities))
        left = places - window.first if window.first else np.full(len(places), words)
        right = window.last - 1 - places if window.last < words else np.full(len(places), words)
        margin: Any = np.minimum(left, right)  # words to the nearest edge that is not an end of the sentence
        better = margin > self.margins[places]
        self.values[places[better]] = probabilities[better]
        self.margins[places[better]] = margin[better]
