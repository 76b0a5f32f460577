"""BM25, top and fusion: against values by hand and against plain loops."""

import logging
import math

import numpy as np
import pytest
from bm25s.stopwords import STOPWORDS_EN
from hypothesis import given
from hypothesis import strategies as st

from papertrail.core.errors import DataError
from papertrail.models.ranking import bm25_pair_scores, bm25_ranking, bm25_scores, fuse, top

WORDS = ["parsing", "graph", "Graph", "neural", "the", "model", "a", "of", "tree"]
texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), min_size=1, max_size=8)
# few distinct scores, so that ties are common
score_rows = st.integers(1, 12).flatmap(
    lambda width: st.lists(st.lists(st.integers(-2, 3), min_size=width, max_size=width), min_size=1, max_size=4)
)


def slow_bm25(query: str, document: str, documents: list[str]) -> float:
    """The formula of bm25_scores as a loop."""

    def split(text: str) -> list[str]:
        return [word for word in text.lower().split() if len(word) > 1 and word not in STOPWORDS_EN]

    collection = [split(text) for text in documents]
    mean = sum(map(len, collection)) / len(collection)
    words, score = split(document), 0.0
    for word in split(query):
        df = sum(word in other for other in collection)
        idf = math.log(1 + (len(collection) - df + 0.5) / (df + 0.5))
        tf = words.count(word)
        score += idf * tf / (tf + 1.5 * (0.25 + 0.75 * len(words) / mean)) if tf else 0
    return score


class TestBm25Scores:
    def test_by_hand(self):
        # N = 2, df = 1: idf = ln(1 + 1.5 / 1.5) = ln 2; both texts have the mean length: tf / (tf + 1.5) = 0.4
        found = bm25_scores(["Graph of"], ["graph model", "tree bank"])
        np.testing.assert_allclose(found, [[0.4 * math.log(2), 0]])

    @given(texts, texts)
    def test_agrees_with_the_formula(self, queries, documents):
        documents = [*documents, "tree model bank"]
        expected = [[slow_bm25(query, document, documents) for document in documents] for query in queries]
        np.testing.assert_allclose(bm25_scores(queries, documents), expected, atol=1e-12)

    @pytest.mark.parametrize("query", ["", "  ", "the of", "unheard", "?!"])
    def test_a_query_without_a_known_word_scores_zero(self, query):
        found = bm25_scores([query, "graph"], ["graph tree", "", "model"])
        assert not found[0].any()
        assert found[1].tolist() == [found[1, 0], 0, 0] and found[1, 0] > 0

    def test_every_occurrence_in_a_long_query_counts(self):
        documents = ["graph tree", "neural model", "tree bank"]
        short, long = bm25_scores(["graph tree", "graph tree " * 5000], documents)
        np.testing.assert_allclose(long, 5000 * short)

    def test_equal_documents_score_equally(self):
        first, other, again = bm25_scores(["graph"], ["graph tree", "tree bank", "graph tree"])[0]
        assert first == again > other == 0

    def test_no_queries(self):
        assert bm25_scores([], ["graph", "tree"]).shape == (0, 2)

    def test_logs_nothing(self, caplog, capfd):
        with caplog.at_level(logging.INFO):
            bm25_scores(["graph"], ["graph"])
        assert not caplog.records
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("documents", [[], [""], ["the", "of a"]])
    def test_documents_without_words_are_an_error(self, documents):
        with pytest.raises(DataError, match=f"none of {len(documents)} documents has a word"):
            bm25_scores(["graph"], documents)


class TestBm25PairScores:
    @given(texts, texts, st.data())
    def test_are_those_of_the_matrix(self, queries, background, data):
        background = [*background, "tree model tree"]
        documents = list(dict.fromkeys(background))
        candidates = [data.draw(st.sampled_from(documents)) for _ in queries]
        matrix = bm25_scores(queries, documents)
        expected = [matrix[row, documents.index(candidate)] for row, candidate in enumerate(candidates)]
        assert bm25_pair_scores(queries, candidates, background).tolist() == expected

    def test_repeated_background_texts_count_once(self):
        queries, pair = ["graph tree", "tree"], ["graph tree", "tree bank bank"]
        repeated, once = bm25_pair_scores(queries, pair, pair * 5), bm25_pair_scores(queries, pair, pair)
        np.testing.assert_array_equal(repeated, once)

    def test_a_query_without_a_known_word_scores_zero(self):
        assert bm25_pair_scores(["", "the of", "unheard"], ["graph"] * 3, ["graph", ""]).tolist() == [0, 0, 0]

    def test_no_pairs(self):
        assert bm25_pair_scores([], [], ["graph"]).shape == (0,)

    @pytest.mark.parametrize(
        ("queries", "candidates", "background", "message"),
        [
            (["graph"], ["tree"], ["graph"], "1 not in the background"),
            (["graph"], [], ["graph"], "1 queries, 0 candidates"),
            (["graph"], ["the"], ["the"], "none of 1 documents has a word"),
            ([], [], [], "none of 0 documents"),
        ],
    )
    def test_wrong_pairs_are_an_error(self, queries, candidates, background, message):
        with pytest.raises(DataError, match=message):
            bm25_pair_scores(queries, candidates, background)


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

    def test_a_large_constant_favours_agreement_over_first_ranks(self):
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


def test_bm25_ranks_only_documents_that_share_a_word() -> None:
    documents = ["stones and rivers", "parsing trees", "trees of rivers"]
    ranked = bm25_ranking(["rivers", "nothing known here", ""], documents, 3)
    assert ranked[0].tolist() in ([0, 2, -1], [2, 0, -1])
    assert ranked[1:].tolist() == [[-1, -1, -1]] * 2


def test_fusion_ignores_empty_ranks() -> None:
    positions, scores = fuse([np.array([[2, -1, -1]]), np.array([[1, 2, 0]])], 60, 3, 4)
    assert positions.tolist() == [[2, 1, 0]]
    assert scores[0] == pytest.approx([1 / 61 + 1 / 62, 1 / 61, 1 / 63])
