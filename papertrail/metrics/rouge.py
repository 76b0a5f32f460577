"""ROUGE and text statistics of summaries."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from nltk.stem.porter import PorterStemmer
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer
from sentencex import segment

from papertrail.core.errors import DataError
from papertrail.core.records import Row

ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def score_summaries(rows: Sequence[Row], texts: Sequence[str]) -> list[dict[str, float]]:
    """Return for each paper the ROUGE scores of its summary, new_bigrams, repeated_trigrams and words.

    Args:
        rows: Papers with lists of sentences `source` and `target`, the reference.
        texts: A summary per paper.

    Raises:
        DataError: There is no paper, or the number of summaries differs.
    """
    if not rows or len(rows) != len(texts):
        raise DataError(f"{len(rows)} papers but {len(texts)} summaries; expected the same number, at least 1")
    return [
        {
            **rouge_scores(row["target"], text),
            "new_bigrams": new_bigrams(row["source"], text),
            "repeated_trigrams": repeated_trigrams(text),
            "words": len(text.split()),
        }
        for row, text in zip(rows, texts, strict=True)
    ]


def mean_scores(per_paper: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each score over the papers."""
    return {name: float(np.mean([scores[name] for scores in per_paper])) for name in per_paper[0]}


def mean_words(references: Sequence[Sequence[str]]) -> int:
    """Return the mean number of words of texts, given as sentences, rounded."""
    return round(float(np.mean([len(" ".join(sentences).split()) for sentences in references])))


def rouge_scores(reference: Sequence[str], text: str) -> dict[str, float]:
    """Return F-measures over stemmed words: rouge1, rouge2, rougeL on the whole text, rougeLsum by sentences.

    Args:
        reference: Sentences of the reference.
        text: The summary; it is split into sentences here.

    Source: Lin 2004, ROUGE, computed by Google's package rouge-score.
    """
    scores = scorer(ROUGE).score("\n".join(reference), "\n".join(segment("en", text)))
    return {name: float(scores[name].fmeasure) for name in ROUGE}


@cache
def scorer(measures: tuple[str, ...]) -> RougeScorer:
    """Return a scorer of some of ROUGE, with stemming; its texts have a sentence per line."""
    return RougeScorer(measures, tokenizer=CachedTokenizer())


class CachedTokenizer(DefaultTokenizer):  # type: ignore[misc]
    """The tokenizer of rouge-score with a cache of stems, because the oracle scores thousands of texts."""

    def __init__(self) -> None:
        super().__init__(use_stemmer=True)
        self._stemmer.stem = cache(PorterStemmer().stem)


def new_bigrams(source: Sequence[str], text: str) -> float:
    """Return the share of distinct bigrams of a summary that are not in the source; 0 for fewer than two words."""
    bigrams = set(_ngrams(text, 2))
    return len(bigrams - set(_ngrams(" ".join(source), 2))) / len(bigrams) if bigrams else 0.0


def repeated_trigrams(text: str) -> float:
    """Return the share of trigrams of a summary that occur earlier in it; 0 for fewer than three words."""
    trigrams = _ngrams(text, 3)
    return 1 - len(set(trigrams)) / len(trigrams) if trigrams else 0.0


def _ngrams(text: str, size: int) -> list[tuple[str, ...]]:
    words = text.lower().split()
    return list(zip(*(words[start:] for start in range(size)), strict=False))
