"""What differs between two builds, told down to the tensor, row, key or line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from scholar.verify import compare, differences


def write(folder: Path, name: str, content: Any) -> None:
    """A file of the kind that its name says."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    if file.suffix == ".safetensors":
        save_file(content, file)
    elif file.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(content), file)
    else:
        file.write_text(json.dumps(content) if file.suffix == ".json" else content, encoding="utf-8")


WEIGHTS = {"first": np.zeros(3, dtype=np.float32), "second": np.ones(2, dtype=np.float32)}


@pytest.mark.parametrize(
    ("name", "before", "after", "told"),
    [
        ("model.safetensors", WEIGHTS, {**WEIGHTS, "second": WEIGHTS["second"] + 1e-7}, ["tensor second"]),
        ("model.safetensors", WEIGHTS, {"first": WEIGHTS["first"]}, ["tensor second"]),
        ("rows.parquet", [{"a": 1, "b": "x"}] * 2, [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}], ["row 1, column b"]),
        ("metrics.json", {"a": {"b": 0.1, "c": 2}}, {"a": {"b": 0.2, "c": 2}}, ["key a.b"]),
        ("metrics.json", {"a": 1, "b": 2}, {"b": 2, "a": 1}, ["the same content in other bytes"]),
        ("curve.csv", "x,y\n1,2\n", "x,y\n1,3\n", ["line 2"]),
        ("text.md", "\n" * 9, "a\n" * 9, [*(f"line {n}" for n in range(1, 6)), "and 4 more"]),
    ],
)
def test_the_place_is_told(tmp_path: Path, name: str, before: Any, after: Any, told: list[str]) -> None:
    write(tmp_path / "before", name, before)
    write(tmp_path / "after", name, after)
    file = tmp_path / "after" / name
    assert differences(tmp_path / "before", tmp_path / "after") == [f"{file}: {place}" for place in told]


def test_the_same_bytes_do_not_differ(tmp_path: Path) -> None:
    for folder in ("before", "after"):
        write(tmp_path / folder, "rows.parquet", [{"a": 1}])
    assert differences(tmp_path / "before", tmp_path / "after") == []


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    write(tmp_path / "before", "a.txt", "a")
    (tmp_path / "after").mkdir()
    write(tmp_path / "after", "b.txt", "b")
    first, second = differences(tmp_path / "before", tmp_path / "after")
    assert "was not built again" in first
    assert "is not here to compare" in second


def test_stages_are_told_in_the_order_of_building(tmp_path: Path) -> None:
    def lock(*hashes: str) -> dict[str, Any]:
        names = ("prepare@b", "finetune@a", "evaluate@a")
        outs = [[{"path": f"{n}.txt", "md5": md5}] for n, md5 in zip(names, hashes, strict=True)]
        return {"stages": {n: {"outs": out} for n, out in zip(names, outs, strict=True)}}

    for folder, text in {"before": "1", "after": "2"}.items():
        for name in ("finetune@a.txt", "evaluate@a.txt"):
            write(tmp_path / folder, name, text)
    found = compare(lock("x", "y", "z"), lock("x", "Y", "Z"), tmp_path / "before", tmp_path / "after")
    assert list(found) == ["finetune@a", "evaluate@a"]
    assert found["finetune@a"] == [f"{tmp_path / 'after/finetune@a.txt'}: line 1"]
