"""Masked contexts of citations, texts of candidates, and texts that name a cited work."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertrail.data.citations import (
    ContextSettings,
    candidate_text,
    has_author_and_year,
    has_title,
    mask_citations,
    mask_context,
)
from papertrail.data.formats.s2orc import Entry, Paragraph, Span

SETTINGS = ContextSettings(context_characters=60, mask="target", mask_text="[CITATION]")
TEXT = "Long ago (Adler, 2001) sorted stones as (Brandt, 2002) had done, and (Adler, 2001) wrote it down."
CITATIONS = (Span(9, 22, "BIBREF0"), Span(40, 54, "BIBREF1"), Span(69, 82, "BIBREF0"))
PARAGRAPH = Paragraph("Introduction", TEXT, CITATIONS, ())


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("target", "Long ago (Adler, 2001) sorted stones as [CITATION] had done, and (Adler, 2001) wrote it down."),
        ("all", "Long ago [CITATION] sorted stones as [CITATION] had done, and [CITATION] wrote it down."),
        ("none", TEXT),
    ],
)
def test_masks(mask: str, expected: str) -> None:
    assert mask_context(PARAGRAPH, CITATIONS[1], replace(SETTINGS, mask=mask)) == expected  # type: ignore[arg-type]


def test_mask_target_replaces_every_citation_of_the_same_work() -> None:
    expected = "Long ago [CITATION] sorted stones as (Brandt, 2002) had done, and [CITATION] wrote it down."
    assert mask_context(PARAGRAPH, CITATIONS[0], replace(SETTINGS, context_characters=500)) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (12, "stones as [CITATION] had done,"),  # " stones as " has 11 characters, "s" of "sorted" is the 12th
        (5, "as [CITATION] had"),
        (3, "[CITATION]"),
        (500, "Long ago (Adler, 2001) sorted stones as [CITATION] had done, and (Adler, 2001) wrote it down."),
    ],
)
def test_context_is_cut_at_words(size: int, expected: str) -> None:
    assert mask_context(PARAGRAPH, CITATIONS[1], replace(SETTINGS, context_characters=size)) == expected


@given(
    st.lists(st.tuples(st.text("ab .", max_size=30), st.text("CD, ", min_size=1, max_size=9)), min_size=1, max_size=5),
    st.text("ab .", max_size=30),
    st.integers(1, 40),
    st.sampled_from(["target", "all"]),
)
def test_the_span_is_masked_and_the_sides_are_limited(
    parts: list[tuple[str, str]], last: str, size: int, mask: str
) -> None:
    text, spans = "", []
    for number, (before, citation) in enumerate(parts):
        spans.append(Span(len(text + before), len(text + before + citation), f"BIBREF{number}"))
        text += before + citation
    settings = replace(SETTINGS, context_characters=size, mask=mask, mask_text="#")  # type: ignore[arg-type]
    for number, span in enumerate(spans):
        context = mask_context(Paragraph("", text + last, tuple(spans), ()), span, settings)
        if mask == "all":
            assert not set(context) & set("CD,")
        else:
            left, right = context.split("#")
            assert len(left.rstrip()) <= size and len(right.lstrip()) <= size
            visible = [text[other.start : other.end] for n, other in enumerate(spans) if n != number]
            assert sum(map(context.count, "CD")) <= sum(part.count("C") + part.count("D") for part in visible)


def test_every_citation_of_a_part_is_masked() -> None:
    assert mask_citations(PARAGRAPH, 23, 60, "#") == "sorted stones as # had d"
    assert mask_citations(PARAGRAPH, 0, len(TEXT), "") == "Long ago sorted stones as had done, and wrote it down."


def test_a_candidate_is_described_by_its_title_or_its_abstract() -> None:
    class Abstracts(ContextSettings):
        @property
        def prefers_abstracts(self) -> bool:
            return True

    abstracts = Abstracts(context_characters=60, mask="target", mask_text="#")
    assert candidate_text("On stones", "We sort stones.", SETTINGS) == "On stones"
    assert candidate_text("On stones", "We sort stones.", abstracts) == "We sort stones."
    assert candidate_text("On stones", "", abstracts) == "On stones"


@pytest.mark.parametrize(
    ("text", "titled", "named"),
    [
        ("as Müller (2001) said", False, True),
        ("as Müller et al. ( 2001)'s sieve", False, True),
        ("(Müller, 2001b; Adler, 1999)", False, True),
        ("(Adler, 1999; Müller and Adler, 2001)", False, True),
        ("(Müller, 1999; Adler, 2001)", False, False),
        ("in 2001, Müller", False, False),
        ("(Adler and Müllers, 2001)", False, False),
        ("we use Wet, pebbles!", True, False),
        ("we use wet pebbles2", False, False),
    ],
)
def test_titles_and_authors_with_years_in_a_text(text: str, titled: bool, named: bool) -> None:
    entry = Entry("BIBREF0", "Wet Pebbles", 2001, "ACL", ("Müller", "Adler"))
    assert has_title(text, entry) is titled
    assert has_author_and_year(text, entry) is named
    for bare in (Entry("b", "", None, "", ()), Entry("b", "?", 2001, "", ("",))):
        assert not has_title(text, bare)
        assert not has_author_and_year(text, bare)
