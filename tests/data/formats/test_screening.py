"""Screened papers: labels, dates and ids of tables and RIS files of other programs."""

import csv
import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from papertrail.core.errors import DataError
from papertrail.core.records import Counts, Row
from papertrail.data.formats.screening import Columns, Form, Label, read_screened

COLUMNS = Columns(id="id", title="title", abstract="abstract", label="included", date="year")
LABELS = {"included": 1, "excluded": 0}
FORM = Form(columns=COLUMNS, delimiter=",", date_format=None, labels=LABELS, required=None, needs_date=False)


def read(file: Path, form: Form = FORM, counts: Counts | None = None) -> list[tuple[Row, Label]]:
    return list(read_screened(file, form, "", counts or Counts()))


def write_table(folder: Path, *rows: tuple[str, ...], delimiter: str = ",") -> Path:
    """Write a table of id, title, abstract, included, year."""
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([("id", "title", "abstract", "included", "year"), *rows])
    return folder / "a.csv"


@pytest.mark.parametrize(
    ("labels", "cells"),
    [
        ({"included": 1, "excluded": 0}, ("included", "Excluded ", "")),
        ({"TRUE": 1, "FALSE": 0}, ("TRUE", "False", "nan")),
        ({"1": 1, "0": 0}, ("1.0", "0", "")),
        ({"yes": 1, "no": 0, "maybe": None}, ("Yes", "no", "maybe")),
        ({"1": 1, "0": 0, "-1": None}, ("1", "0.0", "-1")),
        ({"1.0": 1, "0.0": 0}, ("1", "0", "null")),
    ],
)
def test_labels_of_other_programs(tmp_path: Path, labels: dict[str, Label | None], cells: tuple[str, ...]) -> None:
    file = write_table(tmp_path, *((str(n), f"T{n}", "A", cell, "2015") for n, cell in enumerate(cells)))
    counts = Counts()
    assert [label for _, label in read(file, replace(FORM, labels=labels), counts)] == [1, 0]
    assert +counts.dropped == {"papers not screened": 1}


def test_a_label_that_is_not_mapped(tmp_path: Path) -> None:
    file = write_table(tmp_path, ("1", "T", "A", "perhaps", "2015"))
    with pytest.raises(DataError, match=r"a\.csv:2: included: expected one of 'included', 'excluded' or nothing, got"):
        read(file)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2015", "2015-01-01"),
        ("2015.0", "2015-01-01"),
        ("2015-03", "2015-03-01"),
        ("2015-03-09", "2015-03-09"),
        ("2015/3/9", "2015-03-09"),
        ("2015//", "2015-01-01"),
        ("2015/03/09/", "2015-03-09"),
        ("2015-03-09T10:00:00Z", "2015-03-09"),
        ("2015-03-09 00:00:00", "2015-03-09"),
        ("", ""),
        ("NaN", ""),
    ],
)
def test_dates_of_other_programs(tmp_path: Path, cell: str, expected: str) -> None:
    ((row, _),) = read(write_table(tmp_path, ("1", "T", "A", "included", cell)))
    assert row["date"] == expected


@pytest.mark.parametrize("cell", ["15", "2015-13", "2015-02-30", "March 2015", "2015x"])
def test_a_date_in_another_form(tmp_path: Path, cell: str) -> None:
    file = write_table(tmp_path, ("1", "T", "A", "included", cell))
    message = r"a\.csv:2: year: expected a date such as 2015, 2015-01 or 2015-01-31, got .*; set `date_format`"
    with pytest.raises(DataError, match=message):
        read(file, replace(FORM, needs_date=True))
    counts = Counts()
    assert [row["date"] for row, _ in read(file, counts=counts)] == [""]
    assert +counts.dropped == {"dates of another form, not needed": 1}


def test_a_float_year_and_a_format(tmp_path: Path) -> None:
    ((row, _),) = read(write_table(tmp_path, ("1", "T", "A", "included", "2015.0")), replace(FORM, date_format="%Y"))
    assert row["date"] == "2015-01-01"


def test_ids_and_missing_texts(tmp_path: Path) -> None:
    rows = [("1.0", "A", "", "included", ""), ("1", "again", "", "included", ""), ("2", "nan", "", "excluded", "")]
    counts = Counts()
    found = read(write_table(tmp_path, *rows, ("3", "", "B", "excluded", "")), counts=counts)
    assert [(row["id"], row["title"], row["abstract"]) for row, _ in found] == [("1", "A", ""), ("3", "", "B")]
    assert +counts.dropped == {"papers with a duplicate id": 1, "papers without title and abstract": 1}
    counts = Counts()
    assert [row["id"] for row, _ in read(tmp_path / "a.csv", replace(FORM, required=["title"]), counts)] == ["1"]
    assert counts.dropped["papers without a title"] == 2
    unnamed = replace(FORM, columns=replace(COLUMNS, id=None, abstract=None, date=None))
    found = read(tmp_path / "a.csv", unnamed)
    assert [(row["id"], row["title"], row["abstract"]) for row, _ in found] == [("1", "A", ""), ("2", "again", "")]


