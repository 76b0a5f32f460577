"""Summaries that are whole sentences of the source in their order: unsupervised methods, and an upper bound.

All get the same number of words, because longer texts have a higher recall. They read the whole source.
"""

import re
from collections.abc import Callable, Sequence

import networkx
import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from papertrail.data.text import NOT_PLAIN, count_words, tokenize
from papertrail.metrics.rouge import ROUGE, scorer

Floats = NDArray[np.float64]
WORD = re.compile(r"\b\w\w+\b")  # scikit-learn's own, for scripts whose words have neither marks nor missing spaces


def lead(source: Sequence[str], words: int) -> str:
    """Return the first sentences of the source with up to `words` words, at least one sentence."""
    return _extract(source, range(len(source)), words, skip=False)


def lexrank(source: Sequence[str], words: int) -> str:
    """Return the most central sentences of the source with up to `words` words, at least one sentence."""
    return _extract(source, central_first(source), words, skip=True)


def central_first(source: Sequence[str]) -> list[int]:
    """Return the positions of the sentences, the most central first; the first of equals."""
    centrality = lexrank_scores(cosines(tfidf(source)))
    return sorted(range(len(source)), key=lambda i: (-centrality[i], i))


def tfidf(source: Sequence[str]) -> Floats:
    """Return the TF-IDF vectors of sentences, each of length 1, (sentences, words); zeros if none has a word."""
    try:
        return np.asarray(TfidfVectorizer(analyzer=_terms).fit_transform(source).toarray())
    except ValueError:  # no sentence has a word
        return np.zeros((len(source), 1))


def _terms(sentence: str) -> list[str]:
    """Return the terms of a sentence; in a script without spaces, or with vowel signs, all its tokens."""
    lower = sentence.lower()
    return tokenize(lower) if NOT_PLAIN.search(lower) else WORD.findall(lower)


def cosines(vectors: Floats) -> Floats:
    """Return the cosine of each two sentences, (sentences, sentences), 0 for a sentence with itself."""
    products: Floats = vectors @ vectors.T
    np.fill_diagonal(products, 0)
    return products


def lexrank_scores(similarities: Floats) -> Floats:
    """Return the centrality of each sentence: PageRank over similarities, (sentences,), with sum 1.

    Source: Erkan and Radev 2004, LexRank (continuous, damping 0.85).
    """
    ranks = networkx.pagerank(networkx.from_numpy_array(similarities), max_iter=1000)
    return np.array([ranks[i] for i in range(len(similarities))])


def oracle(source: Sequence[str], reference: Sequence[str], words: int) -> str:
    """Return an approximation of the best extract with up to `words` words; it reads the reference."""
    return " ".join(source[i] for i in oracle_positions(source, reference, words))


def oracle_positions(source: Sequence[str], reference: Sequence[str], words: int) -> list[int]:
    """Return the positions of the sentences of the oracle, in the order of the source, at least one of a source.

    Sentences are added one by one, each time the one that increases rouge1 + rouge2 most, until none fits or improves.

    Source: Nallapati et al. 2017, SummaRuNNer.
    """
    rouge = scorer(ROUGE[:2])
    target = "\n".join(reference)
    chosen: list[int] = []
    best = 0.0
    while True:
        gains = []
        for i in set(range(len(source))) - set(chosen):
            text = [source[j] for j in sorted([*chosen, i])]
            if sum(map(count_words, text)) <= words or not chosen:
                scores = rouge.score(target, "\n".join(text))
                gains.append((sum(score.fmeasure for score in scores.values()), -i))
        if not gains or max(gains)[0] <= best:
            return sorted(chosen) or [0][: len(source)]
        best, place = max(gains)
        chosen.append(-place)


def _extract(source: Sequence[str], order: Sequence[int], words: int, skip: bool) -> str:
    """Return the sentences in an order until one does not fit; with `skip`, also later ones that fit."""
    chosen: list[int] = []
    for i in order:
        if chosen and sum(count_words(source[j]) for j in [*chosen, i]) > words:
            if skip:
                continue
            break
        chosen.append(i)
    return " ".join(source[i] for i in sorted(chosen))


EXTRACTORS: dict[str, Callable[[Sequence[str], int], str]] = {"lead": lead, "lexrank": lexrank}
