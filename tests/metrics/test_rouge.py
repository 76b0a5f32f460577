"""ROUGE against Google's package and hand-computed values; shares of n-grams by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from papertrail.core.errors import DataError
from papertrail.metrics.rouge import (
    ROUGE,
    CachedTokenizer,
    mean_scores,
    new_bigrams,
    repeated_trigrams,
    rouge_scores,
    score_summaries,
)

WORDS = ["pebbles", "pebble", "sorted", "sorting", "valleys", "wet", "sieve", "the", "relational", "2001", "Größe"]
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(lambda words: "So " + " ".join(words) + ".")


class TestRouge:
    @given(st.lists(sentences, max_size=4), st.lists(sentences, max_size=4))
    def test_agrees_with_the_package(self, reference, summary):
        expected = RougeScorer(ROUGE, use_stemmer=True).score("\n".join(reference), "\n".join(summary))
        assert rouge_scores(reference, " ".join(summary)) == {name: expected[name].fmeasure for name in ROUGE}

    def test_by_hand(self):
        found = rouge_scores(["Pebbles are wet.", "Sieves sort them."], "Sieves sorted them. Pebbles dry.")
        assert found == {
            "rouge1": pytest.approx(8 / 11),  # sieve sort them pebbl: 4 of 5 and 4 of 6
            "rouge2": pytest.approx(4 / 9),  # sieve-sort sort-them: 2 of 4 and 2 of 5
            "rougeL": pytest.approx(6 / 11),  # sieve sort them: 3 of 5 and 3 of 6
            "rougeLsum": pytest.approx(8 / 11),  # pebbl of the first sentence, three words of the second
        }

    @pytest.mark.parametrize("text", ["", "  ", "...", "一二三"])
    def test_empty_texts_score_zero(self, text):
        nothing = dict.fromkeys(ROUGE, 0.0)
        assert rouge_scores(["Pebbles are wet."], text) == nothing
        assert rouge_scores([text], "Pebbles are wet.") == nothing
        assert rouge_scores([], text) == nothing


class TestCachedTokenizer:
    tokenizer, plain = CachedTokenizer(), DefaultTokenizer(use_stemmer=True)

    @given(st.lists(st.text("abcdeginrsty", min_size=1, max_size=12), max_size=8).map(" ".join))
    def test_agrees_on_words(self, text):
        assert self.tokenizer.tokenize(text) == self.plain.tokenize(text)

    @given(st.text())
    def test_agrees_on_any_text(self, text):
        assert self.tokenizer.tokenize(text) == self.plain.tokenize(text)

    def test_stems_a_word_once(self):
        tokenizer = CachedTokenizer()
        tokenizer.tokenize("pebbles sorted pebbles")
        assert tokenizer.tokenize("Pebbles, sorting!") == ["pebbl", "sort"]
        assert tokenizer._stemmer.stem.cache_info().misses == 3  # pebbles sorted sorting


class TestShares:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("wet pebbles roll", 1 / 2),  # pebbles-roll is new
            ("Wet PEBBLES", 0),
            ("dry stones roll", 1),
            ("a b a b wet pebbles", 3 / 4),  # a-b counts once, with b-a and b-wet
            ("pebbles", 0),
            ("", 0),
        ],
    )
    def test_new_bigrams(self, text, expected):
        assert new_bigrams(["We like wet pebbles", "and tea"], text) == expected

    def test_bigrams_across_sentences_of_the_source_are_not_new(self):
        assert new_bigrams(["wet pebbles", "roll"], "pebbles roll") == 0
        assert new_bigrams([], "pebbles roll") == 1

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a b c A B C", 1 / 4),  # abc bca cab abc
            ("a a a a a", 2 / 3),
            ("a b c d", 0),
            ("a b a b", 0),
            ("a b", 0),
            ("", 0),
        ],
    )
    def test_repeated_trigrams(self, text, expected):
        assert repeated_trigrams(text) == pytest.approx(expected)


ROWS = [
    {"source": ["Wet pebbles roll ."], "target": ["Pebbles roll ."]},
    {"source": ["Tea ."], "target": ["Tea ."]},
]


class TestScoreSummaries:
    def test_each_paper_and_the_mean(self):
        first, second = score_summaries(ROWS, ["Pebbles roll . Pebbles roll .", ""])
        assert first == {
            "rouge1": pytest.approx(2 / 3),  # 2 of 4 words, 2 of 2
            "rouge2": pytest.approx(1 / 2),  # 1 of 3 bigrams, 1 of 1
            "rougeL": pytest.approx(2 / 3),
            "rougeLsum": pytest.approx(2 / 3),
            "new_bigrams": pytest.approx(1 / 3),  # .-pebbles beside pebbles-roll and roll-.
            "repeated_trigrams": pytest.approx(1 / 4),
            "words": 6,
        }
        assert second == dict.fromkeys(first, 0)
        assert mean_scores([first, second]) == pytest.approx({name: value / 2 for name, value in first.items()})

    @pytest.mark.parametrize(("rows", "texts"), [([], []), (ROWS, ["one"]), ([], ["one"]), (ROWS[:1], ["one", "two"])])
    def test_other_lengths_are_an_error(self, rows, texts):
        with pytest.raises(DataError, match=f"{len(rows)} papers but {len(texts)} summaries"):
            score_summaries(rows, texts)
