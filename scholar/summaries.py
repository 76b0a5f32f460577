"""Summaries scored and compared: ROUGE, what is new or repeated in them, and extracts by simple methods.

An extract is made of whole sentences of the source in their order. Simple methods get at most as many words as a
training target has on average, since a longer text has a higher recall for nothing. They see the whole source.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import networkx
import numpy as np
from nltk.stem.porter import PorterStemmer
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer
from sentencex import segment
from sklearn.feature_extraction.text import TfidfVectorizer

from scholar.errors import DataError

ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def rouge_scores(reference: Sequence[str], text: str) -> dict[str, float]:
    """F-measures of stemmed words: rouge1, rouge2, rougeL on the whole text, rougeLsum by sentences.

    Args:
        reference: the sentences of the reference.
        text: the summary, cut into sentences here.

    Source: Lin 2004, ROUGE, by Google's package rouge-score.
    """
    scores = _scorer(ROUGE).score("\n".join(reference), "\n".join(segment("en", text)))
    return {name: float(scores[name].fmeasure) for name in ROUGE}


@cache
def _scorer(measures: tuple[str, ...]) -> RougeScorer:
    return RougeScorer(measures, tokenizer=CachedTokenizer())


class CachedTokenizer(DefaultTokenizer):  # type: ignore[misc]
    """The package's own tokenizer with its stemmer, each word stemmed once: the oracle scores thousands of texts."""

    def __init__(self) -> None:
        super().__init__(use_stemmer=True)
        self._stemmer.stem = cache(PorterStemmer().stem)


def new_bigrams(source: Sequence[str], text: str) -> float:
    """Share of the distinct bigrams of a summary that the source does not have; 0 for fewer than two words."""
    own = _ngrams(text, 2)
    return len(set(own) - set(_ngrams(" ".join(source), 2))) / len(set(own)) if own else 0.0


def repeated_trigrams(text: str) -> float:
    """Share of the trigrams of a summary that came before in it; 0 for fewer than three words."""
    own = _ngrams(text, 3)
    return 1 - len(set(own)) / len(own) if own else 0.0


def _ngrams(text: str, size: int) -> list[tuple[str, ...]]:
    words = text.lower().split()
    return list(zip(*(words[start:] for start in range(size)), strict=False))


def lead(source: Sequence[str], words: int) -> str:
    """The first sentences of the source up to so many words, at least one."""
    return _extract(source, range(len(source)), words)


def lexrank(source: Sequence[str], words: int) -> str:
    """The most central sentences of the source up to so many words.

    Central is what is like many sentences that are central: PageRank over the cosines of TF-IDF vectors.

    Source: Erkan and Radev 2004, LexRank (continuous, damping 0.85).
    """
    try:
        vectors = TfidfVectorizer().fit_transform(source)
    except ValueError:  # no sentence holds a word
        return lead(source, words)
    cosines = (vectors @ vectors.T).toarray()
    np.fill_diagonal(cosines, 0)
    centrality = networkx.pagerank(networkx.from_numpy_array(cosines), max_iter=1000)
    return _extract(source, sorted(centrality, key=lambda i: (-centrality[i], i)), words)


def oracle(source: Sequence[str], reference: Sequence[str], words: int) -> str:
    """Sentence after sentence, the one that adds most to rouge1 + rouge2 with the reference, while any adds and fits.

    What an extract could reach at most, near enough; it looks at the reference, so it is no method.

    Source: Nallapati et al. 2017, SummaRuNNer.
    """
    scorer = _scorer(ROUGE[:2])
    target = "\n".join(reference)
    chosen: list[int] = []
    best = 0.0
    while True:
        gains = []
        for i in set(range(len(source))) - set(chosen):
            text = [source[j] for j in sorted([*chosen, i])]
            if sum(len(sentence.split()) for sentence in text) <= words or not chosen:
                scores = scorer.score(target, "\n".join(text))
                gains.append((sum(score.fmeasure for score in scores.values()), -i))
        if not gains or max(gains)[0] <= best:
            return " ".join([source[i] for i in sorted(chosen)] or source[:1])
        best, place = max(gains)
        chosen.append(-place)


def _extract(source: Sequence[str], order: Sequence[int], words: int) -> str:
    chosen: list[int] = []
    for i in order:
        if chosen and sum(len(source[j].split()) for j in [*chosen, i]) > words:
            break
        chosen.append(i)
    return " ".join(source[i] for i in sorted(chosen))


def score_summaries(rows: list[dict[str, Any]], texts: list[str]) -> list[dict[str, float]]:
    """For each paper: ROUGE, share of new bigrams, share of repeated trigrams, words.

    Raises:
        DataError: there is no paper, or not a text for each.
    """
    if not rows or len(rows) != len(texts):
        raise DataError(f"{len(rows)} papers but {len(texts)} summaries: expected as many, and one at least")
    return [
        {
            **rouge_scores(row["target"], text),
            "new_bigrams": new_bigrams(row["source"], text),
            "repeated_trigrams": repeated_trigrams(text),
            "words": len(text.split()),
        }
        for row, text in zip(rows, texts, strict=True)
    ]


def mean_scores(per_paper: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each score over the papers."""
    return {name: float(np.mean([scores[name] for scores in per_paper])) for name in per_paper[0]}


Extractor = Callable[[Sequence[str], int], str]
EXTRACTORS: dict[str, Extractor] = {"lead": lead, "lexrank": lexrank}
