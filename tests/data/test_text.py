"""Normalised texts, years and sentences."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertrail.data.text import (
    count_words,
    find_year,
    normalise_title,
    sentence_bounds,
    split_sentences,
    squash,
    to_id,
    tokenize,
)


def test_squash_keeps_letters_and_digits_of_all_scripts() -> None:
    assert squash("Größe-α 2: 词 汇") == "grosseα2词汇"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2019, 2019),
        ("2019a", 2019),
        ("May 1999, 2001", 1999),
        ("soon", None),
        (None, None),
        ("", None),
        ("20191", None),
    ],
)
def test_years(value: object, expected: int | None) -> None:
    assert find_year(value) == expected


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("BERT: Pre-training", "bert pre training"),
        ("  A\tb ", "a b"),
        ("Größe 2!", "größe 2"),
        ("...", ""),
        ("", ""),
        ("Cafe\u0301 No", "café no"),
        ("नेपाली भाषा", "नेपाली भाषा"),
    ],
)
def test_normalised_titles(title: str, expected: str) -> None:
    assert normalise_title(title) == expected


def test_a_boundary_inside_a_span_is_ignored() -> None:
    text = "It was shown. By Adler. Then it was known."
    assert list(sentence_bounds(text, [])) == [(0, 14), (14, 24), (24, 42)]
    assert list(sentence_bounds(text, [(7, 22)])) == [(0, 24), (24, 42)]
    assert list(sentence_bounds(text, [(0, 14), (14, 17)])) == [(0, 14), (14, 24), (24, 42)]
    assert list(sentence_bounds("", [])) == []


@given(
    st.lists(st.sampled_from(["It was shown.", "Why?", "By Adler", "et al.", "Fig. 2", "..."]), min_size=1).map(
        " ".join
    ),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=4),
)
def test_sentences_cover_the_text_and_no_boundary_is_inside_a_span(text: str, drawn: list[tuple[int, int]]) -> None:
    spans = [(start, min(start + length, len(text))) for start, length in drawn]
    bounds = list(sentence_bounds(text, spans))
    assert [start for start, _ in bounds] == [0, *(end for _, end in bounds[:-1])]
    assert bounds[-1][1] == len(text)
    assert not any(first < end < last for _, end in bounds for first, last in spans)


def test_split_sentences_have_single_spaces() -> None:
    assert split_sentences("Stones\n are  old. Do they roll?\n\n \n\nYes. ") == [
        "Stones are old.",
        "Do they roll?",
        "Yes.",
    ]
    assert split_sentences(" \n") == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((value, "0") for value in (0, 0.0, "0", "0.0", " 0 ")),
        *((value, "2000") for value in (2000, 2000.0, "2000", "2000.0")),
        *((value, None) for value in (None, float("nan"), "", " ", "nan", "NaN", "<NA>")),
        (1.5, "1.5"),
        ("1905.10", "1905.10"),
        ("v1.0", "v1.0"),
        ("null", "null"),
        ("e\u0301", "é"),
        (-3.0, "-3"),
    ],
)
def test_ids_have_one_spelling(value: object, expected: str | None) -> None:
    assert to_id(value) == expected


@pytest.mark.parametrize("value", [True, ["a"], {"a": 1}])
def test_other_values_are_no_ids(value: object) -> None:
    with pytest.raises(TypeError, match="expected a text or a number"):
        to_id(value)


@given(st.text(st.characters(max_codepoint=127)))
def test_tokens_and_words_of_ascii(text: str) -> None:
    assert tokenize(text) == re.findall("[a-z0-9]+", text.lower())
    assert count_words(text) == len(text.split())


@pytest.mark.parametrize(
    ("text", "tokens", "words"),
    [
        ("新方法。很好", ["新", "方", "法", "很", "好"], 5),
        ("Größe x²", ["größe", "x²"], 2),
        ("नयाँ विधि", ["नयाँ", "विधि"], 2),
        ("用BERT模型", ["用", "bert", "模", "型"], 4),
        ("ดีมาก", ["ดี", "ม", "า", "ก"], 4),
        ("γλώσσα", ["γλώσσα"], 1),
    ],
)
def test_tokens_and_words_of_other_scripts(text: str, tokens: list[str], words: int) -> None:
    assert tokenize(text) == tokenize(unicodedata.normalize("NFD", text)) == tokens
    assert count_words(text) == words


@pytest.mark.parametrize("space", ["\xa0", "\u3000", "\u2028", "\x85"])
def test_a_wide_space_before_a_full_stop(space: str) -> None:
    text = f"See Table A{space}. It is long."
    assert [text[start:end] for start, end in sentence_bounds(text, [])][-1] == text[-len("It is long.") :]
    assert split_sentences(text)[-1] == "It is long."
