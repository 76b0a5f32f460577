"""Support of a summary by its source: which of its words and numbers the source has.

This finds invented names and numbers, not wrong statements: a summary may use only words of the source and still say
something that it does not. An extract has a support of 1 by definition.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from papertrail.metrics.rouge import CachedTokenizer

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def count_support(source: Sequence[str], text: str) -> dict[str, int]:
    """Count the content words and the numbers of a summary, and those that its source has; every occurrence counts.

    Words are stemmed as for ROUGE; content words have a letter and are not in scikit-learn's list of stop words.
    Numbers are equal as they are written.

    Args:
        source: Sentences of the source, all of them, also those that a model did not read.
        text: The summary.

    Returns:
        {"content_words", "content_words_in_source", "numbers", "numbers_in_source"}
    """
    whole = " ".join(source)
    counts: dict[str, int] = {}
    finders: dict[str, Callable[[str], list[str]]] = {"content_words": content_words, "numbers": NUMBER.findall}
    for name, find in finders.items():
        found, known = find(text), set(find(whole))
        counts |= {name: len(found), f"{name}_in_source": sum(item in known for item in found)}
    return counts


def mean_support(counts: Sequence[Mapping[str, int]]) -> dict[str, float]:
    """Return {"supported_words", "supported_numbers"}: shares of the content words and numbers of all summaries.

    Args:
        counts: What `count_support` counted in each summary. A share of nothing is left out.
    """
    names = {"content_words": "supported_words", "numbers": "supported_numbers"}
    totals = {name: sum(count[name] for count in counts) for name in names}
    return {
        share: sum(count[f"{name}_in_source"] for count in counts) / totals[name]
        for name, share in names.items()
        if totals[name]
    }


def content_words(text: str) -> list[str]:
    """Return the stems of the words of a text that have a letter and are no stop words."""
    tokenizer, stop_words = _tools()
    return [word for word in tokenizer.tokenize(text) if not word.isdigit() and word not in stop_words]


@cache
def _tools() -> tuple[CachedTokenizer, frozenset[str]]:
    tokenizer = CachedTokenizer()
    return tokenizer, frozenset(tokenizer.tokenize(" ".join(sorted(ENGLISH_STOP_WORDS))))
