"""ROUGE and text statistics of summaries, in any script.

Words are tokens of papertrail.data.text.tokenize; of ASCII text they are those of rouge-score, which reads no others.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from nltk.stem.porter import PorterStemmer
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from papertrail.core.errors import DataError
from papertrail.core.records import Row
from papertrail.data.text import count_words, split_sentences, split_words, tokenize

UNSTEMMED = 3  # letters of a word that is not stemmed, as in rouge-score
ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def score_summaries(rows: Sequence[Row], texts: Sequence[str]) -> list[dict[str, float]]:
    """Return for each paper the ROUGE scores of its summary, new_bigrams, repeated_trigrams and words.

    Args:
        rows: Papers with lists of sentences `source` and `target`, the reference; see `score_summary`.
        texts: A summary per paper.

    Raises:
        DataError: There is no paper, or the number of summaries differs.
    """
    if not rows or len(rows) != len(texts):
        raise DataError(f"{len(rows)} papers but {len(texts)} summaries; expected the same number, at least 1")
    return [
        {
            **score_summary(row, text),
            "new_bigrams": new_bigrams(row["source"], text),
            "repeated_trigrams": repeated_trigrams(text),
            "words": count_words(text),
        }
        for row, text in zip(rows, texts, strict=True)
    ]


def references_of(row: Row) -> list[list[str]]:
    """Return the references of a paper, each as sentences; most papers have one, the target."""
    return row.get("references") or [row["target"]]


def score_summary(row: Row, text: str) -> dict[str, float]:
    """Return the ROUGE scores of a summary of a paper.

    Of several references, `scored_by` of the row decides. "best": the scores with the reference of the highest ROUGE-1,
    as published for SciTLDR; "mean": the mean of each score.

    Source: Cachola et al. 2020, TLDR: Extreme Summarization of Scientific Documents.
    """
    scores = [rouge_scores(reference, text) for reference in references_of(row)]
    return mean_scores(scores) if row.get("scored_by") == "mean" else max(scores, key=lambda found: found["rouge1"])


def mean_scores(per_paper: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each score over the papers."""
    return {name: float(np.mean([scores[name] for scores in per_paper])) for name in per_paper[0]}


def mean_words(references: Sequence[Sequence[str]]) -> int:
    """Return the mean number of words of texts, given as sentences, rounded."""
    return round(float(np.mean([count_words(" ".join(sentences)) for sentences in references])))


def rouge_scores(reference: Sequence[str], text: str) -> dict[str, float]:
    """Return F-measures over stemmed words: rouge1, rouge2, rougeL on the whole text, rougeLsum by sentences.

    Args:
        reference: Sentences of the reference; they are joined, and split as those of the summary, so that equal texts
            have the score 1.
        text: The summary; it is split into sentences here.

    Source: Lin 2004, ROUGE, computed by Google's package rouge-score.
    """
    split = ("\n".join(split_sentences(whole)) for whole in (" ".join(reference), text))
    scores = scorer(ROUGE).score(*split)
    return {name: float(scores[name].fmeasure) for name in ROUGE}


@cache
def scorer(measures: tuple[str, ...]) -> RougeScorer:
    """Return a scorer of some of ROUGE, with stemming; its texts have a sentence per line."""
    return RougeScorer(measures, tokenizer=CachedTokenizer())


class CachedTokenizer(DefaultTokenizer):  # type: ignore[misc]
    """A tokenizer for any script that stems words in ASCII as that of rouge-score, with a cache of stems.

    The oracle scores thousands of texts.
    """

    def __init__(self) -> None:
        super().__init__(use_stemmer=True)
        self._stemmer.stem = cache(PorterStemmer().stem)

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of a text."""
        if text.isascii():
            return list(super().tokenize(text))
        stem = self._stemmer.stem
        return [stem(token) if len(token) > UNSTEMMED and token.isascii() else token for token in tokenize(text)]


def new_bigrams(source: Sequence[str], text: str) -> float:
    """Return the share of distinct bigrams of a summary that are not in the source; 0 for fewer than two words."""
    bigrams = set(_ngrams(text, 2))
    return len(bigrams - set(_ngrams(" ".join(source), 2))) / len(bigrams) if bigrams else 0.0


def repeated_trigrams(text: str) -> float:
    """Return the share of trigrams of a summary that occur earlier in it; 0 for fewer than three words."""
    trigrams = _ngrams(text, 3)
    return 1 - len(set(trigrams)) / len(trigrams) if trigrams else 0.0


def _ngrams(text: str, size: int) -> list[tuple[str, ...]]:
    words = split_words(text.lower())
    return list(zip(*(words[start:] for start in range(size)), strict=False))
