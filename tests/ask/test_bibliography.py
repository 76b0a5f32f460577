"""Texts, citations and bibliographies out of files, and what is told of broken ones."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from scholar.ask.bibliography import decode, find_citations, parse_bibliography, parse_document, parse_json, read_text
from scholar.errors import DataError
from tests.fixtures.aclsum import write_aclsum

BIBTEX = """% ours
@article{lee, title = {{G}raphs and M{\\"u}hlen}, author = {Lee, A. and Ng, B.}, year = 2019}

@inproceedings{ng,
  title = "Trees",
  abstract = {We   show
    trees.},
  date = {2020-05},
}
"""


def test_bibtex_with_braces_accents_and_dates() -> None:
    assert parse_bibliography(BIBTEX, "refs.bib") == [
        {"id": "lee", "title": "Graphs and Mühlen", "abstract": "", "year": 2019},
        {"id": "ng", "title": "Trees", "abstract": "We show trees.", "year": 2020},
    ]


def test_names_of_strings_stand_for_their_values_and_a_sign_within_a_text_stays() -> None:
    entries = parse_bibliography('@string{acl = "On C#"}\n@book{a, title = ACL}\n@book{b, title = {C # D}}', "refs.bib")
    assert [entry["title"] for entry in entries] == ["On C#", "C # D"]


@pytest.mark.parametrize(
    ("year", "read"),
    [("2019a", 2019), ("{circa 1999b}", 1999), ("{2020-05}", 2020), ("20190", None), ("{2019th}", None)],
)
def test_years_with_a_letter_behind_them(year: str, read: int | None) -> None:
    assert parse_bibliography(f"@book{{a, title = {{A}}, year = {year}}}", "refs.bib")[0]["year"] == read
    document = json.dumps({"text": "", "bib_entries": {"a": {"year": year}}})
    assert parse_document(document, "7.in", None)["bibliography"][0]["year"] == read


def test_lines_that_end_with_a_carriage_return_change_no_entry() -> None:
    assert parse_bibliography(BIBTEX.replace("\n", "\r\n"), "refs.bib") == parse_bibliography(BIBTEX, "refs.bib")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("@article{a, title={A}}\n\n@book{b, title={B\n\n@book{c, title={C}}", r"refs\.bib:3: not a BibTeX entry"),
        ("@book{a, title={A}}\n@book{a, title={B}}\n", r"refs\.bib:2: not a BibTeX entry: Duplicate entry key 'a'"),
        (
            "@book{a, year = 2019 # x,\n Title = {A} # acl}",
            r"refs\.bib:2: Title of 'a': pieces joined by # are not read",
        ),
        ('@string{acl = "A" # "B"}\n@book{a, abstract = acl}', r"refs\.bib:2: abstract of 'a': pieces joined by #"),
        ('@book{a, title = "Caf{\\\'e} \\"uber " # acl}', r"refs\.bib:1: title of 'a': pieces joined by #"),
        ("@comment{nothing}\n", r"refs\.bib: no BibTeX entry"),
        (" \n", r"refs\.bib: no entry"),
    ],
)
def test_a_broken_bibliography_is_refused_with_its_line(content: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        parse_bibliography(content, "refs.bib")


def test_a_title_on_each_line() -> None:
    entries = parse_bibliography("On Trees\n\n  On Stones  \n", "titles.txt")
    assert [(entry["id"], entry["title"]) for entry in entries] == [("1", "On Trees"), ("2", "On Stones")]


def test_only_line_feeds_end_a_title() -> None:
    entries = parse_bibliography("On\fTrees\nOn\u2028Stones\r\n", "titles.txt")
    assert [entry["title"] for entry in entries] == ["On Trees", "On Stones"]


@pytest.mark.parametrize("text", ["{\\bf Trees} of [1]", "{ Trees } as in [1]"])
def test_a_text_may_begin_with_a_brace(text: str) -> None:
    assert parse_document(text, "draft.tex", [])["text"] == text


@pytest.mark.parametrize("content", ['{"text": 3}', '\n{\n "text": 3}', "{}", "{", " { \n"])
def test_json_is_known_by_its_beginning(content: str) -> None:
    with pytest.raises(DataError, match=r"7\.in:(2: not|1: not| text| bib_entries)"):
        parse_document(content, "7.in", [])


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        (r"in \citep[see][p.~3]{lee}, \cite{lee,ng}", [(r"\citep[see][p.~3]{lee}", "lee"), (r"\cite{lee,ng}", None)]),
        ("shown [3], [4, 7] and [5-9].", [("[3]", None), ("[4, 7]", None), ("[5-9]", None)]),
        ("(Lee and Ng, 2019; Ng, 2020a) say", [("(Lee and Ng, 2019; Ng, 2020a)", None)]),
        ("Lee et al. (2019) and O'Neil & Ng (2020b)", [("Lee et al. (2019)", None), ("O'Neil & Ng (2020b)", None)]),
        ("Müller (2019)", [("Müller (2019)", None)]),
        ("[3,\r\n5] (Lee,\r\n2019)", [("[3,\r\n5]", None), ("(Lee,\r\n2019)", None)]),
        ("in f(x) of 2019 (see below) [sic]", []),
    ],
)  # fmt: skip
def test_ways_to_cite(text: str, cited: list[tuple[str, str | None]]) -> None:
    assert [(text[c["start"] : c["end"]], c["target"]) for c in find_citations(text)] == cited


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


def test_in_files() -> None:
    raw = {"text": "as shown [3].", "bib_entries": {"x": {"title": "On  Trees", "abstract": None}, "y": {}}}
    assert parse_document(json.dumps(raw), "7.in", None) == {
        "text": "as shown [3].",
        "citations": [{"start": 9, "end": 12, "target": None}],
        "bibliography": [
            {"id": "x", "title": "On Trees", "abstract": "", "year": None},
            {"id": "y", "title": "", "abstract": "", "year": None},
        ],
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"text": "a",\n "bib_entries": {', r"7\.in:2: not valid JSON"),
        ('{"text": 3, "bib_entries": {}}', r"7\.in: text: .*string"),
        ('{"text": ' + "[" * 100_000, r"7\.in: nested too deeply"),
        ('{"text": "a", "year": ' + "1" * 5000 + "}", r"7\.in: nested too deeply, or a number too long"),
        (r'{"text": "a \ud83d [1]", "bib_entries": {}}', r"7\.in: half a character \(\\ud83d\)"),
        ('{"text": "a"}', r"7\.in: bib_entries: .*\.in with text and bib_entries, or S2ORC JSON was expected"),
        ('{"pdf_parse": {"body_text": [{"text": 1}], "bib_entries": {}}}', r"pdf_parse\.body_text\.0\.text"),
        (
            '{"pdf_parse": {"body_text": [{"text": "ab", "cite_spans": [{"start": 1, "end": 9}]}], "bib_entries": {}}}',
            r"body_text\.0\.cite_spans: \[1, 9\)",
        ),
    ],
)
def test_broken_json_is_refused_with_its_place(content: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        parse_json(content, "7.in")


def test_plain_text_needs_a_bibliography() -> None:
    with pytest.raises(DataError, match=r"draft\.txt: a plain text needs its bibliography"):
        parse_document("as [3] shows", "draft.txt", None)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing: no such file"):
        read_text(tmp_path / "nothing")
    with pytest.raises(DataError, match=f"{tmp_path}: a folder; name a file in it"):
        read_text(tmp_path)
    with pytest.raises(DataError, match=r"draft:2: not UTF-8"):
        decode("a\nnaïve".encode("cp1252"), "draft")
    assert decode("\ufeffa\r\nb".encode(), "draft") == "a\r\nb"  # offsets are those of the text as given


def test_real_files_of_the_published_format(repo: Path) -> None:
    file = repo / "../shared/data/citation_linking_test.tar.gz"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    with tarfile.open(file) as archive:
        names = [name for name in archive.getnames() if name.endswith(".in")]
        found: list[dict[str, Any]] = []
        for name in names:
            member = archive.extractfile(name)
            assert member is not None
            found.append(parse_document(decode(member.read(), name), name, None))
    assert len(found) == 724 and all(document["bibliography"] for document in found)
    assert sum(bool(document["citations"]) for document in found) > 700  # published citation strings are [n]
