"""Support of a summary by its source: which of its words and numbers the source has.

This finds invented names and numbers, not wrong statements: a summary may use only words of the source and still say
something that it does not. An extract has a support of 1 by definition.
"""

import re
from collections.abc import Sequence
from functools import cache

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from papertrail.metrics.rouge import CachedTokenizer

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def score_support(source: Sequence[str], text: str) -> dict[str, float | None]:
    """Return the shares of the content words and of the numbers of a summary that its source has, by occurrence.

    Args:
        source: Sentences of the source, all of them, also those that a model did not read.
        text: The summary.

    Returns:
        {"supported_words", "supported_numbers"}; None without any word or number. Words are stemmed as for ROUGE;
        content words have a letter and are not in scikit-learn's list of stop words. Numbers are equal as written.
    """
    whole = " ".join(source)
    return {
        "supported_words": _share(content_words(text), content_words(whole)),
        "supported_numbers": _share(NUMBER.findall(text), NUMBER.findall(whole)),
    }


def content_words(text: str) -> list[str]:
    """Return the stems of the words of a text that have a letter and are no stop words."""
    tokenizer, stop_words = _tools()
    return [word for word in tokenizer.tokenize(text) if not word.isdigit() and word not in stop_words]


@cache
def _tools() -> tuple[CachedTokenizer, frozenset[str]]:
    tokenizer = CachedTokenizer()
    return tokenizer, frozenset(tokenizer.tokenize(" ".join(sorted(ENGLISH_STOP_WORDS))))


def _share(found: Sequence[str], known: Sequence[str]) -> float | None:
    """Return the share of the items that are known, None without any."""
    supported = set(known)
    return sum(item in supported for item in found) / len(found) if found else None
