"""Papers in S2ORC form, and what is left out of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scholar.corpora.s2orc import (
    Entry,
    Span,
    has_author_and_year,
    has_title,
    normalise_title,
    read_papers,
    sentence_bounds,
)
from scholar.errors import DataError
from scholar.records import Counts
from tests.fixtures.aclsum import change_json, paper, paper_file, paragraph, write_papers

WORKS = [("A  Work\non Pebbles", 2001, "ACL"), ("Another", None, None)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two papers; the first has three citations, a figure and a section in one paragraph."""
    body = [
        paragraph("See ", ("Adler (2001)", "BIBREF0"), " and ", ("[2]", "BIBREF1"), ", not ", ("[9]", None), "."),
        paragraph(("Fig. 1", "FIGREF0"), " is in ", ("Sec. 2", "SECTION"), ".", section="Results"),
    ]
    papers = [paper("W19-1.b", body, WORKS, "On Pebbles", "Short."), paper("W19-1.a", [paragraph("Text.")], [])]
    return write_papers(tmp_path, {"train": papers}) / "paper_jsons"


def change(folder: Path, path: str, value: Any) -> Callable[[], Any]:
    """Set one dotted value of the first paper and return a call that reads the folder."""

    def alter(raw: Any) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            raw = raw[int(parent)] if isinstance(raw, list) else raw[parent]
        raw[int(last) if isinstance(raw, list) else last] = value

    change_json(folder / "W19-1.b.json", alter)
    return lambda: read_papers(folder, Counts())


def test_reads_all_parts(folder: Path) -> None:
    counts = Counts()
    other, read = read_papers(folder, counts)
    assert (other.id, other.bibliography, other.abstract) == ("W19-1.a", {}, "")
    assert (read.id, read.title, read.abstract) == ("W19-1.b", "On Pebbles", "Short.")
    assert read.bibliography == {
        "BIBREF0": Entry("BIBREF0", "A Work on Pebbles", 2001, "ACL", ("Adler",)),
        "BIBREF1": Entry("BIBREF1", "Another", None, "", ("Brandt",)),
    }
    first, second = read.body
    assert first.text == "See Adler (2001) and [2], not [9]."
    assert first.citations == (Span(4, 16, "BIBREF0"), Span(21, 24, "BIBREF1"), Span(30, 33, None))
    assert second.references == (Span(0, 6, "FIGREF0"), Span(13, 19, None))
    assert (first.section, second.section) == ("Introduction", "Results")
    assert +counts.read == {
        "papers": 2,
        "papers without a bibliography": 1,
        "paragraphs": 3,
        "citation spans": 3,
        "citation spans without a target": 1,
        "reference spans": 2,
        "reference spans without a target": 1,
    }
    assert not counts.dropped


def test_offsets_reproduce_the_spans(aclsum: Path) -> None:
    spans = 0
    for read in read_papers(aclsum / "paper_jsons", Counts()):
        for part in read.body:
            for span in part.citations:
                spans += 1
                assert part.text[span.start : span.end].endswith(")")
    assert spans == 8 * 7  # papers, citations in each


def test_span_of_other_text_is_dropped_and_counted(folder: Path) -> None:
    change(folder, "pdf_parse.body_text.0.cite_spans.0.start", 5)
    counts = Counts()
    _, read = read_papers(folder, counts)
    assert [span.start for span in read.body[0].citations] == [21, 30]
    assert counts.dropped == {"citation spans: text differs from the paragraph's": 1}
    assert counts.read["citation spans"] == 3


def test_span_beyond_the_text_is_dropped(folder: Path) -> None:
    change(folder, "pdf_parse.body_text.1.ref_spans.0", {"start": 900, "end": 906, "text": "Fig. 1", "ref_id": None})
    counts = Counts()
    _, read = read_papers(folder, counts)
    assert read.body[1].references == (Span(13, 19, None),)
    assert counts.dropped == {"reference spans: text differs from the paragraph's": 1}


def test_overlapping_span_is_dropped_and_spans_are_in_order(folder: Path) -> None:
    inner = {"start": 11, "end": 15, "text": "2001", "ref_id": "BIBREF0"}
    outer = {"start": 4, "end": 16, "text": "Adler (2001)", "ref_id": "BIBREF0"}
    change(folder, "pdf_parse.body_text.0.cite_spans", [inner, outer])
    counts = Counts()
    _, read = read_papers(folder, counts)
    assert read.body[0].citations == (Span(4, 16, "BIBREF0"),)
    assert counts.dropped == {"citation spans: overlaps the one before": 1}


