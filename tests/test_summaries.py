"""ROUGE against Google's package, extracts against what they promise, shares of n-grams worked out by hand."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from scholar.errors import DataError
from scholar.summaries import (
    EXTRACTORS,
    ROUGE,
    CachedTokenizer,
    lead,
    lexrank,
    mean_scores,
    new_bigrams,
    oracle,
    repeated_trigrams,
    rouge_scores,
    score_summaries,
)

WORDS = ["pebbles", "pebble", "sorted", "sorting", "valleys", "wet", "sieve", "the", "relational", "2001", "Größe"]
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(lambda words: "So " + " ".join(words) + ".")
SOURCE = [
    "Valley 3 lies between two rivers.",
    "The sieve sorts wet pebbles by their edges.",
    "Keepers of the valley drink tea.",
    "It finds nine of ten round pebbles.",
]
METHODS = {**EXTRACTORS, "oracle": lambda source, words: oracle(source, ["the wet sieve sorted pebbles"], words)}


def rouge_1_2(reference: list[str], text: str) -> float:
    scores = rouge_scores(reference, text)
    return scores["rouge1"] + scores["rouge2"]


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
    def test_nothing_to_compare(self, text):
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


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
class TestEveryExtract:
    @given(st.lists(sentences, min_size=1, max_size=7), st.integers(1, 30))
    def test_whole_sentences_in_order_within_the_budget(self, method, source, words):
        source = [f"{number} {sentence}" for number, sentence in enumerate(source)]
        text = method(source, words)
        chosen = [sentence for sentence in source if sentence in text]
        assert text == " ".join(chosen)
        assert len(chosen) == 1 or (chosen and len(text.split()) <= words)

    def test_a_first_sentence_beyond_the_budget(self, method):
        assert method(SOURCE[1:2], 3) == SOURCE[1]

    def test_one_sentence(self, method):
        assert method(["Pebbles are wet."], 100) == "Pebbles are wet."

    @pytest.mark.parametrize("source", [["..."], ["!", "?"], ["a", "b c"], ["", ""]])
    def test_sentences_without_a_word(self, method, source):
        assert method(source, 100) in (" ".join(source), source[0])

    def test_no_sentence(self, method):
        assert method([], 100) == ""

    def test_repeated_sentences(self, method):
        assert method(["Wet pebbles roll."] * 5, 6) in ("Wet pebbles roll. Wet pebbles roll.", "Wet pebbles roll.")

    def test_the_shortest_article(self, method, repo):
        file = repo / "../shared/data/summarization/article_abstract.jsonl.gz"
        if not file.exists():
            pytest.skip(f"{file} is not there")
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            text = min((json.loads(line)["article_text"] for line in lines), key=lambda text: len(text.split()))
        assert len(text.split()) == 6
        assert method([text], 100) == text  # colorlinks=true, linkcolor=blue, ...


class TestLead:
    @pytest.mark.parametrize(("words", "kept"), [(1, 1), (13, 1), (14, 2), (20, 3), (26, 3), (27, 4), (99, 4)])
    def test_takes_what_fits(self, words, kept):  # sentences of 6, 8, 6 and 7 words
        assert lead(SOURCE, words) == " ".join(SOURCE[:kept])

    def test_stops_at_the_first_that_does_not_fit(self):
        assert lead(["One two.", "Three four five six.", "Seven."], 3) == "One two."


STAR = ["Keepers drink tea.", "Wet pebbles roll.", "Round pebbles roll on wet sand.", "Sand is round."]


class TestLexrank:
    def test_takes_the_sentence_that_others_resemble(self):
        assert lexrank(STAR, 6) == STAR[2]

    def test_keeps_the_order_of_the_source(self):
        assert lexrank(STAR, 9) == " ".join(STAR[1:3])

    def test_falls_back_to_the_order_where_none_is_central(self):
        alone = ["Keepers drink tea.", "Pebbles roll.", "Sieves rust."]
        assert lexrank(alone, 5) == lead(alone, 5) == " ".join(alone[:2])

    def test_the_same_twice(self):
        assert lexrank(SOURCE, 14) == lexrank(SOURCE, 14)


class TestOracle:
    @pytest.mark.parametrize(
        "reference",
        [
            ["A sieve sorts wet pebbles.", "Nine of ten round pebbles are found."],
            ["It finds round pebbles."],
            ["Keepers drink tea."],
        ],
    )
    @pytest.mark.parametrize("words", [7, 15, 40])
    def test_is_not_below_the_methods(self, reference, words):
        best = rouge_1_2(reference, oracle(SOURCE, reference, words))
        assert best > 0.3
        assert all(best >= rouge_1_2(reference, method(SOURCE, words)) for method in EXTRACTORS.values())

    def test_finds_the_sentences_of_the_reference_and_no_more(self):
        assert oracle(SOURCE, [SOURCE[3], SOURCE[1]], 100) == f"{SOURCE[1]} {SOURCE[3]}"
        assert oracle(SOURCE, [SOURCE[3]], 100) == SOURCE[3]

    def test_passes_over_a_sentence_that_does_not_fit(self):
        source = ["Wet pebbles roll.", "Long ago keepers sorted every single stone by hand.", "Keepers sorted."]
        reference = ["Wet pebbles roll.", "Keepers sorted every stone by hand."]
        assert oracle(source, reference, 100) == " ".join(source[:2])
        assert oracle(source[:1] + source[2:], reference, 5) == "Wet pebbles roll. Keepers sorted."
        assert oracle(source[:1] + source[2:], reference, 4) == "Wet pebbles roll."

    def test_of_equals_the_first(self):
        assert oracle(["Tea is hot.", "Wet pebbles.", "Wet pebbles."], ["Wet pebbles."], 2) == "Wet pebbles."
        assert oracle(["Sand and wet.", "Wet and sand."], ["wet"], 3) == "Sand and wet."

    def test_nothing_in_common(self):
        assert oracle(SOURCE, ["Unheard."], 100) == oracle(SOURCE, [], 100) == SOURCE[0]

    @given(st.lists(sentences, min_size=1, max_size=6), st.lists(sentences, min_size=1, max_size=3), st.integers(1, 20))
    def test_is_not_below_any_sentence_alone(self, source, reference, words):
        best = max(rouge_1_2(reference, sentence) for sentence in source)
        assert rouge_1_2(reference, oracle(source, reference, words)) >= best - 1e-12


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
    def test_refuses_other_lengths(self, rows, texts):
        with pytest.raises(DataError, match=f"{len(rows)} papers but {len(texts)} summaries"):
            score_summaries(rows, texts)
