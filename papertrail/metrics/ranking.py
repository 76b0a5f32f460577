"""Ranking scores by ir_measures: of candidates grouped by query, and of rankings of a document collection."""

from collections.abc import Iterable, Mapping
from typing import Any

import ir_measures
import numpy as np
from ir_measures import AP, RR, R, nDCG
from numpy.typing import ArrayLike, NDArray

from papertrail.core.errors import DataError
from papertrail.core.records import Row
from papertrail.metrics.arrays import Floats, check_scores

CANDIDATE_MEASURES = {"mrr": RR, "recall@1": R @ 1, "recall@5": R @ 5, "recall@10": R @ 10}
MEASURES = {
    "ndcg@10": nDCG @ 10,
    "mrr@10": RR @ 10,
    "map@100": AP @ 100,
    "recall@1": R @ 1,
    "recall@10": R @ 10,
    "recall@100": R @ 100,
}
Relevance = dict[str, dict[str, int]]  # query -> document -> gain, 1 or more
Rankings = dict[str, list[str]]  # query -> documents, the best first
QueryScores = dict[str, dict[str, float]]  # query -> measure -> value


def relevance_of(queries: Iterable[Row]) -> Relevance:
    """Return the relevance of the documents of search queries: the `gains` of a row, or 1 if it has none."""
    return {
        row["id"]: dict(zip(row["relevant"], row["gains"], strict=True))
        if "gains" in row
        else dict.fromkeys(row["relevant"], 1)
        for row in queries
    }


def ranking_scores(queries: ArrayLike, labels: ArrayLike, scores: ArrayLike) -> dict[str, float]:
    """Return the means of `query_scores` over the queries, their number (queries) and candidates_per_query.

    Args:
        queries: (n,) query of each candidate.
        labels: (n,) 1 for relevant, 0 for not.
        scores: (n,), higher ranks earlier.

    Raises:
        DataError: See `query_scores`.
    """
    ids, per_query = query_scores(queries, labels, scores)
    means = {name: float(values.mean()) for name, values in per_query.items()}
    return {**means, "queries": len(ids), "candidates_per_query": np.size(scores) / len(ids)}


def query_scores(queries: ArrayLike, labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[Any], dict[str, Floats]]:
    """Score the ranking of the candidates of each query; each row is one (query, candidate).

    Among equal scores, relevant candidates rank last, so a constant score gains nothing.

    Args:
        queries: (n,) ids, integers or strings, in any order.
        labels: (n,) 1 for relevant, 0 for not.
        scores: (n,), higher ranks earlier.

    Returns:
        Sorted query ids (queries,), and name -> (queries,) values: mrr, 1 / rank of the best-ranked relevant
        candidate, and recall@k, the share of the relevant candidates that rank within k.

    Raises:
        DataError: There is no row, a query has no relevant candidate, or a score is not finite.
    """
    labels, scores = check_scores(labels, scores)
    ids, query_of = np.unique(np.asarray(queries), return_inverse=True)  # (queries,), (n,)
    if len(query_of) != len(labels):
        raise DataError(f"{len(query_of)} query ids but {len(labels)} labels")
    relevant = np.bincount(query_of, weights=labels)
    if not relevant.all():
        lacking = ids[relevant == 0]
        raise DataError(f"{len(lacking)} of {len(ids)} queries have no relevant candidate, the first is {lacking[0]}")
    qrels: Relevance = {str(query): {} for query in range(len(ids))}
    ranked: Rankings = {query: [] for query in qrels}
    for row in np.lexsort((labels, -scores)):  # best score first, irrelevant first among equals
        query, candidate = str(query_of[row]), str(row)
        ranked[query].append(candidate)
        if labels[row]:
            qrels[query][candidate] = 1
    per_query = _measure(qrels, ranked, CANDIDATE_MEASURES)
    return ids, {name: np.array([per_query[query][name] for query in qrels]) for name in CANDIDATE_MEASURES}


def retrieval_scores(qrels: Relevance, ranked: Rankings) -> QueryScores:
    """Return query -> measure of MEASURES -> value, by trec_eval's code, and MS MARCO's for mrr@10.

    nDCG adds the gains, each divided by log2(rank + 1); for the other measures a document is relevant or not.

    Args:
        qrels: Query -> document -> gain, 1 or more.
        ranked: Query -> documents, the best first; queries without qrels are ignored.

    Raises:
        DataError: There is no query, or a query has no relevant document or no ranking.
    """
    lacking = [query for query in qrels if not qrels[query] or query not in ranked]
    if lacking or not qrels:
        raise DataError(f"{len(lacking)} of {len(qrels)} queries lack relevant documents or a ranking: {lacking[:1]}")
    return _measure(qrels, ranked, MEASURES)


def mean_scores(per_query: QueryScores) -> dict[str, float]:
    """Return the mean of each measure over the queries, and their number (queries)."""
    means = {name: float(np.mean([scores[name] for scores in per_query.values()])) for name in MEASURES}
    return {**means, "queries": len(per_query)}


def _measure(qrels: Relevance, ranked: Rankings, measures: Mapping[str, Any]) -> QueryScores:
    """Return query -> name -> value; a query with an empty ranking scores 0."""
    run = {query: {document: float(-rank) for rank, document in enumerate(ranked[query])} for query in qrels}
    names = {measure: name for name, measure in measures.items()}
    scores = {query: dict.fromkeys(measures, 0.0) for query in qrels}
    for metric in ir_measures.iter_calc(list(measures.values()), qrels, run):
        scores[metric.query_id][names[metric.measure]] = metric.value
    return scores
