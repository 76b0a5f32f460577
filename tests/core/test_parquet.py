"""Parquet files: the same rows give the same bytes, and values that do not fit are errors."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Features, List, Value

from papertrail.core.errors import DataError
from papertrail.core.parquet import Rows, kind_of, open_rows, read_kind, read_rows, stream_rows, write_rows
from tests.fixtures.commands import run_python

FEATURES = Features(
    id=Value("string"),
    tokens=List(Value("string")),
    tags=List(ClassLabel(names=["O", "B-CITATION"])),
    label=ClassLabel(names=["other", "cited"]),
    year=Value("int32"),
    sampled=Value("bool"),
)
ROW = {"id": "a/1", "tokens": ["Zoë", "(", "𝒜"], "tags": ["B-CITATION", "O", "O"], "label": "cited", "year": 1999,
       "sampled": True}  # fmt: skip
WRITE = """
import sys
from pathlib import Path
from papertrail.core.parquet import write_rows
from tests.core.test_parquet import FEATURES, ROW
write_rows([ROW, {**ROW, "id": "a/2", "label": "other"}], FEATURES, Path(sys.argv[1]))
"""


def test_values_and_features_are_read_back(tmp_path: Path) -> None:
    write_rows([ROW, {**ROW, "id": "a/2", "tokens": [], "tags": []}], FEATURES, tmp_path / "new/folder/rows.parquet")
    rows = read_rows(tmp_path / "new/folder/rows.parquet")
    assert rows.features == FEATURES
    assert rows.column_names == list(FEATURES)
    assert rows[0] == {**ROW, "tags": [1, 0, 0], "label": 1}
    assert rows[1]["tokens"] == []
    assert rows.features["label"].names == ["other", "cited"]


def test_streamed_and_indexed_rows_equal_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = [{**ROW, "id": f"a/{number}", "year": number} for number in range(10)]
    write_rows(written, FEATURES, tmp_path / "whole.parquet")
    monkeypatch.setattr("papertrail.core.parquet.SHARD", 3)
    write_rows(written, FEATURES, tmp_path / "rows.parquet")
    whole = read_rows(tmp_path / "whole.parquet").to_list()
    assert list(stream_rows(tmp_path / "rows.parquet")) == whole
    assert list(stream_rows(tmp_path / "rows.parquet", ["year"])) == [{"year": number} for number in range(10)]
    assert list(Rows(read_rows(tmp_path / "rows.parquet"))) == whole
    assert Rows(read_rows(tmp_path / "rows.parquet"))[7] == whole[7]


def test_a_file_without_rows_has_its_features(tmp_path: Path) -> None:
    write_rows([], FEATURES, tmp_path / "rows.parquet")
    rows = read_rows(tmp_path / "rows.parquet")
    assert len(rows) == 0
    assert rows.features == FEATURES


def test_same_bytes_in_another_folder_and_process(tmp_path: Path) -> None:
    rows = [ROW, {**ROW, "id": "a/2", "label": "other"}]
    reordered = [dict(reversed(row.items())) for row in rows]  # columns are written in the order of the features
    hashes = set()
    for folder, written in (("a", rows), ("another", rows), ("a", rows), ("c", reordered)):
        write_rows(written, FEATURES, tmp_path / folder / "rows.parquet")
        hashes.add(hashlib.sha256((tmp_path / folder / "rows.parquet").read_bytes()).hexdigest())
    done = run_python(tmp_path, "-c", WRITE, "by_process.parquet", PYTHONHASHSEED="1234", TZ="Asia/Tokyo")
    assert done.returncode == 0, done.stderr
    hashes.add(hashlib.sha256((tmp_path / "by_process.parquet").read_bytes()).hexdigest())
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"label": "quoted"}, "quoted"),
        ({"label": 2}, "2"),
        ({"label": None}, ""),
        ({"tags": ["O", "B-FIGURE", "O"]}, "B-FIGURE"),
        ({"year": "1999"}, "1999"),
        ({"year": 1999.5}, "1999.5"),
        ({"year": 2**31}, "2147483648"),
        ({"tokens": "one string"}, "one string"),
        ({"tokens": ["a", 1, "b"]}, ""),
        ({"id": 5}, ""),
        ({"id": None}, ""),
        ({"sampled": "no"}, ""),
    ],
)
def test_a_wrong_value_is_an_error(tmp_path: Path, wrong: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError, match=r"^rows\.parquet: ") as caught:
        write_rows([ROW, {**ROW, **wrong}], FEATURES, tmp_path / "rows.parquet")
    assert expected in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("row", [{**ROW, "extra": 1}, {key: ROW[key] for key in list(ROW)[:-1]}, {}])
def test_wrong_columns_are_an_error(tmp_path: Path, row: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"rows\.parquet: row .*: columns .*, expected \['id', 'label', 'sampled'"):
        write_rows([row], FEATURES, tmp_path / "rows.parquet")


def test_an_error_keeps_the_earlier_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    write_rows([ROW], FEATURES, file)
    before = file.read_bytes()
    with pytest.raises(DataError):
        write_rows([ROW, {**ROW, "year": 2**40}], FEATURES, file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


@pytest.mark.parametrize("kept", [0, 3, 100, -1])
def test_a_truncated_file_is_an_error(tmp_path: Path, kept: int) -> None:
    file = tmp_path / "rows.parquet"
    write_rows([ROW], FEATURES, file)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"rows\.parquet: not a readable Parquet file .*`dvc repro` writes it again"):
        read_rows(file)
    with pytest.raises(DataError, match=r"not a readable Parquet file"):
        list(stream_rows(file))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows\.parquet: not a readable Parquet file"):
        read_rows(tmp_path / "rows.parquet")


def test_a_kind_is_stored_beside_the_features(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    write_rows([ROW], FEATURES, file, kind="classes")
    assert read_kind(file) == "classes"
    assert kind_of(pq.read_schema(file)) == "classes"
    assert read_rows(file).features == FEATURES
    write_rows([ROW], FEATURES, file)
    assert read_kind(file) is None


def test_rows_are_written_one_at_a_time(tmp_path: Path) -> None:
    with open_rows(FEATURES, tmp_path / "rows.parquet") as writer:
        writer.add(ROW)
        assert not (tmp_path / "rows.parquet").exists()
    write_rows([ROW], FEATURES, tmp_path / "whole.parquet")
    assert (tmp_path / "rows.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
