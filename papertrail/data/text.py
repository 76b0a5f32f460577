"""Text helpers that readers, tasks and inference share. Light: no numpy, so that the command line starts fast."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from sentencex import get_sentence_boundaries, segment

WORD = re.compile(r"\w+|[^\w\s]")  # a token: a run of letters and digits, or a single punctuation mark
YEAR = re.compile(r"\b((?:1[5-9]|20)\d\d)[a-z]?\b")  # 2019, 2019a


def squash(text: str) -> str:
    """Return the letters and digits of a text, without case, accents, spaces and punctuation.

    Copies of a text from different publishers or parsers have the same result.
    """
    return "".join(sign for sign in unicodedata.normalize("NFKD", text).casefold() if sign.isalnum())


@lru_cache(maxsize=10_000)  # the titles of a bibliography are normalised once per citation of the paper
def normalise_title(title: str) -> str:
    """Return the words and numbers of a title in lower case, joined by spaces; the id of a cited work."""
    return " ".join(re.findall(r"\w+", title.lower()))


def find_year(text: object) -> int | None:
    """Return the first year from 1500 to 2099 in a text or number; None if there is none."""
    found = YEAR.search(str(text))
    return int(found[1]) if found else None


def sentence_bounds(text: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the [start, end) characters of each sentence.

    Args:
        text: Any text.
        spans: [start, end) of mentions; a sentence boundary inside one of them is ignored.
    """
    start = 0
    for boundary in get_sentence_boundaries("en", text):
        end = boundary["end_index"]
        if not any(first < end < last for first, last in spans):
            yield start, end
            start = end
    if start < len(text):
        yield start, len(text)


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text with single spaces; blank ones are left out."""
    return [joined for sentence in segment("en", text) if (joined := " ".join(str(sentence).split()))]
