"""Output files and folders are complete or absent; hashes depend on names and contents."""

import hashlib
from pathlib import Path

import pytest

from papertrail.core.artifacts import (
    new_file,
    new_folder,
    part_of,
    sha256_of,
    sha256_of_folder,
    write_csv,
    write_json,
    write_text,
)


def test_json_is_sorted_and_exact(tmp_path: Path) -> None:
    write_json({"b": 0.1 + 0.2, "a": {"é": 1}}, tmp_path / "new/scores.json")
    text = (tmp_path / "new/scores.json").read_text(encoding="utf-8")
    assert text == '{\n  "a": {\n    "é": 1\n  },\n  "b": 0.30000000000000004\n}\n'


def test_text_replaces_the_earlier_file(tmp_path: Path) -> None:
    write_text("long and old\n", tmp_path / "a.txt")
    write_text("new\n", tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_csv_has_a_header_and_unix_line_ends(tmp_path: Path) -> None:
    write_csv([{"x": 1, "y": "a,b"}, {"x": 0.1, "y": "é"}], tmp_path / "new/curve.csv", ["x", "y"])
    assert (tmp_path / "new/curve.csv").read_bytes() == 'x,y\n1,"a,b"\n0.1,é\n'.encode()


def test_a_folder_appears_complete(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/old").touch()
    part_of(tmp_path / "model").mkdir()
    (part_of(tmp_path / "model") / "left").touch()  # by a killed process
    with new_folder(tmp_path / "model") as part:
        (part / "new").touch()
        assert [path.name for path in (tmp_path / "model").iterdir()] == ["old"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_error_keeps_the_earlier_output(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/old").touch()
    (tmp_path / "a.txt").write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError), new_folder(tmp_path / "model") as part:
        (part / "new").touch()
        raise RuntimeError
    with pytest.raises(RuntimeError), new_file(tmp_path / "a.txt") as part:
        part.write_text("new", encoding="utf-8")
        raise RuntimeError
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.txt", "model", "old"]
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "old"


def test_sha256_of_files_and_folders(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder / "inner").mkdir(parents=True)
        (tmp_path / folder / "a").write_bytes(b"a")
        (tmp_path / folder / "inner/b").write_bytes(b"b")
    assert sha256_of(tmp_path / "one/a") == hashlib.sha256(b"a").hexdigest()
    assert sha256_of_folder(tmp_path / "one") == sha256_of_folder(tmp_path / "other")
    (tmp_path / "other/inner/b").rename(tmp_path / "other/inner/c")
    assert sha256_of_folder(tmp_path / "one") != sha256_of_folder(tmp_path / "other")
