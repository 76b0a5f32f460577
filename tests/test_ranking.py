"""Rankings against values worked out by hand, against plain loops, and against the BM25 of scholar.baselines."""

import logging
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scholar.baselines import bm25_scores as paired_bm25_scores
from scholar.errors import DataError
from scholar.ranking import MEASURES, bm25_ranking, bm25_scores, fuse, mean_scores, retrieval_scores, top

WORDS = ["parsing", "graph", "Graph", "neural", "the", "model", "a", "of", "tree"]
texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), min_size=1, max_size=8)
# few distinct scores, so that ties are common
score_rows = st.integers(1, 12).flatmap(
    lambda width: st.lists(st.lists(st.integers(-2, 3), min_size=width, max_size=width), min_size=1, max_size=4)
)


class TestBm25:
    @given(texts, texts)
    def test_agrees_with_the_baseline_pair_by_pair(self, queries, documents):
        documents = list(dict.fromkeys([*documents, "tree model bank"]))  # the baseline counts repeated texts once
        found = bm25_scores(queries, documents)
        assert found.shape == (len(queries), len(documents))
        for query, scores in zip(queries, found, strict=True):
            expected = paired_bm25_scores([query] * len(documents), documents, documents)
            np.testing.assert_allclose(scores, expected, atol=1e-12)

    @pytest.mark.parametrize("query", ["", "  ", "the of", "unheard", "?!"])
    def test_a_query_without_a_known_word_scores_zero(self, query):
        found = bm25_scores([query, "graph"], ["graph tree", "", "model"])
        assert not found[0].any()
        assert found[1].tolist() == [found[1, 0], 0, 0] and found[1, 0] > 0

    def test_a_query_of_10_000_words_counts_each_of_them(self):
        documents = ["graph tree", "neural model", "tree bank"]
        short, long = bm25_scores(["graph tree", "graph tree " * 5000], documents)
        np.testing.assert_allclose(long, 5000 * short)

    def test_equal_documents_score_equally(self):
        first, other, again = bm25_scores(["graph"], ["graph tree", "tree bank", "graph tree"])[0]
        assert first == again > other == 0

    def test_no_queries(self):
        assert bm25_scores([], ["graph", "tree"]).shape == (0, 2)

    def test_is_quiet(self, caplog, capfd):
        with caplog.at_level(logging.INFO):
            bm25_scores(["graph"], ["graph"])
        assert not caplog.records
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("documents", [[], [""], ["the", "of a"]])
    def test_refuses_documents_without_words(self, documents):
        with pytest.raises(DataError, match=f"none of {len(documents)} documents holds a word"):
            bm25_scores(["graph"], documents)


class TestTop:
    def test_by_hand(self):
        order, scores = top(np.array([[0.1, 0.9, 0.9, 0.3], [0.0, 0.0, -1.0, 0.5]]), 3)
        assert order.tolist() == [[1, 2, 3], [3, 0, 1]]
        assert scores.tolist() == [[0.9, 0.9, 0.3], [0.5, 0.0, 0.0]]

    @given(score_rows, st.data())
    def test_agrees_with_a_sort_and_gives_ties_to_the_first(self, rows, data):
        depth = data.draw(st.integers(1, len(rows[0])))
        order, scores = top(np.array(rows, dtype=np.float32), depth)
        for row, places, values in zip(rows, order.tolist(), scores.tolist(), strict=True):
            assert places == sorted(range(len(row)), key=lambda place: (-row[place], place))[:depth]
            assert values == [row[place] for place in places]


