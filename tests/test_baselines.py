"""Baselines against values worked out by hand and against their formulas written as plain loops."""

import logging
import math

import numpy as np
import pytest
from bm25s.stopwords import STOPWORDS_EN
from hypothesis import given
from hypothesis import strategies as st
from seqeval.scheme import IOB2, Entities

from scholar.baselines import bm25_scores, majority, memorised_mentions, tfidf_logistic, window_mentions
from scholar.errors import DataError

TEXTS = ["neural machine translation", "statistical machine translation", "constituency parsing", "dependency parsing"]
WORDS = ["parsing", "graph", "Graph", "neural", "the", "model", "a", "of", "tree"]
sentences = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), min_size=1, max_size=8)


def test_majority_gives_the_frequencies_of_training():
    np.testing.assert_array_equal(majority([0, 2, 2, 2], 4, 2), [[0.25, 0, 0.75, 0]] * 2)
    assert majority([0], 2, 0).shape == (0, 2)


@pytest.mark.parametrize("labels", [[], [0, 3], [-1], [np.nan]])
def test_training_labels_are_checked(labels):
    with pytest.raises(DataError, match=r"training labels must be in 0\.\.2"):
        majority(labels, 3, 1)


class TestTfidfLogistic:
    def test_learns_and_leaves_absent_classes_at_zero(self):
        labels = [1, 1, 3, 3]
        found = tfidf_logistic(TEXTS, labels, [*TEXTS, "translation", ""], 5, balanced=False, seed=0)
        assert found.shape == (6, 5)
        np.testing.assert_allclose(found.sum(axis=1), 1)
        assert found[:4].argmax(axis=1).tolist() == labels
        assert found[4].argmax() == 1
        assert not found[:, [0, 2, 4]].any()

    def test_the_same_twice_and_under_any_seed(self):
        first, second = (tfidf_logistic(TEXTS, [0, 1, 2, 2], TEXTS, 3, balanced=True, seed=seed) for seed in (0, 1))
        np.testing.assert_array_equal(first, second)

    def test_balanced_favours_the_rare_class(self):
        texts = ["parsing"] * 9 + ["parsing trees"]
        labels = [0] * 9 + [1]
        plain, balanced = (tfidf_logistic(texts, labels, ["trees"], 2, balanced=b, seed=0) for b in (False, True))
        assert balanced[0, 1] > plain[0, 1]

    def test_one_class_alone_is_certain(self):
        found = tfidf_logistic(TEXTS, [1, 1, 1, 1], ["anything"], 3, balanced=True, seed=0)
        np.testing.assert_array_equal(found, [[0, 1, 0]])

    def test_nothing_to_classify(self):
        assert tfidf_logistic(TEXTS, [0, 0, 1, 1], [], 2, balanced=False, seed=0).shape == (0, 2)

    def test_refuses_texts_without_words(self):
        with pytest.raises(DataError, match="none of 2 training texts holds a word"):
            tfidf_logistic(["", "a ?"], [0, 1], ["x"], 2, balanced=False, seed=0)


def slow_bm25(query: str, candidate: str, background: list[str]) -> float:
    def split(text: str) -> list[str]:
        return [word for word in text.lower().split() if len(word) > 1 and word not in STOPWORDS_EN]

    documents = [split(text) for text in set(background)]
    mean = sum(map(len, documents)) / len(documents)
    words, score = split(candidate), 0.0
    for word in split(query):
        df = sum(word in document for document in documents)
        idf = math.log(1 + (len(documents) - df + 0.5) / (df + 0.5))
        tf = words.count(word)
        score += idf * tf / (tf + 1.5 * (0.25 + 0.75 * len(words) / mean)) if tf else 0
    return score


