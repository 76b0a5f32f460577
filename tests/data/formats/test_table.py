"""Tables as text: records with their places, and broken tables."""

import csv
import gzip
from pathlib import Path

import pandas
import pytest

from papertrail.core.errors import DataError
from papertrail.data.formats.table import read_table

DIRTY = "../shared/data/dirty"


def read(folder: Path, content: bytes, delimiter: str = ",", columns: tuple[str, ...] = ("id", "text")) -> list[object]:
    """Return the records of a file with this content, each with its line."""
    (folder / "a.csv").write_bytes(content)
    found = list(read_table(folder / "a.csv", delimiter, columns))
    return [(int(place.rpartition(":")[2]), record) for place, record in found]


def test_cells_of_several_lines(tmp_path: Path) -> None:
    content = b'id,other,text\r\n1,,"a, ""b""\nand c"\r\n\r\n2,x,d\r\n'
    assert read(tmp_path, content) == [
        (2, {"id": "1", "other": "", "text": 'a, "b"\nand c'}),
        (5, {"id": "2", "other": "x", "text": "d"}),
    ]


def test_blank_rows_and_cells_of_spreadsheets(tmp_path: Path) -> None:
    content = b" id ,text\n1,NaN\n,\n , \n2,null\n3,none of it\n,,,,\n"
    assert read(tmp_path, content) == [
        (2, {"id": "1", "text": ""}),
        (5, {"id": "2", "text": ""}),
        (6, {"id": "3", "text": "none of it"}),
    ]


@pytest.mark.parametrize(("delimiter", "start"), [(";", b""), ("\t", b"\xef\xbb\xbf"), (",", b"\xef\xbb\xbf")])
def test_delimiters_and_byte_order_mark(tmp_path: Path, delimiter: str, start: bytes) -> None:
    content = start + "id,text\n1,é\n".replace(",", delimiter).encode()
    assert read(tmp_path, content, delimiter) == [(2, {"id": "1", "text": "é"})]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", r"a\.csv: empty; expected a line of column names"),
        (b"id;text\n1;a\n", r"a\.csv:1: no column 'id' \(columns: id;text\); correct the names or the delimiter ','"),
        (b"id,text,id\n1,a,2\n", r"a\.csv:1: 2 columns 'id'"),
        (b"id,text\n1,a\n2,b,c\n", r"a\.csv:3: expected 2 cells, got 3; correct the quotes"),
        (b'id,text\n1,a\n2,"b\n3,c\n', r"a\.csv:3: not a record of cells: unexpected end of data"),
        (
            b'id,text\n1,"a"b\n',
            r"a\.csv:2: not a record of cells: .*; correct the line; a cell with a quote needs quotes",
        ),
        (b"id,text\n1,a\n2,\x93b\x94\n", r"a\.csv:3: not UTF-8"),
    ],
)
def test_broken_table(tmp_path: Path, content: bytes, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read(tmp_path, content)


def test_compressed_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"id,text\n1,a\n"))
    assert [record for _, record in read_table(tmp_path / "a.csv.gz", ",", ["id"])] == [{"id": "1", "text": "a"}]


@pytest.mark.parametrize(
    ("name", "delimiter", "columns"),
    [
        ("generic_semicolon.csv", ";", ("id", "title", "abstract", "publication_year")),
        ("generic_bad_record_id.csv", ",", ("record_id", "title", "abstract", "label_included")),
        ("missing_values.csv", ",", ("title", "abstract")),
        ("springeropen_tableB.csv", ",", ("ID", "title", "abstract", "date")),
    ],
)
def test_dirty_tables_as_pandas_reads_them(repo: Path, name: str, delimiter: str, columns: tuple[str, ...]) -> None:
    file = repo / DIRTY / name
    if not file.is_file():
        pytest.skip(f"{file}: the file is missing")
    expected = pandas.read_csv(file, sep=delimiter, dtype=str, keep_default_na=False).to_dict("records")
    found = list(read_table(file, delimiter, columns))
    assert [record for _, record in found] == expected
    lines = file.read_text(encoding="utf-8-sig").split("\n")
    for place, record in found:  # the place has the line in which the record begins
        line = lines[int(place.rpartition(":")[2]) - 1]
        first = next(iter(record.values()))
        assert next(csv.reader([line], delimiter=delimiter))[0].strip() in first