def slow_fusion(rankings: list[list[int]], constant: int, documents: int) -> list[tuple[int, float]]:
    scores = dict.fromkeys(range(documents), 0.0)
    for ranking in rankings:
        for rank, document in enumerate(ranking, start=1):
            scores[document] += 1 / (constant + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


class TestFuse:
    def test_by_hand(self):
        order, scores = fuse([np.array([[0, 1]]), np.array([[1, 3]])], 60, 3, 4)
        # 1 is second and first; 0 is first in one; 3 is second in one; 2 is nowhere
        assert order.tolist() == [[1, 0, 3]]
        np.testing.assert_allclose(scores, [[1 / 62 + 1 / 61, 1 / 61, 1 / 62]])

    def test_the_constant_weighs_agreement_against_first_places(self):
        rankings = [np.array([[0, 2, 1]]), np.array([[3, 4, 1]])]
        assert fuse(rankings, 60, 1, 5)[0].tolist() == [[1]]  # 2 / 63 > 1 / 61
        assert fuse(rankings, 0, 1, 5)[0].tolist() == [[0]]  # 2 / 3 < 1 / 1

    @given(st.integers(1, 9), st.integers(1, 3), st.integers(0, 60), st.data())
    def test_agrees_with_a_loop(self, documents, queries, constant, data):
        rankings = []
        for _ in range(data.draw(st.integers(1, 3))):
            ranks = data.draw(st.integers(1, documents))
            rankings.append([data.draw(st.permutations(range(documents)))[:ranks] for _ in range(queries)])
        depth = data.draw(st.integers(1, documents))
        order, scores = fuse([np.array(ranking) for ranking in rankings], constant, depth, documents)
        assert order.shape == scores.shape == (queries, depth)
        for query in range(queries):
            expected = slow_fusion([ranking[query] for ranking in rankings], constant, documents)[:depth]
            assert list(zip(order[query].tolist(), scores[query].tolist(), strict=True)) == expected


def slow_scores(gains: dict[str, int], ranked: list[str]) -> dict[str, float]:
    """The measures of one query as their formulas say."""
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
    def test_what_lies_beyond_a_cutoff_does_not_count(self, rank, seen):
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

    def test_a_ranking_that_holds_nothing_scores_zero(self):
        assert retrieval_scores({"q": {"a": 1}}, {"q": []}) == {"q": dict.fromkeys(MEASURES, 0.0)}

    def test_rankings_of_other_queries_do_not_matter(self):
        assert retrieval_scores({"q": {"a": 1}}, {"q": ["a"], "p": ["b"]}).keys() == {"q"}

    @pytest.mark.parametrize(
        ("qrels", "ranked", "message"),
        [
            ({}, {}, "0 of 0 queries"),
            ({"q": {"a": 1}, "p": {}}, {"q": ["a"], "p": ["a"]}, r"1 of 2 queries lack .*: \['p'\]"),
            ({"q": {"a": 1}, "p": {"a": 1}}, {"q": ["a"]}, r"1 of 2 queries lack .*: \['p'\]"),
        ],
    )
    def test_refuses(self, qrels, ranked, message):
        with pytest.raises(DataError, match=message):
            retrieval_scores(qrels, ranked)


def test_means_over_queries():
    first, second = dict.fromkeys(MEASURES, 1.0), {**dict.fromkeys(MEASURES, 0.0), "mrr@10": 0.5}
    assert mean_scores({"q": first, "p": second}) == {**dict.fromkeys(MEASURES, 0.5), "mrr@10": 0.75, "queries": 2}


def test_bm25_ranks_only_what_shares_a_word() -> None:
    documents = ["stones and rivers", "parsing trees", "trees of rivers"]
    ranked = bm25_ranking(["rivers", "nothing known here", ""], documents, 3)
    assert ranked[0].tolist() in ([0, 2, -1], [2, 0, -1])
    assert ranked[1:].tolist() == [[-1, -1, -1]] * 2


def test_fusion_gives_nothing_for_no_document() -> None:
    positions, scores = fuse([np.array([[2, -1, -1]]), np.array([[1, 2, 0]])], 60, 3, 4)
    assert positions.tolist() == [[2, 1, 0]]
    assert scores[0] == pytest.approx([1 / 61 + 1 / 62, 1 / 61, 1 / 63])


def test_a_query_that_finds_nothing_scores_zero() -> None:
    assert retrieval_scores({"a": {"x": 1}, "b": {"y": 1}}, {"a": [], "b": ["y"]})["a"] == dict.fromkeys(MEASURES, 0.0)
