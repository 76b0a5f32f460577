"""Rankings of documents: BM25, the best of a score matrix, and reciprocal rank fusion."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import bm25s
import numpy as np
from numpy.typing import NDArray

from papertrail.core.errors import DataError

logging.getLogger("bm25s").setLevel(logging.WARNING)  # the library sets itself to DEBUG

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]


def bm25_scores(queries: Sequence[str], documents: Sequence[str]) -> NDArray[np.float64]:
    """Score every document for every query by BM25.

    A word w that occurs tf times in a document of d words, and in df of the N documents, whose mean length is D words,
    adds for each occurrence in the query:

        ln(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + 1.5 * (1 - 0.75 + 0.75 * d / D))

    Words are lower-cased and have two letters or more; English stop words are ignored; there is no stemming.

    Returns:
        (queries, documents) scores, 0 where no word is shared.

    Raises:
        DataError: No document has a word that is not a stop word.

    Source: Kamphuis et al. 2020, Which BM25 Do You Mean? (Lucene, accurate), computed by bm25s.
    """
    scores = np.zeros((len(queries), len(documents)))
    for row, values in zip(scores, Bm25(documents).scores(queries), strict=True):
        row[:] = values
    return scores


def bm25_pair_scores(
    queries: Sequence[str], candidates: Sequence[str], background: Sequence[str]
) -> NDArray[np.float64]:
    """Score one candidate per query by BM25; see `bm25_scores`.

    Args:
        queries: (n,) texts.
        candidates: (n,) texts, each of them in the background.
        background: Texts for word statistics; repeated texts count once.

    Returns:
        (n,) scores.

    Raises:
        DataError: Queries and candidates differ in number, a candidate is not in the background, or no text of the
            background has a word that is not a stop word.
    """
    documents = {text: number for number, text in enumerate(dict.fromkeys(background))}
    unknown = sum(text not in documents for text in candidates)
    if unknown or len(queries) != len(candidates):
        raise DataError(f"{len(queries)} queries, {len(candidates)} candidates, {unknown} not in the background")
    document_of = np.array([documents[text] for text in candidates], dtype=np.int64)  # (n,)
    positions: dict[str, list[int]] = defaultdict(list)
    for position, query in enumerate(queries):
        positions[query].append(position)
    scores = np.zeros(len(queries))
    for rows, values in zip(positions.values(), Bm25(list(documents)).scores(list(positions)), strict=True):
        scores[rows] = values[document_of[rows]]
    return scores


class Bm25:
    """BM25 of documents that are searched more than once; see `bm25_scores`.

    Raises:
        DataError: No document has a word that is not a stop word.
    """

    def __init__(self, documents: Sequence[str]) -> None:
        tokenized = bm25s.tokenize(list(documents), stopwords="en", show_progress=False)
        if not tokenized.vocab:
            raise DataError(f"none of {len(documents)} documents has a word that is not a stop word")
        self.documents = len(documents)
        self.index = bm25s.BM25(method="lucene", k1=1.5, b=0.75, dtype="float64")
        self.index.index(tokenized, show_progress=False)

    def scores(self, queries: Sequence[str]) -> Iterator[NDArray[np.float64]]:
        """Yield (documents,) scores for each query."""
        for words in bm25s.tokenize(list(queries), stopwords="en", return_ids=False, show_progress=False):
            yield self.index.get_scores(words) if words else np.zeros(self.documents)  # fails on an empty query

    def rank(self, queries: Sequence[str], depth: int) -> tuple[Integers, Floats]:
        """Return positions and scores of the best documents, each (queries, depth); -1 after the last with a score."""
        best = [top(scores[None], depth) for scores in self.scores(queries)]
        positions, scores = (np.concatenate([pair[part] for pair in best]) for part in (0, 1))
        return np.where(scores > 0, positions, -1), scores


def top(scores: Floats, depth: int) -> tuple[Integers, Floats]:
    """Return the best documents of each query; of equal scores the first document.

    Args:
        scores: (queries, documents).
        depth: Documents to return, at most all.

    Returns:
        Positions and scores, each (queries, depth), the best first.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    return order, np.take_along_axis(scores, order, axis=1)


def bm25_ranking(queries: Sequence[str], documents: Sequence[str], depth: int) -> Integers:
    """Return (queries, depth) positions of the best documents by BM25; -1 after the last that shares a word."""
    return Bm25(documents).rank(queries, depth)[0]


def fuse(rankings: Sequence[Integers], constant: int, depth: int, documents: int) -> tuple[Integers, Floats]:
    """Combine rankings by reciprocal rank fusion.

    The score of a document is the sum of 1 / (constant + rank) over the rankings that contain it.

    Args:
        rankings: Each (queries, ranks) positions of documents, the best first; -1 for none.
        constant: 60 as published.
        depth: Documents to return.
        documents: Number of documents.

    Returns:
        Positions and scores, each (queries, depth), the best first.

    Source: Cormack et al. 2009, Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank Learning Methods.
    """
    scores = np.zeros((len(rankings[0]), documents))
    for ranking in rankings:
        rows, ranks = np.nonzero(ranking >= 0)
        scores[rows, ranking[rows, ranks]] += 1 / (constant + 1 + ranks)
    return top(scores, depth)