class TestBm25:
    def test_by_hand(self):
        # N = 2, df = 1: idf = ln(1 + 1.5 / 1.5) = ln 2; every text is of mean length: tf / (tf + 1.5) = 0.4
        found = bm25_scores(["Graph of", "the graph"], ["graph model", "tree bank"], ["graph model", "tree bank"])
        np.testing.assert_allclose(found, [0.4 * math.log(2), 0])

    @given(sentences, sentences, st.data())
    def test_agrees_with_the_formula(self, queries, background, data):
        background = [*background, "tree model tree"]
        candidates = [data.draw(st.sampled_from(background)) for _ in queries]
        expected = [slow_bm25(q, c, background) for q, c in zip(queries, candidates, strict=True)]
        np.testing.assert_allclose(bm25_scores(queries, candidates, background), expected, atol=1e-12)

    def test_repeated_background_texts_count_once(self):
        queries, texts = ["graph tree", "tree"], ["graph tree", "tree bank bank"]
        np.testing.assert_array_equal(bm25_scores(queries, texts, texts * 5), bm25_scores(queries, texts, texts))

    def test_a_query_without_a_known_word_scores_zero(self):
        assert bm25_scores(["", "the of", "unheard"], ["graph"] * 3, ["graph", ""]).tolist() == [0, 0, 0]

    def test_no_pairs(self):
        assert bm25_scores([], [], ["graph"]).shape == (0,)

    def test_is_quiet(self, caplog):
        with caplog.at_level(logging.INFO):
            bm25_scores(["graph"], ["graph"], ["graph"])
        assert not caplog.records

    @pytest.mark.parametrize(
        ("queries", "candidates", "background", "message"),
        [
            (["graph"], ["tree"], ["graph"], "1 not in the background"),
            (["graph"], [], ["graph"], "1 queries, 0 candidates"),
            (["graph"], ["the"], ["the"], "none of 1 background texts holds a word"),
            ([], [], [], "none of 0 background texts"),
        ],
    )
    def test_refuses(self, queries, candidates, background, message):
        with pytest.raises(DataError, match=message):
            bm25_scores(queries, candidates, background)


class TestMemorisedMentions:
    def test_the_longest_known_sequence_wins(self):
        train = [["Smith", "et", "al.", "agree"], ["Smith", "agrees"]]
        tags = [["B-CITATION", "I-CITATION", "I-CITATION", "O"], ["B-CITATION", "O"]]
        found = memorised_mentions(train, tags, [["see", "Smith", "et", "al."], ["Smith", "et"], ["smith"], []])
        assert found == [["O", "B-CITATION", "I-CITATION", "I-CITATION"], ["B-CITATION", "O"], ["O"], []]

    def test_half_of_the_occurrences_are_enough_and_fewer_are_not(self):
        train = [["Table", "Table"], ["Smith", "Smith", "Smith"]]
        tags = [["B-FIGURE", "O"], ["B-CITATION", "O", "O"]]
        assert memorised_mentions(train, tags, [["Table", "Smith"]]) == [["B-FIGURE", "O"]]

    def test_the_end_of_a_sentence_counts_an_occurrence_once(self):
        # 'Smith' is a mention in 1 of 2 occurrences of its own and begins a longer one: 1 of 3 if ends counted twice
        train = [["Smith"], ["Smith", "et", "al."]]
        tags = [["B-A"], ["B-A", "I-A", "I-A"]]
        assert memorised_mentions(train, tags, [["Smith", "said"]]) == [["B-A", "O"]]

    def test_the_most_frequent_type_and_of_equals_the_first_in_the_alphabet(self):
        train = [["x"], ["x"], ["x"], ["y"], ["y"]]
        tags = [["B-A"], ["B-B"], ["B-B"], ["B-B"], ["B-A"]]
        assert memorised_mentions(train, tags, [["x", "y"]]) == [["B-B", "B-A"]]

    def test_mentions_side_by_side_stay_apart(self):
        assert memorised_mentions([["x"]], [["B-A"]], [["x", "x"]]) == [["B-A", "B-A"]]

    def test_nothing_learnt_nothing_tagged(self):
        assert memorised_mentions([], [], [["x"]]) == [["O"]]
        assert memorised_mentions([["x"]], [["O"]], [["x"]]) == [["O"]]

    @given(st.lists(st.lists(st.sampled_from("xyz"), min_size=1, max_size=5), max_size=5))
    def test_sentences_that_are_one_mention_each_are_found_again(self, spans):
        tags = [["B-A"] + ["I-A"] * (len(span) - 1) for span in spans]
        distinct = [["<", *span, ">"] for span in spans]
        marked = [["B-A", *["I-A"] * (len(span) + 1)] for span in spans]
        assert memorised_mentions(distinct, marked, distinct) == marked
        assert [len(s) for s in memorised_mentions(spans, tags, spans)] == [len(s) for s in spans]

    def test_refuses_tags_that_do_not_fit(self):
        with pytest.raises(DataError, match="differ in number or length"):
            memorised_mentions([["x", "y"]], [["O"]], [])


