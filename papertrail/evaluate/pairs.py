"""Scores of candidates ranked for a query, and of sampled pairs decided one by one, with BM25 as baseline."""

from typing import Any

import numpy as np

from papertrail.core.records import Row
from papertrail.evaluate.systems import ScoredSystems
from papertrail.evaluate.views import Floats, Plots, ScoredView, Texts, View, labels_of, make_plots
from papertrail.metrics.classification import best_threshold, binary_scores, confusion_rows
from papertrail.metrics.ranking import ranking_scores
from papertrail.models.ranking import bm25_pair_scores

COLUMNS = ("id", "query", "label", "sampled")


def score_pairs(view: View) -> ScoredView:
    """Score the ranking of the candidates of each query, and single decisions on sampled pairs as published.

    The threshold of the decisions is the one with the best F1 on the sampled validation pairs.
    """
    queries = [row["query"] for row in view.test_predictions]
    labels, sampled = labels_of(view.test), _sampled(view.test)
    validation_labels, validation_sampled = labels_of(view.validation), _sampled(view.validation)
    end = len(view.validation)
    scores: dict[str, dict[str, Any]] = {}
    predictions: dict[str, list[Row]] = {}
    systems = {"model": _model_scores(view), "bm25": _bm25_scores(view)}
    for name, values in systems.items():  # (validation and test pairs,)
        validation, test = values[:end], values[end:]
        threshold = best_threshold(validation_labels[validation_sampled], validation[validation_sampled])
        pair = binary_scores(labels[sampled], test[sampled], threshold)
        ranking = ranking_scores(queries, labels, test)
        scores[name] = {**ranking, **{f"pair_{key}": value for key, value in pair.items()}, "pair_threshold": threshold}
        predictions[name] = _rows(view.test, test, threshold)
    probabilities = systems["model"][end:]
    return ScoredView(
        systems=ScoredSystems("pairs", predictions, scores),
        plots=_plots(view, probabilities, scores["model"]["pair_threshold"]),
        errors=_errors(view, probabilities),
    )


def _sampled(rows: list[Row]) -> Any:
    """Return which rows are sampled pairs, (rows,) of bool."""
    return np.array([row["sampled"] for row in rows])


def _model_scores(view: View) -> Floats:
    """Return the probabilities of the model for validation and test pairs, (pairs,)."""
    return np.array([row["probability"] for row in (*view.validation_predictions, *view.test_predictions)])


def _bm25_scores(view: View) -> Floats:
    """Return BM25 scores for validation and test pairs, (pairs,); word statistics are those of all candidates."""
    first, second = view.model.inputs
    rows = [*view.validation, *view.test]
    background = sorted({row[second] for row in (*view.train, *rows)})
    return bm25_pair_scores([row[first] for row in rows], [row[second] for row in rows], background)


def _rows(rows: list[Row], scores: Floats, threshold: float) -> list[Row]:
    """Return the predictions of one system from its scores (rows,)."""
    return [
        {**{key: row[key] for key in COLUMNS}, "score": float(value), "prediction": int(value >= threshold)}
        for row, value in zip(rows, scores, strict=True)
    ]


def _plots(view: View, probabilities: Floats, threshold: float) -> Plots:
    """Return plots over the sampled pairs; probabilities: (rows,)."""
    labels, sampled = labels_of(view.test), _sampled(view.test)
    classes = np.stack([1 - probabilities, probabilities], axis=1)[sampled]  # (pairs, 2)
    plots = make_plots(labels[sampled], classes, view.class_names, view.evaluation)
    decided = (classes[:, 1] >= threshold).astype(int)
    return {**plots, "confusion": confusion_rows(labels[sampled], decided, view.class_names)}


def _errors(view: View, probabilities: Floats) -> list[Texts]:
    """Return the queries whose relevant candidate ranks lowest, with the first candidate; probabilities: (rows,)."""
    first, second = view.model.inputs
    by_query: dict[str, list[tuple[float, Row]]] = {}
    for row, p in zip(view.test, probabilities, strict=True):
        by_query.setdefault(row["query"], []).append((-float(p), row))
    wrong = []
    for query, pairs in by_query.items():
        ranked = sorted(pairs, key=lambda pair: (pair[0], pair[1]["label"], pair[1]["id"]))  # ties as in query_scores
        rank, cited = next((rank, row) for rank, (_, row) in enumerate(ranked, start=1) if row["label"])
        if rank > 1:
            wrong.append((-rank, query, cited, ranked[0][1]))
    return [
        {
            "id": query,
            "text": cited[first],
            "label": f"{cited[second]} (rank {-rank} of {len(by_query[query])})",
            "predicted": best[second],
        }
        for rank, query, cited, best in sorted(wrong, key=lambda item: item[:2])[: view.evaluation.error_examples]
    ]
