"""Texts, citations and bibliographies from users' files, and the errors of broken ones."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import DataError
from papertrail.inference.documents import decode, find_citations, parse_document, parse_json, read_text
from tests.fixtures.aclsum import write_aclsum


@pytest.mark.parametrize("text", ["{\\bf Trees} of [1]", "{ Trees } as in [1]"])
def test_a_text_may_begin_with_a_brace(text: str) -> None:
    assert parse_document(text, "draft.tex", [])["text"] == text


@pytest.mark.parametrize("content", ['{"text": 3}', '\n{\n "text": 3}', "{}", "{", " { \n"])
def test_json_is_recognised_by_its_beginning(content: str) -> None:
    with pytest.raises(DataError, match=r"7\.in:(2: not|1: not| text| bib_entries)"):
        parse_document(content, "7.in", [])


def test_a_json_list_and_a_page_of_html_are_refused() -> None:
    with pytest.raises(DataError, match=r"p\.json: a JSON list; expected one paper, or JSON lines"):
        parse_document('[{"paper_id": "1"}]', "p.json", [])
    for start in ("<!-- saved --> <html>", "<?xml version='1.0'?>\n<!DOCTYPE html>", "<!doctype HTML>"):
        with pytest.raises(DataError, match=r"p\.html: seems to be an HTML page"):
            parse_document(f"{start}<p>see [3]</p>", "p.html", [])


@pytest.mark.parametrize(
    ("text", "citations"),
    [
        (r"in \citep[see][p.~3]{lee}", [(r"\citep[see][p.~3]{lee}", "lee")]),
        (r"in \cite{lee,ng}", [(r"\cite{lee", "lee"), (",ng}", "ng")]),
        ("shown [3], [4, 7] and [5-9].", [("[3]", None), ("[4, 7]", None), ("[5-9]", None)]),
        ("(Lee and Ng, 2019; Ng, 2020a) say", [("(Lee and Ng, 2019; Ng, 2020a)", None)]),
        ("Lee et al. (2019) and O'Neil & Ng (2020b)", [("Lee et al. (2019)", None), ("O'Neil & Ng (2020b)", None)]),
        ("Müller (2019)", [("Müller (2019)", None)]),
        ("[3,\r\n5] (Lee,\r\n2019)", [("[3,\r\n5]", None), ("(Lee,\r\n2019)", None)]),
        ("in f(x) of 2019 (see below) [sic]", []),
    ],
)  # fmt: skip
def test_forms_of_citations(text: str, citations: list[tuple[str, str | None]]) -> None:
    assert [(text[c["start"] : c["end"]], c["target"]) for c in find_citations(text)] == citations


def test_citations_are_found_in_time_linear_in_the_text() -> None:
    """No assertion on time: an expression that backtracks would not end at all."""
    for piece in ("(", "[1, ", "Lee ", "\\cite", "(a, 2019 "):
        assert len(find_citations(piece * 20_000)) <= 20_000


def test_s2orc_offsets_are_moved_into_the_joined_text(tmp_path: Path) -> None:
    file = sorted(write_aclsum(tmp_path).rglob("paper_jsons/*.json"))[0]
    raw = json.loads(file.read_text(encoding="utf-8"))
    document = parse_document(read_text(file), str(file), None)
    spans = [span for paragraph in raw["pdf_parse"]["body_text"] for span in paragraph["cite_spans"]]
    assert [document["text"][c["start"] : c["end"]] for c in document["citations"]] == [span["text"] for span in spans]
    assert {entry["id"] for entry in document["bibliography"]} == set(raw["pdf_parse"]["bib_entries"])
    assert document["text"].count("\n\n") == len(raw["pdf_parse"]["body_text"]) - 1


def test_bad_spans_of_s2orc_are_dropped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    spans = [{"start": 1, "end": 9}, {"start": 0, "end": 3, "ref_id": "b0"}, {"start": 2, "end": 4}, {"start": "x"}]
    body = [{"text": "[1] is open [1]", "cite_spans": [*spans, {"start": 12, "end": 15, "text": "[1]"}]}]
    content = json.dumps({"pdf_parse": {"body_text": body, "bib_entries": {"b0": {"title": "Trees", "year": "2020"}}}})
    document = parse_document(content, "7.json", None)
    assert document["citations"] == [{"start": 0, "end": 3, "target": "b0"}, {"start": 12, "end": 15, "target": None}]
    assert document["bibliography"] == [{"id": "b0", "title": "Trees", "abstract": "", "year": 2020}]
    assert [record.getMessage() for record in caplog.records] == [
        "7.json: 2 dropped of citation spans: overlaps the one before",
        "7.json: 1 dropped of citation spans: text differs from the paragraph's",
    ]


def test_in_files() -> None:
    entries = {"x": {"title": "On  Trees", "abstract": None}, "y": {}, "z": {"abstract": "We  show", "year": "2019a"}}
    assert parse_document(json.dumps({"text": "as shown [3].", "bib_entries": entries}), "7.in", None) == {
        "text": "as shown [3].",
        "citations": [{"start": 9, "end": 12, "target": None}],
        "bibliography": [
            {"id": "x", "title": "On Trees", "abstract": "", "year": None},
            {"id": "y", "title": "", "abstract": "", "year": None},
            {"id": "z", "title": "", "abstract": "We show", "year": 2019},
        ],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a",\n "bib_entries": {', r"7\.in:2: not valid JSON"),
        ('{"text": 3, "bib_entries": {}}', r"7\.in: text: expected a string, got 3"),
        ('{"text": ' + "[" * 100_000, r"7\.in: nested too deeply"),
        ('{"text": "a", "year": ' + "1" * 5000 + "}", r"7\.in: nested too deeply, or a number is too long"),
        (r'{"text": "a \ud83d [1]", "bib_entries": {}}', r"7\.in: a text has half a surrogate pair \(\\ud83d\)"),
        ('{"text": "a"}', r"7\.in: bib_entries: expected an object, it is missing; .*S2ORC JSON with pdf_parse"),
        ('{"text": "a", "bib_entries": {"x": 3}}', r"7\.in: bib_entries\.x: expected an object, got 3"),
        ('{"pdf_parse": {"body_text": [{"text": 1}]}}', r"7\.in: pdf_parse\.body_text\.0\.text: expected a string"),
    ],
)
def test_broken_json_is_refused_with_its_place(content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_json(content, "7.in")


def test_plain_text_needs_a_bibliography() -> None:
    with pytest.raises(DataError, match=r"draft\.txt: a plain text needs a bibliography"):
        parse_document("as [3] shows", "draft.txt", None)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing: no such file"):
        read_text(tmp_path / "nothing")
    with pytest.raises(DataError, match=f"{tmp_path}: is a folder; name a file in it"):
        read_text(tmp_path)
    with pytest.raises(DataError, match=r"draft:2: not UTF-8"):
        decode("a\nnaïve".encode("cp1252"), "draft")
    assert decode("\ufeffa\r\nb".encode(), "draft") == "a\r\nb"  # offsets count characters of the file


def test_real_files_of_the_published_format(repo: Path) -> None:
    file = repo / "../shared/data/citation_linking_test.tar.gz"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    with tarfile.open(file) as archive:
        names = [name for name in archive.getnames() if name.endswith(".in")]
        documents: list[dict[str, Any]] = []
        for name in names:
            member = archive.extractfile(name)
            assert member is not None
            documents.append(parse_document(decode(member.read(), name), name, None))
    assert len(documents) == 724 and all(document["bibliography"] for document in documents)
    assert sum(bool(document["citations"]) for document in documents) > 700  # published citations have the form [n]