@pytest.mark.parametrize("cell", ["", "NaN", "null"])
def test_an_id_is_needed(tmp_path: Path, cell: str) -> None:
    with pytest.raises(DataError, match=r"a\.csv:2: id: empty; every paper needs an id"):
        read(write_table(tmp_path, (cell, "T", "A", "included", "")))


@pytest.mark.parametrize(("delimiter", "packed"), [("\t", False), (";", True), ("|", False), (",", True)])
def test_large_cells_in_any_table(tmp_path: Path, delimiter: str, packed: bool) -> None:
    text = 'word; "quoted"\tand | more, ' * 20_000  # 500,000 characters
    file = write_table(tmp_path, ("1", "T", text, "included", "2015"), delimiter=delimiter)
    if packed:
        (tmp_path / "a.csv.gz").write_bytes(gzip.compress(file.read_bytes()))
        file = tmp_path / "a.csv.gz"
    ((row, _),) = read(file, replace(FORM, delimiter=delimiter))
    assert row["abstract"] == " ".join(text.split())


RIS = """TY  - JOUR
T1  - On pebbles
N2  - Pebbles are
 wet.
N1  - ASReview_relevant
N1  - a note
PY  - 2015//
DO  - 10.1/a
ER  -

TY  - CONF
TI  - On cafés
AB  - Warm.
N1  - ASReview_irrelevant
Y1  - 2016/03/01/
ID  - 12
ER  -

TY  - JOUR
TI  - Nobody read it
N1  - ASReview_not_seen
ER  -
"""
RIS_FORM = Form(
    columns=Columns(id=None, title="title", abstract="abstract", label="notes", date="year"),
    delimiter=None,
    date_format=None,
    labels={"ASReview_relevant": 1, "ASReview_irrelevant": 0},
    required=None,
    needs_date=False,
)


@pytest.mark.parametrize("name", ["a.ris", "a.ris.gz"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_ris(tmp_path: Path, name: str, start: str) -> None:
    content = (start + RIS.replace("\n", "\r\n")).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    counts = Counts()
    assert read(tmp_path / name, RIS_FORM, counts) == [
        ({"id": "1", "title": "On pebbles", "abstract": "Pebbles are wet.", "date": "2015-01-01"}, 1),
        ({"id": "2", "title": "On cafés", "abstract": "Warm.", "date": "2016-03-01"}, 0),
    ]
    assert +counts.dropped == {"papers not screened": 1}


def test_an_id_of_a_ris_record(tmp_path: Path) -> None:
    (tmp_path / "a.ris").write_text(RIS.replace("TI  - Nobody", "ID  - 13\nTI  - Nobody"), encoding="utf-8")
    form = replace(RIS_FORM, columns=replace(RIS_FORM.columns, id="id"))
    assert [row["id"] for row, _ in read(tmp_path / "a.ris", form)] == ["10.1/a", "12"]


def test_a_line_without_a_tag_in_a_ris_record(tmp_path: Path) -> None:
    (tmp_path / "a.ris").write_text(RIS.replace("TY  - JOUR\n", "TY  - JOUR\nno tag\n", 1), encoding="utf-8")
    assert [row["title"] for row, _ in read(tmp_path / "a.ris", RIS_FORM)] == ["On pebbles", "On cafés"]
    form = replace(RIS_FORM, columns=replace(RIS_FORM.columns, label="custom9"))
    with pytest.raises(DataError, match=r"no record has 'custom9' \(names: abstract, "):
        read(tmp_path / "a.ris", form)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "not a RIS file, or damaged: no record"),
        ("id,title\n1,a\n", "not a RIS file, or damaged: no record"),
        (RIS.removesuffix("ER  -\n"), "3 records begin with `TY  - ` and 2 end with `ER  - `"),
        (RIS.replace("N1", "N9"), r"no record has 'notes' \(names: N9, abstract, doi, "),
    ],
)
def test_broken_ris(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "a.ris").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=expected):
        read(tmp_path / "a.ris", RIS_FORM)


def test_a_real_export_of_asreview(repo: Path) -> None:
    file = repo / "../shared/data/dirty/generic_bad_record_id.csv"
    if not file.is_file():
        pytest.skip(f"{file}: the file is missing")
    columns = Columns(id=None, title="title", abstract="abstract", label="label_included", date="publication_year")
    found = read(file, replace(FORM, columns=columns, labels={"1": 1, "0": 0}))
    assert [(row["id"], row["date"][:4], label) for row, label in found] == [
        ("1", "2014", 1),
        ("2", "2006", 0),
        ("3", "2014", 1),
        ("4", "2006", 0),
        ("5", "2014", 1),
        ("6", "2006", 0),
    ]
