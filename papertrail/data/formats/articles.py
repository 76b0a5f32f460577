"""Articles, one record per paper, as collections are published: Parquet, or JSON lines, CSV and TSV, plain or in .gz.

Files are read in batches, and only the named columns of a Parquet file, so that a collection of any size needs the
memory of a few hundred articles and of the sample.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from pathlib import Path
from typing import Any, Generic, TypeVar

from papertrail.core.errors import DataError
from papertrail.core.randomness import draw
from papertrail.core.records import Counts
from papertrail.data.formats.jsonl import read_id, read_json_lines
from papertrail.data.formats.table import read_table
from papertrail.data.text import nfc

BATCH = 256  # articles of a Parquet file in memory
DELIMITERS = {".csv": ",", ".tsv": "\t"}
T = TypeVar("T")
Texts = list[str]  # of one field


@dataclass(slots=True)
class StreamSample(Generic[T]):
    """The items of a stream that `papertrail.core.randomness.sample` would choose among all; others are not kept.

    Attributes:
        size: Maximum number of items; None keeps all.
        seed: Of the draw.
        purpose: Of the draw.
        seen: Items of the stream so far.
    """

    size: int | None
    seed: int
    purpose: str
    seen: int = 0
    _kept: list[tuple[int, int, str, T]] = field(default_factory=list)  # a heap; its first item has the highest draw

    def add(self, id_: str, item: T) -> None:
        """Keep the item if its draw is among the `size` lowest so far."""
        entry = (-draw(self.seed, self.purpose, id_), self.seen, id_, item)
        self.seen += 1
        if self.size is None or len(self._kept) < self.size:
            heappush(self._kept, entry)
        else:
            heappushpop(self._kept, entry)

    def chosen(self) -> list[tuple[str, T]]:
        """Return (id, item) of the sample in the order of the stream."""
        return [(id_, item) for _, _, id_, item in sorted(self._kept, key=lambda entry: entry[1])]


def read_articles(
    folder: Path, files: Sequence[str], id_column: str | None, columns: Sequence[str], counts: Counts
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (id, column -> text) of each article in the order of the files; see `read_fields`.

    A list of sentences or paragraphs, also a nested one, is one text.
    """
    for id_, fields in read_fields(folder, files, id_column, columns, counts):
        yield id_, {column: " ".join(texts) for column, texts in fields.items()}


def read_fields(
    folder: Path, files: Sequence[str], id_column: str | None, columns: Sequence[str], counts: Counts
) -> Iterator[tuple[str, dict[str, Texts]]]:
    """Yield (id, column -> texts) of each article in the order of the files; null is an empty text.

    The texts of a field are the items of its list, each of which may be a list of sentences, or the only text.
    Without an id column, ids are `file/row`. Of several articles with one id the first is used.

    Raises:
        DataError: A file is missing or damaged, lacks a column, or has a value that is neither a text nor a list of
            texts.
    """
    wanted = list(dict.fromkeys([*columns, *([id_column] if id_column else [])]))
    seen: set[str] = set()
    for name in files:
        for number, (place, record) in enumerate(_read_records(folder / name, tuple(wanted))):
            counts.read["articles"] += 1
            id_ = read_id(record[id_column], f"{place}: {id_column}") if id_column else f"{name}/{number}"
            if not id_:
                raise DataError(f"{place}: {id_column} is empty; every article needs an id (null: the row is its id)")
            if id_ in seen:
                counts.dropped["articles with a duplicate id"] += 1
                continue
            if id_column:
                seen.add(id_)
            yield id_, {column: _texts(record[column], f"{place}: {column}") for column in columns}


def _read_records(file: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    if file.suffix == ".parquet":
        return _read_parquet(file, columns)
    delimiter = DELIMITERS.get(Path(file.name.removesuffix(".gz")).suffix.lower())
    return read_json_lines(file, columns) if delimiter is None else read_table(file, delimiter, columns)


def _read_parquet(file: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file, pre_buffer=False) as parquet:  # a buffer would hold the whole file
            names = parquet.schema_arrow.names
            if missing := [column for column in columns if column not in names]:
                raise DataError(f"{file}: no column '{missing[0]}' (columns: {', '.join(names)})")
            number = 0
            for batch in parquet.iter_batches(BATCH, columns=list(columns)):
                for record in batch.to_pylist():
                    number += 1
                    yield f"{file}: row {number}", record
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; fetch the source again, or correct the name in params.yaml") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{file}: not a readable Parquet file ({error}); fetch the source again") from None


def _texts(value: Any, place: str) -> Texts:
    if not isinstance(value, list):
        return [_text(value, place)]
    return [" ".join(_texts(item, place)) if isinstance(item, list) else _text(item, place) for item in value]


def _text(value: Any, place: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if not isinstance(value, str):
        raise DataError(f"{place}: expected a text, got {type(value).__name__} (a list of texts is one text)")
    return nfc(value)
