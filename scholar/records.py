"""Rows between stages: schema check, drop counts, Parquet files whose bytes depend on the rows alone."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset, Features, List

from scholar.errors import DataError

SPLITS = ("train", "validation", "test")
SHARD = 10_000  # rows; a group of a Parquet file, and what is held at once where rows are streamed
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

    def add(self, other: "Counts") -> None:
        """Add what another reader counted."""
        for field_ in fields(self):
            getattr(self, field_.name).update(getattr(other, field_.name))


class RowWriter:
    """Takes rows one at a time and writes them by shards; no more than a shard is held. Made by `open_rows`."""

    def __init__(self, name: str, features: Features, file: pq.ParquetWriter) -> None:
        self.name = name
        self.features = features
        self.file = file
        self.shard: list[Row] = []
        self.rows = 0

    def add(self, row: Row) -> None:
        """Take a row.

        Raises:
            DataError: it lacks a column, has one too many, or holds a value of another type.
        """
        if row.keys() != self.features.keys():
            columns = f"columns {sorted(row)}, expected {sorted(self.features)}"
            raise DataError(f"{self.name}: row {row.get('id')}: {columns}")
        try:
            self.shard.append({name: _encode(value, self.features[name]) for name, value in row.items()})
        except (ValueError, TypeError) as error:
            raise DataError(f"{self.name}: row {row['id']}: {error}") from None
        self.rows += 1
        if len(self.shard) == SHARD:
            self.write_shard()

    def write_shard(self) -> None:
        """Write what is held.

        Raises:
            DataError: a value does not fit its column.
        """
        try:
            table = pa.Table.from_pylist(self.shard, schema=self.file.schema)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(f"{self.name}: a value does not fit its column: {error}") from None
        self.file.write_table(table, row_group_size=SHARD)
        self.shard = []


@contextmanager
def open_rows(features: Features, path: Path) -> Iterator[RowWriter]:
    """A writer of Parquet. The file is written beside and renamed, so that one with this name is always a whole one.

    The bytes depend on rows, features and the pinned pyarrow, not on time, folder or process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    schema = features.arrow_schema  # carries class names as metadata, so that a file explains itself
    try:
        with pq.ParquetWriter(part, schema, compression="zstd") as file:
            writer = RowWriter(path.name, features, file)
            yield writer
            if writer.shard or not writer.rows:  # a file of no rows has one empty group
                writer.write_shard()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_rows(rows: Iterable[Row], features: Features, path: Path) -> None:
    """Write rows as Parquet.

    Raises:
        DataError: a row lacks a column, has one too many, or holds a value of another type.
    """
    with open_rows(features, path) as writer:
        for row in rows:
            writer.add(row)


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
        raise _unreadable(path, error) from None


def stream_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """The rows of a Parquet file, or some of their columns, with no more than a shard of them held; class names as
    numbers.

    Raises:
        DataError: there is no such file or it is not a whole Parquet file.
    """
    try:
        file = pq.ParquetFile(path, memory_map=False, pre_buffer=False)  # a buffer would be the whole file
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from None
    with file:
        for shard in file.iter_batches(SHARD, columns=columns):
            yield from shard.to_pylist()


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not a readable Parquet file ({error}); `dvc repro` makes it anew")


class Rows(Sequence[Row]):
    """The rows of a data set, kept as Arrow holds them and made into values one at a time."""

    def __init__(self, data: Dataset) -> None:
        table = data.with_format("arrow")[:].combine_chunks()  # of one piece, so that a row is found at once
        self.columns = {name: table[name] for name in table.column_names}
        self.size: int = table.num_rows

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Any) -> Any:
        return {name: column[index].as_py() for name, column in self.columns.items()}


def write_json(value: Mapping[str, Any], path: Path) -> None:
    """Write JSON with sorted keys. Floats keep all their digits."""
    write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Write a text file, beside and then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
