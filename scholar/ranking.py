"""Documents ranked for queries: BM25, fusion of two rankings, and the scores of a retrieval test collection."""

import logging
from collections.abc import Sequence
from typing import Any

import bm25s
import ir_measures
import numpy as np
from ir_measures import AP, RR, R, nDCG
from numpy.typing import NDArray

from scholar.errors import DataError

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG, and would speak whatever we ask for

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
MEASURES = {
    "ndcg@10": nDCG @ 10,
    "mrr@10": RR @ 10,
    "map@100": AP @ 100,
    "recall@1": R @ 1,
    "recall@10": R @ 10,
    "recall@100": R @ 100,
}


def bm25_scores(queries: Sequence[str], documents: Sequence[str]) -> NDArray[np.float64]:
    """(queries, documents) how well a document answers a query by the words that they share.

    The formula and the words are those of scholar.baselines.bm25_scores, the background is all the documents.

    Raises:
        DataError: no document holds a word that is not a stop word.

    Source: Kamphuis et al. 2020, Which BM25 Do You Mean? (Lucene, accurate), computed by bm25s.
    """
    tokenized = bm25s.tokenize(list(documents), stopwords="en", show_progress=False)
    if not tokenized.vocab:
        raise DataError(f"none of {len(documents)} documents holds a word that is not a stop word")
    index = bm25s.BM25(method="lucene", k1=1.5, b=0.75, dtype="float64")
    index.index(tokenized, show_progress=False)
    words_of = bm25s.tokenize(list(queries), stopwords="en", return_ids=False, show_progress=False)
    scores = np.zeros((len(queries), len(documents)))
    for row, words in zip(scores, words_of, strict=True):
        if words:  # get_scores fails on an empty query
            row[:] = index.get_scores(words)
    return scores


def top(scores: Floats, depth: int) -> tuple[Integers, Floats]:
    """The best `depth` documents of each query; of equal scores the first document.

    Args:
        scores: (queries, documents).
        depth: at most the number of documents.

    Returns:
        Positions and scores, each (queries, depth), the best first.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    return order, np.take_along_axis(scores, order, axis=1)


def bm25_ranking(queries: Sequence[str], documents: Sequence[str], depth: int) -> Integers:
    """(queries, depth) positions of the best documents by BM25; -1 where no other shares a word with the query."""
    positions, scores = top(bm25_scores(queries, documents), depth)
    return np.where(scores > 0, positions, -1)


def fuse(rankings: Sequence[Integers], constant: int, depth: int, documents: int) -> tuple[Integers, Floats]:
    """Reciprocal rank fusion: a document scores the sum of 1 / (constant + rank) over the rankings that hold it.

    Args:
        rankings: each (queries, ranks) positions of documents, the best first; -1 for none.
        constant: published as 60.
        depth: documents kept.
        documents: how many there are.

    Source: Cormack et al. 2009, Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank Learning Methods.
    """
    scores = np.zeros((len(rankings[0]), documents))
    for ranking in rankings:
        rows, ranks = np.nonzero(ranking >= 0)
        scores[rows, ranking[rows, ranks]] += 1 / (constant + 1 + ranks)
    return top(scores, depth)


def retrieval_scores(qrels: dict[str, dict[str, int]], ranked: dict[str, list[str]]) -> dict[str, dict[str, float]]:
    """Query -> measure -> value, by ir_measures: trec_eval's own code, and MS MARCO's for mrr@10.

    Args:
        qrels: query -> document -> gain, 1 or more.
        ranked: query -> documents, the best first.

    Raises:
        DataError: there is no query, or one has no relevant document or no ranking.
    """
    lacking = [query for query in qrels if not qrels[query] or query not in ranked]
    if lacking or not qrels:
        raise DataError(f"{len(lacking)} of {len(qrels)} queries lack relevant documents or a ranking: {lacking[:1]}")
    run = {
        query: {document: float(-rank) for rank, document in enumerate(ranked[query])}  # no ties to be broken
        for query in qrels
    }
    names = {measure: name for name, measure in MEASURES.items()}
    scores = {query: dict.fromkeys(MEASURES, 0.0) for query in qrels}  # what stays for a query that found nothing
    for metric in ir_measures.iter_calc(list(MEASURES.values()), qrels, run):
        scores[metric.query_id][names[metric.measure]] = metric.value
    return scores


def mean_scores(per_query: dict[str, dict[str, float]]) -> dict[str, float]:
    """The mean of each measure over the queries, and how many these are."""
    means = {name: float(np.mean([scores[name] for scores in per_query.values()])) for name in MEASURES}
    return {**means, "queries": len(per_query)}
