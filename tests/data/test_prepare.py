"""Checks of rows and splits, and label leakage; whole data sets are prepared in tests/stages/test_prepare.py."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Features, List, Value

from papertrail.core.errors import DataError, ParamsError
from papertrail.core.parquet import RowWriter, read_rows, write_rows
from papertrail.core.records import Counts, Row
from papertrail.data.prepare import check_collection, check_label_leakage, count_rows, drop_rows, write_splits
from papertrail.data.task import Task, load_task


def rows_of(*names: str, paper: str = "P") -> list[Row]:
    """Return rows with these ids, all of one paper."""
    return [{"id": name, "paper": paper} for name in names]


def write(folder: Path, task: Task, splits: dict[str, list[Row]]) -> None:
    """Write splits of rows that have an id and a paper."""
    features = Features(id=Value("string"), paper=Value("string"))
    rows = [(split, row) for split, found in splits.items() for row in found]
    write_splits("x", task, features, rows, {split: folder / f"{split}.parquet" for split in splits})


def test_ids_groups_and_sizes_of_splits_are_checked(tmp_path: Path) -> None:
    intent, text = load_task("citation_intent"), load_task("pretraining")
    good = {"train": rows_of("a", "b"), "validation": rows_of("c", paper="Q"), "test": rows_of("d", paper="R")}
    write(tmp_path / "good", intent, good)
    assert read_rows(tmp_path / "good/train.parquet").to_list() == good["train"]
    write(tmp_path / "no test", text, {**good, "test": []})
    for task, change, expected in [
        (intent, {"test": []}, "data set x: split test is empty"),
        (text, {"train": []}, "data set x: split train is empty"),
        (intent, {"train": rows_of("a", "a")}, "data set x: duplicate id 'a'"),
        (intent, {"test": rows_of("a", paper="R")}, "data set x: duplicate id 'a', again in test; ids must be unique"),
        (
            intent,
            {"test": rows_of("d", paper="P")},
            "data set x: paper 'P' is in train .row 'a'. and test .row 'd'.",
        ),
    ]:
        with pytest.raises(DataError, match=expected):
            write(tmp_path / "bad", task, {**good, **change})
        assert list((tmp_path / "bad").iterdir()) == []


def test_splits_are_written_in_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("papertrail.core.parquet.SHARD", 4)
    sizes: list[int] = []
    add = RowWriter.add
    monkeypatch.setattr(RowWriter, "add", lambda writer, row: (add(writer, row), sizes.append(len(writer.shard))))
    splits = {"train": rows_of(*map(str, range(10))), "validation": rows_of("v", paper="Q"), "test": []}
    write(tmp_path, load_task("pretraining"), splits)
    assert max(sizes) == 3  # the fourth row is written at once
    groups = pq.ParquetFile(tmp_path / "train.parquet").metadata
    assert [groups.row_group(number).num_rows for number in range(groups.num_row_groups)] == [4, 4, 2]
    assert read_rows(tmp_path / "train.parquet").to_list() == splits["train"]


def test_ids_and_relevant_documents_of_a_collection_are_checked(tmp_path: Path) -> None:
    features = Features(id=Value("string"), relevant=List(Value("string")))
    files = {split: tmp_path / f"{split}.parquet" for split in ("train", "test")}
    write_rows([{"id": "q", "relevant": ["a", "b"]}], features, files["train"])
    write_rows([{"id": "r", "relevant": ["a"]}], features, files["test"])
    assert list(check_collection("x", files, rows_of("a", "b", "c"))) == rows_of("a", "b", "c")
    with pytest.raises(DataError, match="data set x: duplicate id 'a' in the collection"):
        list(check_collection("x", files, rows_of("a", "b", "a", "b")))
    with pytest.raises(DataError, match="data set x: query 'q': document 'b' is not in the collection"):
        list(check_collection("x", files, rows_of("a")))
    with pytest.raises(DataError, match="data set x: query 'r': document 'a' is not in the collection"):
        list(check_collection("x", {"test": files["test"]}, rows_of("b")))


def test_dropped_and_counted_rows(tmp_path: Path) -> None:
    features = Features(id=Value("string"), label=ClassLabel(names=["a", "b", "c"]))
    rows = [{"id": str(number), "label": "aab"[number]} for number in range(3)]
    write_rows(rows, features, tmp_path / "rows.parquet")
    assert count_rows(tmp_path / "rows.parquet") == {"all": 3, "a": 2, "b": 1}
    drop_rows(tmp_path / "rows.parquet", features, {1})
    assert read_rows(tmp_path / "rows.parquet").to_list() == [{"id": "0", "label": 0}, {"id": "2", "label": 1}]
    assert count_rows(tmp_path / "rows.parquet") == {"all": 2, "a": 1, "b": 1}


def test_label_leakage_is_limited() -> None:
    counts = Counts()
    for leaks in (True, False, False, False):
        counts.add_leakage_check("title_in_text", leaks)
    check_label_leakage("x", counts, {"title_in_text": 0.25})
    with pytest.raises(DataError, match=r"data set x: title_in_text: 1 of 4 labels are readable .* a share of 0\.2 is"):
        check_label_leakage("x", counts, {"title_in_text": 0.2})
    with pytest.raises(ParamsError, match="max_label_leakage: no limit for check 'title_in_text'; add one"):
        check_label_leakage("x", counts, {})
