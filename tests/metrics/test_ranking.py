"""Ranking scores against hand-computed values and plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertrail.core.errors import DataError
from papertrail.metrics.ranking import MEASURES, mean_scores, ranking_scores, retrieval_scores


class TestRankingScores:
    def test_by_hand(self):
        queries = ["a", "b", "a", "b", "a", "b"]
        labels = [0, 1, 1, 0, 1, 0]
        scores = [0.9, 0.9, 0.8, 0.1, 0.1, 0.2]
        assert ranking_scores(queries, labels, scores) == {
            "mrr": pytest.approx((1 / 2 + 1) / 2),
            "recall@1": 0.5,
            "recall@5": 1.0,
            "recall@10": 1.0,
            "queries": 2,
            "candidates_per_query": 3.0,
        }

    def test_share_of_several_relevant(self):
        result = ranking_scores([7] * 8, [1, 0, 0, 0, 0, 0, 1, 1], -np.arange(8))
        assert (result["recall@1"], result["recall@5"], result["recall@10"]) == pytest.approx((1 / 3, 1 / 3, 1))

    def test_a_constant_score_ranks_the_relevant_last(self):
        result = ranking_scores([1] * 4, [1, 0, 0, 0], [0.5] * 4)
        assert (result["mrr"], result["recall@1"]) == (0.25, 0)

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 4)), max_size=60), st.data())
    def test_agrees_with_a_loop_in_any_order(self, rows, data):
        rows = rows + [(query, 1, data.draw(st.integers(0, 4))) for query in {q for q, _, _ in rows} | {9}]
        reciprocal, recall = [], {1: [], 5: [], 10: []}
        for query in {q for q, _, _ in rows}:
            ranked = sorted(((-score, label) for q, label, score in rows if q == query))
            ranks = [rank for rank, (_, label) in enumerate(ranked, 1) if label]
            reciprocal.append(1 / ranks[0])
            for k, shares in recall.items():
                shares.append(sum(rank <= k for rank in ranks) / len(ranks))
        expected = {"mrr": np.mean(reciprocal), **{f"recall@{k}": np.mean(shares) for k, shares in recall.items()}}
        result = ranking_scores(*zip(*data.draw(st.permutations(rows)), strict=True))
        assert {name: result[name] for name in expected} == pytest.approx(expected)
        assert 0 <= result["recall@1"] <= result["recall@5"] <= result["recall@10"] <= 1

    def test_a_query_without_relevant_candidate_is_an_error(self):
        with pytest.raises(DataError, match="2 of 3 queries have no relevant candidate, the first is b"):
            ranking_scores(["a", "b", "c"], [1, 0, 0], [0.1, 0.2, 0.3])

    def test_ids_of_another_length_are_an_error(self):
        with pytest.raises(DataError, match="3 query ids but 2 labels"):
            ranking_scores(["a", "b", "c"], [1, 0], [0.1, 0.2])


def slow_scores(gains: dict[str, int], ranked: list[str]) -> dict[str, float]:
    """Return the measures of one query by their formulas."""
    ranks = [rank for rank, document in enumerate(ranked, start=1) if document in gains]
    found = [gains.get(document, 0) for document in ranked[:10]]
    best = sorted(gains.values(), reverse=True)[:10]
    gained, possible = (sum(gain / math.log2(rank + 2) for rank, gain in enumerate(row)) for row in (found, best))
    precisions = [(n + 1) / rank for n, rank in enumerate(ranks) if rank <= 100]
    return {
        "ndcg@10": gained / possible,
        "mrr@10": next((1 / rank for rank in ranks if rank <= 10), 0.0),
        "map@100": sum(precisions) / len(gains),
        **{f"recall@{k}": sum(rank <= k for rank in ranks) / len(gains) for k in (1, 10, 100)},
    }


class TestRetrievalScores:
    def test_by_hand(self):
        qrels = {"q": {"a": 1, "b": 1, "c": 3}, "p": {"a": 1}}
        ranked = {"q": ["x", "a", "y", "c"], "p": ["a", "b"]}
        log3, log5 = math.log2(3), math.log2(5)
        assert retrieval_scores(qrels, ranked) == {
            "q": {
                # gains 0 1 0 3 of 3 1 1 at best
                "ndcg@10": pytest.approx((1 / log3 + 3 / log5) / (3 + 1 / log3 + 1 / 2)),
                "mrr@10": 0.5,
                "map@100": pytest.approx((1 / 2 + 2 / 4) / 3),
                "recall@1": 0.0,
                "recall@10": pytest.approx(2 / 3),
                "recall@100": pytest.approx(2 / 3),
            },
            "p": dict.fromkeys(MEASURES, 1.0),
        }

    @pytest.mark.parametrize(
        ("rank", "seen"),
        [
            (10, {"ndcg@10", "mrr@10", "map@100", "recall@10", "recall@100"}),
            (11, {"map@100", "recall@100"}),
            (101, set()),
        ],
    )
    def test_ranks_beyond_the_cutoff_do_not_count(self, rank, seen):
        ranked = [f"d{place}" for place in range(1, 151)]
        scores = retrieval_scores({"q": {f"d{rank}": 1}}, {"q": ranked})["q"]
        assert {name for name, value in scores.items() if value} == seen

    @given(st.data())
    def test_agrees_with_the_formulas(self, data):
        documents = [f"d{number}" for number in range(130)]
        qrels, ranked = {}, {}
        for query in data.draw(st.sets(st.sampled_from("qrst"), min_size=1)):
            ranked[query] = data.draw(st.randoms(use_true_random=False)).sample(
                documents, data.draw(st.integers(1, 120))
            )
            judged = st.sampled_from([*ranked[query][:15], *documents])
            qrels[query] = data.draw(st.dictionaries(judged, st.integers(1, 4), min_size=1, max_size=20))
        scores = retrieval_scores(qrels, ranked)
        assert scores.keys() == qrels.keys()
        for query, found in scores.items():
            assert found == pytest.approx(slow_scores(qrels[query], ranked[query]))

    def test_an_empty_ranking_scores_zero(self):
        assert retrieval_scores({"q": {"a": 1}}, {"q": []}) == {"q": dict.fromkeys(MEASURES, 0.0)}

    def test_rankings_of_other_queries_are_ignored(self):
        assert retrieval_scores({"q": {"a": 1}}, {"q": ["a"], "p": ["b"]}).keys() == {"q"}

    @pytest.mark.parametrize(
        ("qrels", "ranked", "message"),
        [
            ({}, {}, "0 of 0 queries"),
            ({"q": {"a": 1}, "p": {}}, {"q": ["a"], "p": ["a"]}, r"1 of 2 queries lack .*: \['p'\]"),
            ({"q": {"a": 1}, "p": {"a": 1}}, {"q": ["a"]}, r"1 of 2 queries lack .*: \['p'\]"),
        ],
    )
    def test_invalid_input_is_an_error(self, qrels, ranked, message):
        with pytest.raises(DataError, match=message):
            retrieval_scores(qrels, ranked)


def test_means_over_queries():
    first, second = dict.fromkeys(MEASURES, 1.0), {**dict.fromkeys(MEASURES, 0.0), "mrr@10": 0.5}
    assert mean_scores({"q": first, "p": second}) == {**dict.fromkeys(MEASURES, 0.5), "mrr@10": 0.75, "queries": 2}


def test_a_query_that_finds_nothing_scores_zero() -> None:
    assert retrieval_scores({"a": {"x": 1}, "b": {"y": 1}}, {"a": [], "b": ["y"]})["a"] == dict.fromkeys(MEASURES, 0.0)
