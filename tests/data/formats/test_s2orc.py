"""Papers in S2ORC form: papers of a source, and users' papers with missing fields and bad spans."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import DataError
from papertrail.core.records import Counts
from papertrail.data.formats.s2orc import Entry, Span, parse_entries, parse_paper, read_papers
from tests.fixtures.aclsum import change_json, paper, paper_file, paragraph, write_papers

WORKS = [("A  Work\non Pebbles", 2001, "ACL"), ("Another", None, None)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write two papers; the first has three citations, a figure and a section in two paragraphs."""
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


def test_span_of_an_unknown_entry_has_no_target(folder: Path) -> None:
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
        ("pdf_parse.body_text.0.cite_spans", 4, "not a paper in S2ORC form"),
        ("pdf_parse.body_text.0.text", None, "not a paper in S2ORC form"),
        ("pdf_parse.body_text", [], "pdf_parse.body_text has no paragraph"),
    ],
)
def test_broken_paper_is_an_error_with_its_file(folder: Path, path: str, value: Any, expected: str) -> None:
    read = change(folder, path, value)
    with pytest.raises(DataError) as caught:
        read()
    assert str(caught.value).startswith(f"{folder / 'W19-1.b.json'}: {expected}")


@pytest.mark.parametrize(("raw", "expected"), [("", None), (None, None), ("2001", 2001), (2001, 2001)])
def test_years_as_the_parser_writes_them(folder: Path, raw: Any, expected: int | None) -> None:
    read = change(folder, "pdf_parse.bib_entries.BIBREF0.year", raw)
    assert read()[1].bibliography["BIBREF0"].year == expected


def test_paper_without_a_title(folder: Path) -> None:
    assert change(folder, "title", None)()[1].title == ""


@pytest.mark.parametrize("content", [b"", b'{"title": "Cut', b"\xff\xfe", b"nothing"])
def test_file_that_is_not_json(folder: Path, content: bytes) -> None:
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


# --- users' papers ---


def test_a_complete_paper_is_parsed_as_by_the_reader(aclsum: Path) -> None:
    expected, found = Counts(), Counts()
    papers = read_papers(aclsum / "paper_jsons", expected)
    for paper_ in papers:
        raw = json.loads((aclsum / "paper_jsons" / f"{paper_.id}.json").read_text(encoding="utf-8"))
        assert parse_paper(raw, paper_.id, found) == paper_
    assert {kind: found.read[kind] for kind in found.read} == {kind: expected.read[kind] for kind in found.read}


def test_only_the_text_of_paragraphs_is_required() -> None:
    counts = Counts()
    read = parse_paper({"pdf_parse": {"body_text": [{"text": "As [1] shows."}, {"text": ""}]}}, "a.json", counts)
    assert (read.id, read.title, read.abstract, read.bibliography) == ("a.json", "", "", {})
    assert [(part.section, part.text, part.citations) for part in read.body] == [
        ("", "As [1] shows.", ()),
        ("", "", ()),
    ]
    nulls = {
        "body_text": [{"text": "a", "section": None, "cite_spans": None}],
        "bib_entries": None,
        "ref_entries": None,
    }
    assert parse_paper({"title": None, "abstract": ["a"], "pdf_parse": nulls}, "a.json", counts).body[0].text == "a"
    assert not counts.dropped


def test_bad_spans_are_dropped_and_counted() -> None:
    spans: list[Any] = [
        {"start": 3, "end": 6, "ref_id": "b1"},  # no text of its own
        {"start": 11, "end": 14, "text": "[2]", "ref_id": ["b1"]},
        {"start": 4, "end": 8},
        {"start": 3, "end": 6, "text": "[7]"},
        {"start": 6, "end": 6, "text": ""},
        {"start": -4, "end": -1, "text": "[2]"},
        {"start": 11, "end": 90, "text": "[2]."},
        {"start": "3", "end": 6},
        {"end": 6},
        "[1]",
    ]
    body = [{"text": "As [1] and [2].", "cite_spans": spans, "ref_spans": [{"start": 0, "end": 2, "ref_id": "f"}]}]
    counts = Counts()
    read = parse_paper({"pdf_parse": {"body_text": body, "bib_entries": {"b1": {}}}}, "a.json", counts)
    assert read.body[0].citations == (Span(3, 6, "b1"), Span(11, 14, None))
    assert read.body[0].references == (Span(0, 2, None),)
    assert counts.dropped == {
        "citation spans: text differs from the paragraph's": 7,
        "citation spans: overlaps the one before": 1,
    }
    assert counts.read["citation spans"] == len(spans)


def test_entries_of_users() -> None:
    raw = {
        "a": {"title": " On\nTea", "abstract": "Hot  water.", "year": "May 2019", "authors": [{"last": "Adler"}, "B"]},
        "b": {"title": None, "abstract": 3, "year": "soon"},
        "c": {"year": 2001, "venue": "ACL"},
    }
    assert parse_entries(raw, "7.in: bib_entries") == {
        "a": Entry("a", "On Tea", 2019, "", ("Adler",), "Hot water."),
        "b": Entry("b", "", None, "", ()),
        "c": Entry("c", "", 2001, "ACL", ()),
    }


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([], "a.json: expected an object, got []"),
        ({}, "a.json: pdf_parse: expected an object, got nothing"),
        ({"pdf_parse": {"bib_entries": {}}}, "a.json: pdf_parse.body_text: expected a list, got nothing"),
        ({"pdf_parse": {"body_text": [1]}}, "a.json: pdf_parse.body_text.0: expected an object, got 1"),
        ({"pdf_parse": {"body_text": [{}]}}, "a.json: pdf_parse.body_text.0.text: expected a string, got nothing"),
        (
            {"pdf_parse": {"body_text": [], "bib_entries": {"b": {"title": 1}}}},
            "a.json: pdf_parse.bib_entries.b.title: expected a string, got 1",
        ),
        (
            {"pdf_parse": {"body_text": [], "bib_entries": {"b": "On Tea"}}},
            'a.json: pdf_parse.bib_entries.b: expected an object, got "On Tea"',
        ),
    ],
)
def test_users_paper_of_another_form_is_an_error_with_its_place(raw: Any, expected: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_paper(raw, "a.json", Counts())
    assert str(caught.value) == expected
