"""Writing outputs: beside the target, then renamed, so that a file or folder is complete or absent; sha256 of files."""

import csv
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Cell = float | int | str


def part_of(path: Path) -> Path:
    """Return where a path is written before it is renamed."""
    return path.with_name(path.name + ".part")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that replaces `folder` when the block ends without an error."""
    part = part_of(folder)
    shutil.rmtree(part, ignore_errors=True)  # left by a killed process
    part.mkdir(parents=True)
    try:
        yield part
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a path that replaces `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(value: Mapping[str, Any], path: Path) -> None:
    """Write JSON with sorted keys and all digits of floats."""
    write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Write a UTF-8 text file."""
    with new_file(path) as part:
        part.write_text(text, encoding="utf-8")


def write_csv(rows: Sequence[Mapping[str, Cell]], path: Path, columns: Sequence[str]) -> None:
    """Write rows as CSV."""
    with new_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_folder(folder: Path) -> str:
    """Return a sha256 over the names and contents of all files of a folder."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(file.relative_to(folder).as_posix().encode() + bytes.fromhex(sha256_of(file)))
    return digest.hexdigest()