def test_span_of_an_entry_that_is_not_there_has_no_target(folder: Path) -> None:
    change(folder, "pdf_parse.body_text.0.cite_spans.0.ref_id", "BIBREF77")
    counts = Counts()
    assert read_papers(folder, counts)[1].body[0].citations[0] == Span(4, 16, None)
    assert counts.read["citation spans without a target"] == 2


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("pdf_parse", None, "not a paper in S2ORC form"),
        ("pdf_parse", {}, "not a paper in S2ORC form: KeyError at 'bib_entries'"),
        ("pdf_parse.bib_entries", [], "not a paper in S2ORC form"),
        ("pdf_parse.bib_entries.BIBREF0.title", None, "not a paper in S2ORC form"),
        ("pdf_parse.bib_entries.BIBREF0", {}, "not a paper in S2ORC form: KeyError at '"),
        ("pdf_parse.bib_entries.BIBREF0.year", "soon", "not a paper in S2ORC form"),
        ("pdf_parse.body_text.0.cite_spans.0.start", "4", "not a paper in S2ORC form"),
        ("pdf_parse.body_text.0.text", None, "not a paper in S2ORC form"),
        ("pdf_parse.body_text", [], "pdf_parse.body_text has no paragraph"),
    ],
)
def test_broken_paper_is_named(folder: Path, path: str, value: Any, expected: str) -> None:
    read = change(folder, path, value)
    with pytest.raises(DataError) as caught:
        read()
    assert str(caught.value).startswith(f"{folder / 'W19-1.b.json'}: {expected}")


@pytest.mark.parametrize(("given", "expected"), [("", None), (None, None), ("2001", 2001), (2001, 2001)])
def test_years_as_the_parser_writes_them(folder: Path, given: Any, expected: int | None) -> None:
    read = change(folder, "pdf_parse.bib_entries.BIBREF0.year", given)
    assert read()[1].bibliography["BIBREF0"].year == expected


def test_paper_without_a_title(folder: Path) -> None:
    assert change(folder, "title", None)()[1].title == ""


@pytest.mark.parametrize("content", [b"", b'{"title": "Cut', b"\xff\xfe", b"nothing"])
def test_file_that_is_no_json(folder: Path, content: bytes) -> None:
    (folder / "W19-1.a.json").write_bytes(content)
    with pytest.raises(DataError, match=r"W19-1\.a\.json: not valid JSON"):
        read_papers(folder, Counts())


def test_folder_without_papers(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \*\.json file"):
        read_papers(tmp_path / "nowhere", Counts())


def test_id_is_the_whole_name_of_the_file(aclsum: Path) -> None:
    ids = [read.id for read in read_papers(aclsum / "paper_jsons", Counts())]
    assert ids == sorted(ids)
    assert paper_file(aclsum, "train", 2).stem in ids


@pytest.mark.parametrize(
    ("title", "expected"),
    [("BERT: Pre-training", "bert pre training"), ("  A\tb ", "a b"), ("Größe 2!", "größe 2"), ("...", ""), ("", "")],
)
def test_normalised_titles(title: str, expected: str) -> None:
    assert normalise_title(title) == expected


# --- sentences ---


def test_border_inside_a_span_joins_two_sentences() -> None:
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
def test_sentences_cover_the_text_and_cut_no_span(text: str, drawn: list[tuple[int, int]]) -> None:
    spans = [(start, min(start + length, len(text))) for start, length in drawn]
    bounds = list(sentence_bounds(text, spans))
    assert [start for start, _ in bounds] == [0, *(end for _, end in bounds[:-1])]
    assert bounds[-1][1] == len(text)
    assert not any(first < end < last for _, end in bounds for first, last in spans)


@pytest.mark.parametrize(
    ("text", "title", "cited"),
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
def test_what_gives_a_cited_work_away(text: str, title: bool, cited: bool) -> None:
    entry = Entry("BIBREF0", "Wet Pebbles", 2001, "ACL", ("Müller", "Adler"))
    assert has_title(text, entry) is title
    assert has_author_and_year(text, entry) is cited
    for bare in (Entry("b", "", None, "", ()), Entry("b", "?", 2001, "", ("",))):
        assert not has_title(text, bare)
        assert not has_author_and_year(text, bare)
