"""Bibliographies in BibTeX and as lists of titles, and the errors of broken ones."""

from pathlib import Path

import pytest

from papertrail.core.errors import DataError
from papertrail.inference.bibliography import parse_bibliography

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


def test_names_of_strings_are_replaced_and_a_sign_inside_a_text_is_kept() -> None:
    entries = parse_bibliography('@string{acl = "On C#"}\n@book{a, title = ACL}\n@book{b, title = {C # D}}', "refs.bib")
    assert [entry["title"] for entry in entries] == ["On C#", "C # D"]


@pytest.mark.parametrize(
    ("year", "expected"),
    [("2019a", 2019), ("{circa 1999b}", 1999), ("{2020-05}", 2020), ("20190", None), ("{2019th}", None)],
)
def test_years_with_a_letter(year: str, expected: int | None) -> None:
    assert parse_bibliography(f"@book{{a, title = {{A}}, year = {year}}}", "refs.bib")[0]["year"] == expected


def test_carriage_returns_change_no_entry() -> None:
    assert parse_bibliography(BIBTEX.replace("\n", "\r\n"), "refs.bib") == parse_bibliography(BIBTEX, "refs.bib")


@pytest.mark.parametrize(
    ("content", "titles", "warning"),
    [
        (
            "@article{a, title={A}}\n\n@book{b, title={B\n\n@book{c, title={C}}\n@book{d, title={D}}",
            ["A", "C", "D"],
            "refs.bib:3: not a BibTeX entry, left out",
        ),
        ("@book{a, title={A}}\n@book{a, title={B}}\n", ["A"], "refs.bib:2: duplicate key 'a', left out"),
        ("@book{a, year = 2019 # x,\n Title = {A} # acl}", ["Aacl"], "refs.bib:1: no @string of the name acl"),
        ("@book{a,\n title={A}, title={B}, year=2000}", ["A"], "refs.bib:1: field 'title' of 'a' is repeated"),
        (
            "\n@book{title={A}}\n@book{, title={B}}",
            ["A", "B"],
            "refs.bib:2: the entry has no key; it is named no-key-1",
        ),
        ("@book{a, title={A} year=2000}", ["A"], "refs.bib:1: no comma before field 'year' of 'a'"),
    ],
)
def test_a_bad_entry_is_named_with_its_line_and_the_others_are_read(
    content: str, titles: list[str], warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert [entry["title"] for entry in parse_bibliography(content, "refs.bib")] == titles
    assert any(record.getMessage().startswith(warning) for record in caplog.records)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("@comment{nothing}\n", r"refs\.bib: no BibTeX entry"),
        ("@book{a, title={B\n", r"refs\.bib:1: not a BibTeX entry, left out: .*; refs\.bib: no BibTeX entry"),
        (" \n", r"refs\.bib: no entry"),
    ],
)
def test_a_bibliography_without_an_entry_is_refused(content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_bibliography(content, "refs.bib")


def test_one_title_per_line() -> None:
    entries = parse_bibliography("On Trees\n\n  On Stones  \n", "titles.txt")
    assert [(entry["id"], entry["title"]) for entry in entries] == [("1", "On Trees"), ("2", "On Stones")]


def test_only_line_feeds_end_a_title() -> None:
    entries = parse_bibliography("On\fTrees\nOn\u2028Stones\r\n", "titles.txt")
    assert [entry["title"] for entry in entries] == ["On Trees", "On Stones"]


@pytest.mark.parametrize(
    ("case", "name", "expected"),
    [
        ("b01", "refs.bib", [("saving", "Saving 40% of energy in training of small parsers", 2021)]),
        ("b01", "refs.bib", [("escaped", "Saving 40% of energy in training of large parsers", 2022)]),
        ("b01", "refs.bib", [("commented", "Annotation of tables %TODO check and figures", 2020)]),
        ("b13", "refs.bib", [("page2023", "A page about parsers", 2023), ("clean2020", "A clean entry", 2020)]),
        ("b10", "refs.ris", [("1", "Hearing problems of parsers", 2020), ("2", "Grammar at sea", 2011)]),
        (
            "b10",
            "refs.bbl",
            [("alder2020", "Hearing problems of parsers", 2020), ("birch2011", "Grammar at sea", 2011)],
        ),
    ],
)
def test_cases_from_the_field(repo: Path, case: str, name: str, expected: list[tuple[str, str, int]]) -> None:
    file = repo / f"../shared/data/field/{case}/{name}"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    entries = parse_bibliography(file.read_text(encoding="utf-8"), name)
    assert {(entry["id"], entry["title"], entry["year"]) for entry in entries} >= set(expected)
    if case == "b01":
        whole = "We cut 40% of the bill. A second line tells that accuracy stays at 91% on news."
        assert entries[0]["abstract"] == whole
