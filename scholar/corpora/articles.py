"""Articles, one record a paper, as published collections hold them: Parquet, JSON lines, JSON lines in .gz.

Files are read by batches, and of Parquet only the columns that are asked for, so that a collection of any size needs
the memory of a few hundred articles, and of those that a draw keeps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from scholar.corpora.jsonl import read_json_lines
from scholar.errors import DataError
from scholar.records import Counts
from scholar.splits import draw

BATCH = 256  # articles of a Parquet file held at a time
T = TypeVar("T")


@dataclass(slots=True)
class Draw(Generic[T]):
    """The items of a stream that `splits.sample` would choose among all of them; the others are let go at once.

    `size`: items kept at most; None keeps all.
    """

    size: int | None
    seed: int
    purpose: str
    offered: int = 0
    _kept: list[tuple[int, int, str, T]] = field(default_factory=list)  # a heap: the highest draw is the first to go

    def offer(self, id_: str, item: T) -> None:
        """Keep the item if its draw is among the `size` lowest so far."""
        entry = (-draw(self.seed, self.purpose, id_), self.offered, id_, item)
        self.offered += 1
        if self.size is None or len(self._kept) < self.size:
            heappush(self._kept, entry)
        else:
            heappushpop(self._kept, entry)

    def chosen(self) -> list[tuple[str, T]]:
        """(id, item) of those kept, in the order in which they came."""
        return [(id_, item) for _, _, id_, item in sorted(self._kept, key=lambda entry: entry[1])]


def read_articles(
    folder: Path, files: Sequence[str], id_column: str | None, columns: Sequence[str], counts: Counts
) -> Iterator[tuple[str, dict[str, str]]]:
    """(id, column -> text) of each article in the order of the files; a null is an empty text.

    Without an id column the id is `file/row`. Of several articles with one id the first counts.

    Raises:
        DataError: a file is missing or broken, lacks a column, or holds something else than text in it.
    """
    wanted = list(dict.fromkeys([*columns, *([id_column] if id_column else [])]))
    seen: set[str] = set()
    for name in files:
        reader = _read_parquet if name.endswith(".parquet") else read_json_lines
        for number, (place, record) in enumerate(reader(folder / name, tuple(wanted))):
            counts.read["articles"] += 1
            id_ = _text(record, id_column, place) if id_column else f"{name}/{number}"
            if not id_:
                raise DataError(f"{place}: {id_column} is empty; every article needs an id (null: the row is its id)")
            if id_ in seen:
                counts.dropped["articles of an id that came before"] += 1
                continue
            if id_column:
                seen.add(id_)
            yield id_, {column: _text(record, column, place) for column in columns}


def _read_parquet(file: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with pq.ParquetFile(file, pre_buffer=False) as parquet:  # which would fetch the whole file at once
            names = parquet.schema_arrow.names
            if missing := [column for column in columns if column not in names]:
                raise DataError(f"{file}: no column '{missing[0]}' (columns: {', '.join(names)})")
            number = 0
            for batch in parquet.iter_batches(BATCH, columns=list(columns)):
                for record in batch.to_pylist():
                    number += 1
                    yield f"{file}: row {number}", record
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; fetch the source anew, or mend the name in params.yaml") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{file}: not a readable Parquet file ({error}); fetch the source anew") from None


def _text(record: dict[str, Any], column: str, place: str) -> str:
    value = record[column]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"{place}: {column}: a text was expected, got {type(value).__name__}")
    return value
