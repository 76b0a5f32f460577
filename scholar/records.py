"""Rows between stages: schema check, drop counts, Parquet files whose bytes depend on the rows alone."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset, Features, List

from scholar.errors import DataError

SPLITS = ("train", "validation", "test")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a reader saw and what it left out, by reason. Ends in the metrics of its stage.

    `answers`: clue -> labels that it was tried on; `readable`: clue -> those that it gives away.
    """

    read: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    readable: Counter[str] = field(default_factory=Counter)

    def add_clue(self, name: str, gives_away: bool) -> None:
        """Count a label, and whether the clue of this name in the input gives it away."""
        self.answers[name] += 1
        self.readable[name] += gives_away


def write_rows(rows: Iterable[Row], features: Features, path: Path) -> None:
    """Write rows as Parquet, beside and then renamed, so that a file with this name is always a whole one.

    The bytes depend on rows, features and the pinned pyarrow, not on time, folder or process.

    Raises:
        DataError: a row lacks a column, has one too many, or holds a value of another type.
    """
    schema = features.arrow_schema  # carries class names as metadata, so that a file explains itself
    encoded = []
    for row in rows:
        if row.keys() != features.keys():
            raise DataError(f"{path.name}: row {row.get('id')}: columns {sorted(row)}, expected {sorted(features)}")
        try:
            encoded.append({name: _encode(value, features[name]) for name, value in row.items()})
        except (ValueError, TypeError) as error:
            raise DataError(f"{path.name}: row {row['id']}: {error}") from None
    try:
        table = pa.Table.from_pylist(encoded, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"{path.name}: a value does not fit its column: {error}") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    pq.write_table(table, part, compression="zstd", row_group_size=10_000)
    part.replace(path)


def _encode(value: Any, feature: Any) -> Any:
    """Class names as numbers. All else stays: pyarrow refuses other types, which encode_example converts."""
    if isinstance(feature, List):
        if not isinstance(value, list | tuple):
            raise TypeError(f"a list was expected, got {value!r}")
        return [_encode(item, feature.feature) for item in value]
    if value is None:
        raise ValueError("a value is missing")
    if isinstance(value, float) and pa.types.is_integer(feature.pa_type):
        raise TypeError(f"a whole number was expected, got {value}")  # pyarrow would cut it
    return feature.encode_example(value) if isinstance(feature, ClassLabel) else value


def read_rows(path: Path) -> Dataset:
    """The rows of a Parquet file, with their features; held in memory, no cache folder is touched.

    Raises:
        DataError: there is no such file or it is not a whole Parquet file.
    """
    try:
        return Dataset(pq.read_table(path, memory_map=False))
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error}); `dvc repro` makes it anew") from None


def write_json(value: Mapping[str, Any], path: Path) -> None:
    """Write JSON with sorted keys. Floats keep all their digits."""
    write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Write a text file, beside and then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
