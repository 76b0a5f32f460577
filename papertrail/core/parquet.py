"""Rows in Parquet files, whose bytes depend on the rows, their schema and the pinned pyarrow alone."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from papertrail.core.artifacts import new_file
from papertrail.core.errors import DataError
from papertrail.core.records import Row

if TYPE_CHECKING:  # datasets takes seconds to import
    from datasets import Dataset, Features

KIND = b"papertrail.kind"  # of the schema metadata
SHARD = 10_000  # rows per row group, and rows in memory while streaming


class RowWriter:
    """Takes rows one at a time and writes them in shards; made by `open_rows`."""

    def __init__(self, name: str, features: "Features", file: pq.ParquetWriter) -> None:
        self.name = name
        self.features = features
        self.file = file
        self.shard: list[Row] = []
        self.rows = 0

    def add(self, row: Row) -> None:
        """Add a row.

        Raises:
            DataError: A column is missing or unknown, or a value has the wrong type.
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
        """Write the rows in memory.

        Raises:
            DataError: A value does not fit its column.
        """
        try:
            table = pa.Table.from_pylist(self.shard, schema=self.file.schema)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(f"{self.name}: a value does not fit its column: {error}") from None
        self.file.write_table(table, row_group_size=SHARD)
        self.shard = []


@contextmanager
def open_rows(features: "Features", path: Path, kind: str | None = None) -> Iterator[RowWriter]:
    """Yield a writer of a Parquet file, which appears when the block ends without an error.

    Args:
        features: Columns; class names are stored with the file.
        path: The file.
        kind: What the rows are, such as a kind of predictions; see `read_kind`.
    """
    schema = features.arrow_schema
    if kind is not None:
        schema = schema.with_metadata({**(schema.metadata or {}), KIND: kind.encode()})
    with new_file(path) as part, pq.ParquetWriter(part, schema, compression="zstd") as file:
        writer = RowWriter(path.name, features, file)
        yield writer
        if writer.shard or not writer.rows:  # a file without rows has one empty group
            writer.write_shard()


def write_rows(rows: Iterable[Row], features: "Features", path: Path, kind: str | None = None) -> None:
    """Write rows as Parquet; see `open_rows`.

    Raises:
        DataError: A row lacks a column, has an unknown one, or has a value of the wrong type.
    """
    with open_rows(features, path, kind) as writer:
        for row in rows:
            writer.add(row)


def _encode(value: Any, feature: Any) -> Any:
    """Turn class names into numbers. Other values stay: pyarrow rejects wrong types, encode_example would convert."""
    from datasets import ClassLabel, List

    if isinstance(feature, List):
        if not isinstance(value, list | tuple):
            raise TypeError(f"expected a list, got {value!r}")
        return [_encode(item, feature.feature) for item in value]
    if isinstance(feature, dict):
        return {name: _encode(value[name], inner) for name, inner in feature.items()}
    if value is None:
        raise ValueError("a value is missing")
    if isinstance(value, float) and pa.types.is_integer(feature.pa_type):
        raise TypeError(f"expected an integer, got {value}")  # pyarrow would truncate it
    return feature.encode_example(value) if isinstance(feature, ClassLabel) else value


def read_rows(path: Path) -> "Dataset":
    """Return the rows of a Parquet file with their features, in memory.

    Raises:
        DataError: There is no such file, or it is no complete Parquet file.
    """
    from datasets import Dataset

    try:
        return Dataset(pq.read_table(path, memory_map=False))
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from None


def read_kind(path: Path) -> str | None:
    """Return what the rows of a Parquet file are, None if the file does not say.

    Raises:
        DataError: There is no such file, or it is no complete Parquet file.
    """
    try:
        return kind_of(pq.read_schema(path))
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from None


def kind_of(schema: pa.Schema) -> str | None:
    """Return what rows of a schema are, None if it does not say."""
    kind: bytes | None = (schema.metadata or {}).get(KIND)
    return None if kind is None else kind.decode()


def stream_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Yield the rows of a Parquet file, or some columns of them, a shard at a time; class names as numbers.

    Raises:
        DataError: There is no such file, or it is no complete Parquet file.
    """
    try:
        file = pq.ParquetFile(path, memory_map=False, pre_buffer=False)  # a buffer would hold the whole file
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from None
    with file:
        for shard in file.iter_batches(SHARD, columns=columns):
            yield from shard.to_pylist()


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not a readable Parquet file ({error}); `dvc repro` writes it again")


class Rows(Sequence[Row]):
    """The rows of a data set, kept in Arrow memory and converted one at a time."""

    def __init__(self, data: "Dataset") -> None:
        table = data.with_format("arrow")[:].combine_chunks()  # one chunk, so that access by index is fast
        self.columns = {name: table[name] for name in table.column_names}
        self.size: int = table.num_rows

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Any) -> Any:
        return {name: column[index].as_py() for name, column in self.columns.items()}
