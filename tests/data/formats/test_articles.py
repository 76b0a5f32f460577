"""Articles in Parquet and JSON lines: the same rows from both, memory, samples, and broken files."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from papertrail.core.errors import DataError
from papertrail.core.randomness import sample
from papertrail.core.records import Counts
from papertrail.data.formats.articles import StreamSample, read_articles
from tests.fixtures.articles import write_lines, write_parquet

ARTICLES = [
    {"id": "0704.1", "article": "Pebbles are wet.\n Some are\tround.", "abstract": "On pebbles.", "year": 2007},
    {"id": "0704.2", "article": None, "abstract": "", "year": 2008},
    {"id": "0704.3", "article": "é\u2028è", "abstract": "Accents.", "year": 2009},
]
TEXTS = [("Pebbles are wet.\n Some are\tround.", "On pebbles."), ("", ""), ("é\u2028è", "Accents.")]


def read(folder: Path, *files: str, id_column: str | None = "id", counts: Counts | None = None) -> list[Any]:
    return list(read_articles(folder, files, id_column, ["article", "abstract"], counts or Counts()))


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.jsonl.gz", "a.json"])
def test_every_format_gives_the_same_articles(tmp_path: Path, name: str) -> None:
    (write_parquet if name.endswith(".parquet") else write_lines)(tmp_path / "deep" / name, ARTICLES)
    counts = Counts()
    found = read(tmp_path, f"deep/{name}", counts=counts)
    assert [id_ for id_, _ in found] == ["0704.1", "0704.2", "0704.3"]
    assert [(texts["article"], texts["abstract"]) for _, texts in found] == TEXTS
    assert all(texts.keys() == {"article", "abstract"} for _, texts in found)
    assert counts.read == {"articles": 3}
    assert not +counts.dropped


@pytest.mark.parametrize("name", ["a.csv", "a.CSV"])
def test_a_table_has_no_text_where_it_says_nan(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("id,title,text\n1.0,nan,Nan bread\n", encoding="utf-8")
    assert list(read_articles(tmp_path, [name], "id", ["title", "text"], Counts())) == [
        ("1", {"title": "", "text": "Nan bread"})
    ]


def test_the_row_is_the_id_without_an_id_column(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", ARTICLES, row_group=2)
    write_lines(tmp_path / "b.jsonl", ARTICLES[:1])
    found = read(tmp_path, "b.jsonl", "a.parquet", id_column=None)
    assert [id_ for id_, _ in found] == ["b.jsonl/0", "a.parquet/0", "a.parquet/1", "a.parquet/2"]


def test_the_first_article_of_an_id_is_used(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", ARTICLES[:2])
    write_lines(tmp_path / "b.jsonl", [{**ARTICLES[2], "id": "0704.1"}, ARTICLES[2]])
    counts = Counts()
    found = read(tmp_path, "a.jsonl", "b.jsonl", counts=counts)
    assert [(id_, texts["abstract"]) for id_, texts in found] == [
        ("0704.1", "On pebbles."),
        ("0704.2", ""),
        ("0704.3", "Accents."),
    ]
    assert counts.dropped == {"articles with a duplicate id": 1}


@pytest.mark.parametrize("write", [write_lines, write_parquet])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"article": {"a": "A."}}, "article: expected a text, got dict"),
        ({"abstract": 3}, "abstract: expected a text, got int"),
        ({"id": ""}, r"id is empty; every article needs an id \(null: the row is its id\)"),
    ],
)
def test_a_value_that_is_not_a_text_is_an_error_with_its_place(
    tmp_path: Path, write: Any, change: dict[str, Any], expected: str
) -> None:
    name = "a.parquet" if write is write_parquet else "a.jsonl"
    place = ": row 1" if write is write_parquet else ":1"
    write(tmp_path / name, [{**ARTICLES[0], **change}])
    with pytest.raises(DataError, match=f"{name}{place}: {expected}"):
        read(tmp_path, name)


def test_a_missing_column_is_an_error_with_the_known_columns(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", [{"id": "1", "text": "A.", "abstract": "B."}])
    with pytest.raises(DataError, match=r"a\.parquet: no column 'article' \(columns: id, text, abstract\)"):
        read(tmp_path, "a.parquet")


def test_a_broken_or_missing_parquet_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.parquet: no such file; fetch the source again"):
        read(tmp_path, "a.parquet")
    write_parquet(tmp_path / "a.parquet", ARTICLES)
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[:-20])
    with pytest.raises(DataError, match=r"a\.parquet: not a readable Parquet file \("):
        read(tmp_path, "a.parquet")


def test_a_parquet_file_is_read_in_batches(tmp_path: Path) -> None:
    letters = np.random.default_rng(0).integers(97, 123, size=(1200, 20_000), dtype=np.uint8)
    articles = [{"article": row.tobytes().decode(), "abstract": "A."} for row in letters]  # 24 MB, incompressible
    write_parquet(tmp_path / "a.parquet", articles, row_group=50)
    before = pa.total_allocated_bytes()
    allocated = [
        pa.total_allocated_bytes() - before
        for _ in read_articles(tmp_path, ["a.parquet"], None, ["article", "abstract"], Counts())
    ]
    assert len(allocated) == 1200
    assert max(allocated) < 12e6  # a batch, its copy and a row group


@pytest.mark.parametrize("size", [0, 1, 7, 40, 41, None])
def test_a_stream_sample_equals_a_sample_of_all(size: int | None) -> None:
    ids = [f"paper {number}" for number in range(40)]
    stream = StreamSample[int](size, 42, "test")
    for number, id_ in enumerate(ids):
        stream.add(id_, number)
    chosen = sample(ids, size, 42, "test")
    assert stream.chosen() == [
        (id_, number) for number, id_ in enumerate(ids) if id_ in chosen
    ]  # in the order of the stream
    assert stream.seen == 40
