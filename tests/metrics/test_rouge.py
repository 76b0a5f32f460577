"""ROUGE against Google's package and hand-computed values; shares of n-grams by hand."""

import unicodedata

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
    score_summary,
)

WORDS = ["pebbles", "pebble", "sorted", "sorting", "valleys", "wet", "sieve", "the", "relational", "2001"]
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


TEXTS = {
    "Chinese": "我们提出一种新的方法。它比以前的方法更好。",
    "Japanese": "新しい手法を提案する。ページを読む。",
    "Thai": "เราเสนอวิธีใหม่ ผลลัพธ์ดีขึ้น",
    "Nepali": "हामी नयाँ विधि प्रस्ताव गर्छौं। यो राम्रो छ।",
    "Greek": "Προτείνουμε μια νέα μέθοδο. Είναι καλύτερη.",
    "Russian": "Мы предлагаем новый метод. Он лучше.",
    "Arabic": "نقترح طريقة جديدة. إنها أفضل.",
    "Korean": "우리는 새로운 방법을 제안한다. 더 낫다.",
}


@pytest.mark.parametrize("script", list(TEXTS))
def test_equal_texts_score_one_in_any_script(script):
    text = TEXTS[script]
    assert rouge_scores([text], text) == dict.fromkeys(ROUGE, 1.0)
    decomposed = unicodedata.normalize("NFD", text)
    assert rouge_scores([decomposed], text) == dict.fromkeys(ROUGE, 1.0)
    assert all(score < 0.2 for score in rouge_scores([text], "Pebbles are wet. They are round.").values())


def test_other_scripts_by_hand():
    found = rouge_scores(["新方法好"], "旧方法好")
    assert found["rouge1"] == pytest.approx(3 / 4)
    assert found["rouge2"] == pytest.approx(2 / 3)
    assert rouge_scores(["la méthode"], "la methode")["rouge1"] == pytest.approx(1 / 2)


REFERENCES = [["Pebbles are wet."], ["Sieves sort pebbles."], ["Sieves sort wet pebbles."]]


def test_several_references():
    text = "Sieves sort wet pebbles."
    row = {"target": REFERENCES[0], "references": REFERENCES}
    assert score_summary({**row, "scored_by": "best"}, text) == dict.fromkeys(ROUGE, 1.0)
    each = [rouge_scores(reference, text) for reference in REFERENCES]
    assert score_summary({**row, "scored_by": "mean"}, text) == {
        name: pytest.approx(sum(scores[name] for scores in each) / 3) for name in ROUGE
    }
    assert score_summary({"target": REFERENCES[0]}, text) == each[0]


def test_the_best_reference_is_that_of_the_highest_rouge1():
    references = [["a b c d"], ["d c b a x"]]  # the second has all words, but in another order
    best = score_summary({"target": references[0], "references": references, "scored_by": "best"}, "a b c e f")
    assert best == rouge_scores(references[0], "a b c e f")
    best = score_summary({"target": references[0], "references": references, "scored_by": "best"}, "a b c d x")
    assert best == rouge_scores(references[1], "a b c d x")
    assert best["rouge2"] == 0


class TestCachedTokenizer:
    tokenizer, plain = CachedTokenizer(), DefaultTokenizer(use_stemmer=True)

    @given(st.lists(st.text("abcdeginrsty", min_size=1, max_size=12), max_size=8).map(" ".join))
    def test_agrees_on_words(self, text):
        assert self.tokenizer.tokenize(text) == self.plain.tokenize(text)

    @given(st.text(st.characters(max_codepoint=127)))
    def test_agrees_on_ascii(self, text):
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
