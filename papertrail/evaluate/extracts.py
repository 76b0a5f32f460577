"""Summaries that are whole sentences of the source in their order: baselines, and an upper bound.

Baselines get at most as many words as a training target has on average, because longer texts have a higher recall. They
read the whole source.
"""

from collections.abc import Callable, Sequence

import networkx
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from papertrail.metrics.rouge import ROUGE, scorer


def lead(source: Sequence[str], words: int) -> str:
    """Return the first sentences of the source with up to `words` words, at least one sentence."""
    return _extract(source, range(len(source)), words)


def lexrank(source: Sequence[str], words: int) -> str:
    """Return the most central sentences of the source with up to `words` words, at least one sentence.

    Centrality is PageRank over the cosine similarities of TF-IDF vectors.

    Source: Erkan and Radev 2004, LexRank (continuous, damping 0.85).
    """
    try:
        vectors = TfidfVectorizer().fit_transform(source)
    except ValueError:  # no sentence has a word
        return lead(source, words)
    cosines = (vectors @ vectors.T).toarray()
    np.fill_diagonal(cosines, 0)
    centrality = networkx.pagerank(networkx.from_numpy_array(cosines), max_iter=1000)
    return _extract(source, sorted(centrality, key=lambda i: (-centrality[i], i)), words)


def oracle(source: Sequence[str], reference: Sequence[str], words: int) -> str:
    """Return an approximation of the best extract with up to `words` words; it reads the reference.

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
            if sum(len(sentence.split()) for sentence in text) <= words or not chosen:
                scores = rouge.score(target, "\n".join(text))
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


EXTRACTORS: dict[str, Callable[[Sequence[str], int], str]] = {"lead": lead, "lexrank": lexrank}
