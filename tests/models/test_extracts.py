"""Extractive summaries: properties of all methods, and hand-made cases of each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertrail.data.text import count_words
from papertrail.metrics.rouge import rouge_scores
from papertrail.models.extracts import EXTRACTORS, central_first, cosines, lead, lexrank, oracle, tfidf

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

    def test_a_source_without_sentences(self, method):  # the shortest article of the published data
        text = "colorlinks=true, linkcolor=blue, citecolor=blue, filecolor=magenta, urlcolor=blue\n\n\n2\n"
        assert method([text], 100) == text


class TestLead:
    @pytest.mark.parametrize(("words", "kept"), [(1, 1), (13, 1), (14, 2), (20, 3), (26, 3), (27, 4), (99, 4)])
    def test_takes_the_sentences_that_fit(self, words, kept):  # sentences of 6, 8, 6 and 7 words
        assert lead(SOURCE, words) == " ".join(SOURCE[:kept])

    def test_stops_at_the_first_that_does_not_fit(self):
        assert lead(["One two.", "Three four five six.", "Seven."], 3) == "One two."


STAR = ["Keepers drink tea.", "Wet pebbles roll.", "Round pebbles roll on wet sand.", "Sand is round."]


class TestLexrank:
    def test_takes_the_sentence_that_others_resemble(self):
        assert lexrank(STAR, 6) == STAR[2]

    def test_keeps_the_order_of_the_source(self):
        assert lexrank(STAR, 9) == " ".join(STAR[1:3])

    def test_without_a_central_sentence_the_order_decides(self):
        alone = ["Keepers drink tea.", "Pebbles roll.", "Sieves rust."]
        assert lexrank(alone, 5) == lead(alone, 5) == " ".join(alone[:2])

    def test_is_deterministic(self):
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
    def test_is_not_worse_than_the_baselines(self, reference, words):
        best = rouge_1_2(reference, oracle(SOURCE, reference, words))
        assert best > 0.3
        assert all(best >= rouge_1_2(reference, method(SOURCE, words)) for method in EXTRACTORS.values())

    def test_takes_exactly_the_sentences_of_the_reference(self):
        assert oracle(SOURCE, [SOURCE[3], SOURCE[1]], 100) == f"{SOURCE[1]} {SOURCE[3]}"
        assert oracle(SOURCE, [SOURCE[3]], 100) == SOURCE[3]

    def test_skips_a_sentence_that_does_not_fit(self):
        source = ["Wet pebbles roll.", "Long ago keepers sorted every single stone by hand.", "Keepers sorted."]
        reference = ["Wet pebbles roll.", "Keepers sorted every stone by hand."]
        assert oracle(source, reference, 100) == " ".join(source[:2])
        assert oracle(source[:1] + source[2:], reference, 5) == "Wet pebbles roll. Keepers sorted."
        assert oracle(source[:1] + source[2:], reference, 4) == "Wet pebbles roll."

    def test_takes_the_first_of_equals(self):
        assert oracle(["Tea is hot.", "Wet pebbles.", "Wet pebbles."], ["Wet pebbles."], 2) == "Wet pebbles."
        assert oracle(["Sand and wet.", "Wet and sand."], ["wet"], 3) == "Sand and wet."

    def test_nothing_in_common(self):
        assert oracle(SOURCE, ["Unheard."], 100) == oracle(SOURCE, [], 100) == SOURCE[0]

    @given(st.lists(sentences, min_size=1, max_size=6), st.lists(sentences, min_size=1, max_size=3), st.integers(1, 20))
    def test_is_not_worse_than_any_single_sentence(self, source, reference, words):
        best = max(rouge_1_2(reference, sentence) for sentence in source)
        assert rouge_1_2(reference, oracle(source, reference, words)) >= best - 1e-12


CHINESE = ["我们提出一种新的方法。", "它比以前的方法更好。", "这种新的方法很快。", "实验在两个数据集上进行。"]
NEPALI = ["हामी नयाँ विधि प्रस्ताव गर्छौं।", "यो विधि राम्रो छ।", "परिणाम राम्रो छ।"]


@pytest.mark.parametrize(("source", "words", "most"), [(CHINESE, 20, 2), (CHINESE, 12, 1), (NEPALI, 9, 2)])
def test_the_budget_holds_in_any_script(source: list[str], words: int, most: int) -> None:
    for extract in (lead, lexrank):
        text = extract(source, words)
        assert count_words(text) <= words
        assert 1 <= sum(sentence in text for sentence in source) <= most
    assert count_words(oracle(source, source[:1], words)) <= words


def test_sentences_with_common_words_are_central_in_any_script() -> None:
    assert central_first(CHINESE)[-1] == 3  # shares no more than a character or two with the others
    similar = cosines(tfidf(CHINESE))
    assert similar[0, 2] > similar[0, 3]
