"""Rankings made by hand: scores by part, recall by rank, and the queries to show."""

import pytest

from papertrail.evaluate.results import Example
from papertrail.evaluate.retriever import (
    RANKS,
    find_errors,
    recall_by_rank,
    score_parts,
    score_rankings,
    without_others,
)
from papertrail.metrics.ranking import MEASURES, mean_scores, retrieval_scores

QRELS = {"q": {"a": 1, "b": 1}, "p": {"c": 1}}
RANKINGS = {"q": ["b", "x", "a"], "p": ["x", "y"]}
SYSTEMS = {"model": RANKINGS, "bm25": {"q": ["a", "b"], "p": ["c"]}}


def test_predictions_have_the_scores_of_each_query() -> None:
    systems = score_rankings(QRELS, SYSTEMS)
    assert systems.kind == "retrieval"
    per_query = retrieval_scores(QRELS, RANKINGS)
    assert systems.scores["model"] == mean_scores(per_query)
    assert systems.predictions["model"] == [
        {"id": query, "ranked": RANKINGS[query], **per_query[query]} for query in ("q", "p")
    ]


def test_only_the_relevant_documents_of_a_part_count() -> None:
    parts = score_parts({"seen": {"a", "x"}, "unseen": {"b", "c"}, "empty": {"x"}}, QRELS, SYSTEMS)
    assert parts.keys() == {"seen", "unseen"}  # no relevant document is in `empty`
    assert parts["seen"]["model"]["queries"] == 1
    assert parts["seen"]["model"]["mrr@10"] == 1 / 2  # b is skipped, so a ranks second
    assert parts["unseen"]["model"]["queries"] == 2
    assert parts["unseen"]["model"]["recall@1"] == 1 / 2
    assert parts["unseen"]["bm25"] == {**dict.fromkeys(MEASURES, 1.0), "queries": 2}


def test_other_relevant_documents_are_removed_from_a_ranking() -> None:
    assert without_others({"q": {"a": 1}}, QRELS, RANKINGS) == {"q": ["x", "a"]}


def test_recall_by_rank_is_averaged_over_queries() -> None:
    rows = recall_by_rank(QRELS, SYSTEMS)
    assert [row["rank"] for row in rows] == list(RANKS)
    assert [row["model"] for row in rows[:3]] == [1 / 4, 1 / 4, 1 / 2]
    assert [row["bm25"] for row in rows[:3]] == [3 / 4, 1, 1]


@pytest.mark.parametrize("count", [1, 2])
def test_examples_begin_with_the_query_whose_relevant_documents_rank_lowest(count: int) -> None:
    test = [{"id": query, "query": f"text of {query}", "relevant": list(QRELS[query])} for query in QRELS]
    documents = [{"id": id_, "title": id_.upper()} for id_ in "abcxy"]
    expected = [
        Example(
            view="test",
            id="p",
            fields={"query": "text of p", "cited": "C (not in the first 2)", "found first": "X; Y"},
        ),
        Example(view="test", id="q", fields={"query": "text of q", "cited": "A; B (rank 1)", "found first": "B; X; A"}),
    ]
    assert find_errors(test, RANKINGS, documents, count) == expected[:count]