TAGS = ["O", "B-A", "I-A", "B-B", "I-B"]
tagged_tokens = st.lists(st.tuples(st.sampled_from(["x", "X1", ".", "yz"]), st.sampled_from(TAGS)), max_size=5)


def tag_figures(numbers: range) -> tuple[list[list[str]], list[list[str]]]:
    """Sentences that differ by their number, with what in them is a mention."""
    tokens = [words for n in numbers for words in (["see", "Figure", str(n), "."], ["in", str(n), "of", "ten", "runs"])]
    return tokens, [["O", "B-FIGURE", "I-FIGURE", "O"], ["O"] * 5] * len(numbers)


class TestWindowMentions:
    def test_shapes_find_what_was_never_seen(self):
        train, tags = tag_figures(range(1, 6))
        unseen, expected = tag_figures(range(7, 10))
        assert window_mentions(train, tags, unseen) == expected
        found = memorised_mentions(train, tags, unseen)
        assert found == [["O"] * len(sentence) for sentence in unseen]

    def test_neighbours_decide_what_the_token_does_not(self):
        train = [["by", "Smith", "x"], ["in", "Smith", "x"]] * 3
        tags = [["O", "B-NAME", "O"], ["O", "B-PLACE", "O"]] * 3
        assert window_mentions(train, tags, [["in", "Jones"], ["by", "Jones"]]) == [["O", "B-PLACE"], ["O", "B-NAME"]]

    def test_edges_of_sentences_are_seen(self):
        train, tags = [["x", "x", "x", "x", "x", "x"]] * 3, [["B-FIRST", "O", "O", "O", "O", "B-LAST"]] * 3
        assert window_mentions(train, tags, train) == tags

    @given(st.lists(tagged_tokens, max_size=5), st.lists(st.lists(st.sampled_from(["x", "X1", "q"]), max_size=4)))
    def test_every_tag_belongs_to_a_mention_read_strictly(self, train, tokens):
        words, tags = ([[pair[n] for pair in sentence] for sentence in train] for n in range(2))
        found = window_mentions(words, tags, tokens)
        assert [len(sentence) for sentence in found] == [len(sentence) for sentence in tokens]
        for sentence, mentions in zip(found, Entities(found, IOB2).entities, strict=True):
            read = ["O"] * len(sentence)
            for mention in mentions:
                inside = [f"I-{mention.tag}"] * (mention.end - mention.start - 1)
                read[mention.start : mention.end] = [f"B-{mention.tag}", *inside]
            assert read == sentence

    def test_an_inside_without_its_beginning_begins_a_mention(self):
        train, tags = [["figure", "2"], ["so"]] * 5, [["B-A", "I-A"], ["O"]] * 5
        assert window_mentions(train, tags, [["so", "2", "2"]])[0][1:] == ["B-A", "I-A"]

    def test_the_same_again(self):
        train, tags = tag_figures(range(1, 6))
        tokens = [["see", "Table", "7"], ["Figure", "ten"], []]
        assert window_mentions(train, tags, tokens) == window_mentions(train, tags, tokens)

    def test_nothing_or_one_tag_learnt(self):
        assert window_mentions([], [], [["x"], []]) == [["O"], []]
        assert window_mentions([["x"]], [["O"]], [["x", "y"]]) == [["O", "O"]]
        assert window_mentions([["x"]], [["B-A"]], [["x", "y"]]) == [["B-A", "B-A"]]
        assert window_mentions([["x"]], [["I-A"]], [["x", "y"]]) == [["B-A", "I-A"]]

    def test_nothing_to_tag(self):
        train, tags = tag_figures(range(1, 3))
        assert window_mentions(train, tags, []) == []
        assert window_mentions(train, tags, [[]]) == [[]]

    @pytest.mark.parametrize(("tokens", "tags"), [([["x", "y"]], [["O"]]), ([["x"]], [])])
    def test_refuses_tags_that_do_not_fit(self, tokens, tags):
        with pytest.raises(DataError, match="differ in number or length"):
            window_mentions(tokens, tags, [])
