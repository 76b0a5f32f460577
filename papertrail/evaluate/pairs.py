"""Scores of candidates ranked for a query, and of sampled pairs decided one by one, with BM25 as baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from papertrail.core.params import ClassifierEvaluation, LinkerEvaluation
from papertrail.core.records import Row
from papertrail.evaluate.systems import ScoredSystems
from papertrail.evaluate.views import Floats, Plots, ScoredView, Texts, View, labels_of, make_plots
from papertrail.metrics.classification import best_threshold, binary_scores, confusion_rows
from papertrail.metrics.ranking import ranking_scores
from papertrail.models.ranking import bm25_pair_scores

COLUMNS = ("id", "query", "label", "sampled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The pairs that systems score.

    Attributes:
        inputs: Columns of the query's text and of the candidate.
        class_names: Meaning of labels 0 and 1.
        validation, test: Prepared rows.
        plots: Settings of the plots.
        errors: Maximum number of errors to return.
    """

    inputs: list[str]
    class_names: list[str]
    validation: list[Row]
    test: list[Row]
    plots: ClassifierEvaluation | LinkerEvaluation
    errors: int


def score_pairs(view: View) -> ScoredView:
    """Score the pairs of a classifier and BM25; see `score_systems`."""
    pairs = Pairs(
        inputs=view.model.inputs,
        class_names=view.class_names,
        validation=view.validation,
        test=view.test,
        plots=view.evaluation.classifier,
        errors=view.evaluation.error_examples,
    )
    return score_systems(pairs, {"model": _model_scores(view), "bm25": _bm25_scores(view)})


def score_systems(pairs: Pairs, systems: Mapping[str, Floats]) -> ScoredView:
    """Score the ranking of the candidates of each query, and single decisions on sampled pairs as published.

    The threshold of the decisions is the one with the best F1 on the sampled validation pairs.

    Args:
        pairs: Validation and test pairs.
        systems: System -> scores of validation, then test pairs, (pairs,). Those of system `model` are probabilities.
    """
    queries = [row["query"] for row in pairs.test]
    labels, sampled = labels_of(pairs.test), _sampled(pairs.test)
    validation_labels, validation_sampled = labels_of(pairs.validation), _sampled(pairs.validation)
    end = len(pairs.validation)
    scores: dict[str, dict[str, Any]] = {}
    predictions: dict[str, list[Row]] = {}
    for name, values in systems.items():
        validation, test = values[:end], values[end:]
        threshold = best_threshold(validation_labels[validation_sampled], validation[validation_sampled])
        pair = binary_scores(labels[sampled], test[sampled], threshold)
        ranking = ranking_scores(queries, labels, test)
        scores[name] = {**ranking, **{f"pair_{key}": value for key, value in pair.items()}, "pair_threshold": threshold}
        predictions[name] = _rows(pairs.test, test, threshold)
    probabilities = systems["model"][end:]
    return ScoredView(
        systems=ScoredSystems("pairs", predictions, scores),
        plots=_plots(pairs, probabilities, scores["model"]["pair_threshold"]),
        errors=_errors(pairs, probabilities),
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


def _plots(pairs: Pairs, probabilities: Floats, threshold: float) -> Plots:
    """Return plots over the sampled pairs; probabilities: (rows,)."""
    labels, sampled = labels_of(pairs.test), _sampled(pairs.test)
    classes = np.stack([1 - probabilities, probabilities], axis=1)[sampled]  # (pairs, 2)
    plots = make_plots(labels[sampled], classes, pairs.class_names, pairs.plots)
    decided = (classes[:, 1] >= threshold).astype(int)
    return {**plots, "confusion": confusion_rows(labels[sampled], decided, pairs.class_names)}


def _errors(pairs: Pairs, probabilities: Floats) -> list[Texts]:
    """Return the queries whose relevant candidate ranks lowest, with the first candidate; probabilities: (rows,)."""
    first, second = pairs.inputs
    by_query: dict[str, list[tuple[float, Row]]] = {}
    for row, p in zip(pairs.test, probabilities, strict=True):
        by_query.setdefault(row["query"], []).append((-float(p), row))
    wrong = []
    for query, scored in by_query.items():
        ranked = sorted(scored, key=lambda pair: (pair[0], pair[1]["label"], pair[1]["id"]))  # ties as in query_scores
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
        for rank, query, cited, best in sorted(wrong, key=lambda item: item[:2])[: pairs.errors]
    ]
