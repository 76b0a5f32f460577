"""Scores of ranked candidates and sampled pairs from predictions made by hand."""

import itertools

import pytest

from papertrail.core.records import Row
from papertrail.evaluate.views import ScoredView
from papertrail.metrics.ranking import ranking_scores
from tests.fixtures.views import check_plots, check_predictions, model_scores, score_rows


def paired(query: str, probabilities: list[float], cited: int) -> tuple[list[Row], list[Row]]:
    """Return the candidates of a query and their predictions; `cited` is the relevant candidate."""
    rows = [
        {
            "id": f"{query}/{i}",
            "query": query,
            "context": f"the {query} of [CITATION]",
            "candidate": f"{query} paper {i}",
            "label": int(i == cited),
            "sampled": i in (0, cited),
        }
        for i in range(len(probabilities))
    ]
    predictions = [
        {**{name: row[name] for name in ("id", "query", "label", "sampled")}, "probability": p}
        for row, p in zip(rows, probabilities, strict=True)
    ]
    return rows, predictions


def score_queries(*queries: tuple[list[Row], list[Row]]) -> ScoredView:
    """Score queries; the threshold is chosen on the same pairs."""
    rows, predictions = (list(itertools.chain(*column)) for column in zip(*queries, strict=True))
    changes = {"validation": rows, "validation_predictions": predictions}
    return score_rows("pair_classification", rows, predictions, class_names=["other", "cited"], **changes)


def test_all_pairs_are_ranked_and_sampled_pairs_decided() -> None:
    queries = [paired("graph", [0.1, 0.9, 0.2], 1), paired("tree", [0.8, 0.6, 0.7], 1)]
    scored = score_queries(*queries)
    assert scored.systems.kind == "pairs"
    assert scored.systems.scores.keys() == {"model", "bm25"}
    assert scored.systems.scores["bm25"].keys() == scored.systems.scores["model"].keys()
    model = model_scores(scored)
    pair = {key: model.pop(f"pair_{key}") for key in ("accuracy", "precision", "recall", "f1", "threshold")}
    labels, probabilities = [0, 1, 0, 0, 1, 0], [0.1, 0.9, 0.2, 0.8, 0.6, 0.7]
    assert model == ranking_scores(["graph"] * 3 + ["tree"] * 3, labels, probabilities)
    assert model["mrr"] == pytest.approx((1 + 1 / 3) / 2)
    assert pair == {"accuracy": 3 / 4, "precision": 2 / 3, "recall": 1.0, "f1": pytest.approx(4 / 5), "threshold": 0.6}
    check_predictions(scored, [row for rows, _ in queries for row in rows])
    check_plots(scored)
    assert len(scored.plots["confusion"]) == 4  # sampled pairs only


def test_errors_are_sorted_by_the_rank_of_the_cited_paper() -> None:
    queries = [
        paired("graph", [0.1, 0.9, 0.2], 1),
        paired("tree", [0.8, 0.6, 0.7], 2),
        paired("word", [0.4, 0.3, 0.1, 0.2], 2),
        paired("task", [0.9, 0.8, 0.7], 2),
    ]
    assert score_queries(*queries).errors == [
        {
            "id": "word",
            "text": "the word of [CITATION]",
            "label": "word paper 2 (rank 4 of 4)",
            "predicted": "word paper 0",
        },
        {
            "id": "task",
            "text": "the task of [CITATION]",
            "label": "task paper 2 (rank 3 of 3)",
            "predicted": "task paper 0",
        },
    ]


def test_ties_are_errors_as_in_the_ranking_scores() -> None:
    scored = score_queries(*(paired(query, [0.5, 0.5, 0.5], 0) for query in ("graph", "tree")))
    assert scored.systems.scores["model"]["mrr"] == pytest.approx(1 / 3)
    assert [error["label"] for error in scored.errors] == [
        f"{query} paper 0 (rank 3 of 3)" for query in ("graph", "tree")
    ]
