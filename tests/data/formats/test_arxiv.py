"""arXiv's snapshot, compared with a plain loop over the same lines."""

import gzip
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter, ValidationError

from papertrail.core.errors import DataError
from papertrail.core.randomness import sample
from papertrail.core.records import Counts
from papertrail.data.formats.arxiv import WITHDRAWN, Words, open_snapshot
from papertrail.data.formats.arxiv_records import Record, repair_id
from tests.fixtures.arxiv import ABSTRACT, read_snapshot, real_records, record, write_snapshot

BROKEN = [
    "no JSON at all",
    '{"id": "0704.0007", "title": "cut',
    '{"id": "0704.0007"} {"id": "0704.0008"}',
    "[1, 2]",
    '"text"',
    "12",
    "null",
    "{}",
    '{"title": "no id"}',
    '{"id": null, "title": "no id"}',
    '{"id": {"a": 1}, "title": "odd id"}',
]
LINES = [
    record("0704.0001"),
    *BROKEN,
    record("twelve"),
    record("0704.0001", abstract="A second one of this id says something else, at some length, about other stones."),
    "",
    record("0704.0001v2"),
    record(" arXiv:0704.0001 "),
    record(704.001),
    record("0704.0010", title="The one that came before has lost its zeros"),
    record("1804.0222"),
    record("1804.02220"),
    record("math.GT/0309136"),
    record("math/0309136"),
    record("HEP-TH/9901001", "hep-th"),
    record("0705.0001", abstract="  This paper has been withdrawn by the author, who found an error in it. Sorry.\n"),
    record("0705.0002", abstract=f"{ABSTRACT} This article was withdrawn."),
    record("0705.0003", abstract="Withdrawn."),
    record("0705.0004", abstract=f"{ABSTRACT} Money is withdrawn, conclusions are drawn."),
    record("0705.0005", abstract=""),
    record("0705.0006", abstract=None),
    record("0705.0007", abstract="One two three four five six seven eight nine"),
    record("0705.0008", abstract="  One two three four\nfive six seven eight nine   ten"),
    record("0705.0009", title=""),
    record("0705.0010", title=" \n "),
    record("0705.0011", title=None) | {"title": None},
    record("0705.0012", "  math.AG,math.NT"),
    record("0705.0013", ""),
    record("0705.0014", None),
    {key: value for key, value in record("0705.0015").items() if key != "categories"},
    record("0705.0016", title=5),
    record("0705.0017", ["cs.CL", "cs.LG"]),
    record("0705.0018", []),
    record("0705.0019", {"first": "cs.CL"}),
    record("0705.0020", True),
    record("0705.0021", -3),
    record("0705.0022", abstract=f"{ABSTRACT} This paper\n  has been\n  withdrawn."),
    record("0705.0023", abstract=f"{ABSTRACT} This submission has been removed by\n  arXiv admins."),
    record("0705.0024", abstract=f"{ABSTRACT} The submission is\tremoved\r\nby arXiv."),
    record("1501.00001", "cs.LG"),
    {"arxiv_id": "1501.00002", **{k: v for k, v in record("", "cs.LG").items() if k != "id"}},
]


def loop(lines: list[str]) -> tuple[dict[str, tuple[str, str]], Counter[str]]:
    """Return id -> (first category, title) in file order, and the dropped records by reason, by a plain loop."""
    kept: dict[str, tuple[str, str]] = {}
    seen: set[str] = set()
    dropped: Counter[str] = Counter()
    for line in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            dropped["lines that are not valid JSON"] += 1
            continue
        if not isinstance(row, dict):
            dropped["lines that are no JSON object"] += 1
            continue
        id_ = repair_id(str(row.get("id") or row.get("arxiv_id")))
        abstract, title = (str(row.get(name) or "") for name in ("abstract", "title"))
        categories = row.get("categories")
        if isinstance(categories, list):
            categories = " ".join(categories)
        first = re.split("[ ,]+", str(categories or "").strip())[0]
        if id_ is None:
            reason = "records without an arXiv id"
        elif id_ in seen:
            reason = "records with a duplicate id"
        elif re.search(WITHDRAWN, abstract):
            reason = "records withdrawn"
        elif not title.split():
            reason = "records with a title under 1 words"
        elif len(abstract.split()) < 10:
            reason = "records with an abstract under 10 words"
        elif not isinstance(categories, str | None):
            reason = "records whose categories are no text"
        elif not first:
            reason = "records without a category"
        else:
            reason = ""
            kept[id_] = (first, " ".join(title.split()))
        seen |= {id_} if id_ else set()
        dropped[reason] += bool(reason)
    return kept, +dropped


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that sets the number of threads of duckdb."""
    return lambda number: monkeypatch.setenv("OMP_NUM_THREADS", str(number))


def test_counts_equal_those_of_a_plain_loop(tmp_path: Path) -> None:
    records, counts = read_snapshot(write_snapshot(tmp_path, LINES))
    kept, dropped = loop((tmp_path / "snapshot.json").read_text(encoding="utf-8").splitlines())
    assert {r.id: (r.categories[0], r.title) for r in records} == kept
    assert [r.id for r in records] == list(kept)
    assert +counts.dropped == dropped
    assert set(dropped.values()) - {0} and len(dropped) == 9  # every reason occurs
    assert counts.read["records"] == len(LINES) - 1 == len(kept) + sum(dropped.values())
    assert counts.read["ids repaired"] == 6
    assert "Money" in records[[r.id for r in records].index("0705.0004")].abstract


def test_the_first_record_of_an_id_is_used(tmp_path: Path) -> None:
    records, _ = read_snapshot(write_snapshot(tmp_path, LINES))
    assert records[0] == Record("0704.0001", "Stones of the place 0704.0001", ABSTRACT, ("cs.CL", "cs.LG"), 2007)
    assert next(r for r in records if r.id == "0704.0010").title == "Stones of the place 704.001"
    assert next(r for r in records if r.id == "hep-th/9901001").year == 1999


@pytest.mark.parametrize("number", [1, 2, 4])
def test_order_and_samples_do_not_depend_on_the_number_of_threads(
    tmp_path: Path, threads: Callable[[int], None], number: int
) -> None:
    ids = [f"{month:04}.{paper:04}" for month in (1402, 704, 910, 1012) for paper in range(1, 4000)]
    lines = [record(id_, f"cs.A{chr(65 + int(id_[-1]))}", abstract=f"{ABSTRACT * 3} {id_}") for id_ in ids]
    write_snapshot(tmp_path / "raw", lines[:9000], "b.jsonl")
    write_snapshot(tmp_path / "raw", [*lines[9000:], *(line | {"title": "Late"} for line in lines)], "c.jsonl")
    threads(number)
    counts = Counts()
    with open_snapshot(tmp_path / "raw", 1, 10, counts) as snapshot:
        assert [r.id for r in snapshot.read(set(ids))] == ids
        assert {r.title for r in snapshot.read(set(ids))} == {f"Stones of the place {id_}" for id_ in ids}
        assert snapshot.first(9100) == set(ids[:9100])
        assert snapshot.sample(700, 42, "a purpose") == sample(ids, 700, 42, "a purpose")
        drawn = snapshot.sample_each(["cs.AB", "cs.AJ"], 50, 7, "each")
        assert {name: set(some) for name, some in drawn.items()} == {
            name: sample((i for i in ids if i.endswith(digit)), 50, 7, "each")
            for name, digit in (("cs.AB", "1"), ("cs.AJ", "9"))
        }
    assert +counts.dropped == {"records with a duplicate id": len(ids)}


def test_most_frequent_categories(tmp_path: Path) -> None:
    names = ["b", "a", "c", "b", "d", "d", "b"]
    folder = write_snapshot(tmp_path, [record(f"0704.{n:04}", f"{name}.X a.X") for n, name in enumerate(names)])
    with open_snapshot(folder, 1, 10, Counts()) as snapshot:
        assert snapshot.most_frequent(1) == ["b.X"]
        assert snapshot.most_frequent(3) == ["a.X", "b.X", "d.X"]  # a and c are equally frequent
        assert (len(snapshot.most_frequent(9)), snapshot.size) == (4, 7)
        with pytest.raises(DataError, match=r"no usable record of category 'e\.X'"):
            snapshot.sample_each(["a.X", "e.X"], 1, 42, "x")


def test_a_sample_may_be_larger_than_the_data(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path, [record("0704.0001"), record("0704.0002", "math.AG")])
    with open_snapshot(folder, 1, 10, Counts()) as snapshot:
        assert snapshot.sample(2 * 10**6, 42, "x") == {"0704.0001", "0704.0002"}
        assert snapshot.sample_each(["cs.CL"], 2 * 10**6, 42, "x") == {"cs.CL": ["0704.0001"]}


LISTS: list[Any] = [["cs.CL"], ["math.CO cs.AI"], ["math.AG", "cs.IT"], [None, "cs.LG"], [], [None]]
FIRST = [("cs.CL",), ("math.CO", "cs.AI"), ("math.AG", "cs.IT"), ("cs.LG",)]  # of those that have a category


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.csv", "a.tsv.gz"])
def test_categories_that_are_a_list(tmp_path: Path, name: str) -> None:
    lines = [record(f"0704.000{number}", categories) for number, categories in enumerate(LISTS, start=1)]
    if name == "a.jsonl":
        write_snapshot(tmp_path, lines, name)
    elif name == "a.parquet":
        pq.write_table(pa.Table.from_pylist(lines), tmp_path / name)
    else:  # pandas writes a list as Python does: ['math.AG', 'cs.IT']
        pandas.DataFrame(lines).to_csv(tmp_path / name, index=False, sep="\t" if "tsv" in name else ",")
    records, counts = read_snapshot(tmp_path)
    assert [r.categories for r in records] == FIRST
    assert +counts.dropped == {"records without a category": 2}


def test_the_field_case_of_listed_categories(repo: Path, tmp_path: Path) -> None:
    file = real_records(repo, "field/a01_list/list.jsonl")
    shutil.copy(file, tmp_path)
    with open_snapshot(tmp_path, 1, 5, Counts()) as snapshot:
        assert (snapshot.size, snapshot.most_frequent(2)) == (120, ["cs.CL", "math.CO"])


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv"])
def test_tables_of_real_records(repo: Path, tmp_path: Path, name: str) -> None:
    file = real_records(repo, "arxiv/snapshot_first200.jsonl")
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    (tmp_path / "table").mkdir()
    table = pandas.DataFrame(lines)[["id", "authors", "title", "abstract", "categories"]]
    table.to_csv(tmp_path / "table" / name, index=False, sep="\t" if "tsv" in name else ",")
    expected, counts = read_snapshot(write_snapshot(tmp_path / "lines", lines))
    records, of_table = read_snapshot(tmp_path / "table")
    assert records == expected
    assert (of_table.read, of_table.dropped) == (counts.read, counts.dropped)


@pytest.mark.parametrize(
    ("header", "missing"), [("id,title,abstract", "categories"), ("key,title,abstract,categories", "id")]
)
def test_a_table_without_a_column(tmp_path: Path, header: str, missing: str) -> None:
    write_snapshot(tmp_path, [header], "a.csv")
    with pytest.raises(DataError, match=rf"a\.csv:1: no column '{missing}' \(columns: {header.replace(',', ', ')}\)"):
        read_snapshot(tmp_path)


@pytest.mark.parametrize("title", ['"Direct" photons', '"Direct photons'])
def test_quotes_in_a_table_that_quotes_nothing(tmp_path: Path, title: str) -> None:
    rows = [f"0704.000{n}\t{title} {n}\tan abstract of five words\tcs.CL" for n in range(1, 5)]
    write_snapshot(tmp_path, ["id\ttitle\tabstract\tcategories", *rows], "a.tsv")
    with pytest.raises(
        DataError, match=r"a\.tsv:2: not a record of cells: .*a cell with a quote needs quotes around it"
    ):
        read_snapshot(tmp_path)


def test_a_row_with_another_number_of_cells(tmp_path: Path) -> None:
    write_snapshot(tmp_path, ["id,title,abstract,categories", "0704.0001,T"], "a.csv")
    with pytest.raises(DataError, match=r"a\.csv:2: expected 4 cells, got 2"):
        read_snapshot(tmp_path)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_the_other_name_of_an_id(tmp_path: Path, name: str) -> None:
    table = pandas.DataFrame([record("0704.0001")]).rename(columns={"id": "arxiv_id"})
    if name == "a.csv":
        table.to_csv(tmp_path / name, index=False)
    else:
        table.to_parquet(tmp_path / name)
    assert [found.id for found in read_snapshot(tmp_path)[0]] == ["0704.0001"]


@pytest.mark.parametrize(("words", "kept"), [(999, 1), (1000, 1), (1001, None)])
def test_minimum_words(tmp_path: Path, words: int, kept: int | None) -> None:
    folder = write_snapshot(tmp_path, [record("0704.0001", abstract="word " * 1000)])
    adapter = TypeAdapter(Words)
    if kept is None:
        with pytest.raises(ValidationError, match="less than or equal to 1000"):
            adapter.validate_python(words)
    else:
        with open_snapshot(folder, 1, adapter.validate_python(words), Counts()) as snapshot:
            assert snapshot.size == kept


def test_every_format_gives_the_same_records(tmp_path: Path) -> None:
    good = [line for line in LINES if isinstance(line, dict) and "id" in line and isinstance(line["title"], str)]
    good = [line for line in good if isinstance(line.get("categories"), str | None)]
    good = [line | {"id": str(line["id"]), "categories": line.get("categories")} for line in good]
    expected = read_snapshot(write_snapshot(tmp_path / "plain", good))
    write_snapshot(tmp_path / "several", good[:7], "a.json")
    write_snapshot(tmp_path / "several", good[7:], "b.jsonl")
    (tmp_path / "packed").mkdir()
    packed = gzip.compress((tmp_path / "plain/snapshot.json").read_bytes())
    (tmp_path / "packed/snapshot.jsonl.gz").write_bytes(packed)
    (tmp_path / "mirror/data").mkdir(parents=True)
    columns = ("id", "title", "categories", "abstract", "submitter")
    for number, part in enumerate((good[:5], good[5:])):
        table = pa.Table.from_pylist([{name: line[name] for name in columns} for line in part])
        pq.write_table(table, tmp_path / f"mirror/data/train-{number}.parquet")
    for name in ("several", "packed", "mirror"):
        assert read_snapshot(tmp_path / name) == expected, name


@pytest.mark.parametrize(
    ("abstract", "withdrawn"),
    [
        ("This paper has been withdrawn by the author.", True),
        ("withdrawn by author", True),
        ("(Withdrawn)", True),
        ("This submission has been removed by arXiv administrators", True),
        ("The MANUSCRIPT is withdrawn", True),
        ("This paper has been withdrawn\n  by the author", True),
        ("This\n  paper has\n  been\n  withdrawn", True),
        ("This article was removed\n  by arXiv", True),
        ("This article was removed by\n\n  arXiv", True),
        ("This paper\n\u00a0withdrawn", False),  # wrapping does not insert such a space
        ("A film is withdrawn from a cinema.", False),
        ("We study withdrawals; the drawn lines are withdrawn later.", False),
    ],
)
def test_withdrawn_in_the_words_of_arxiv(tmp_path: Path, abstract: str, withdrawn: bool) -> None:
    lines = [record("0704.0001", abstract=f"{abstract} One two three four five six seven eight nine ten.")]
    _, counts = read_snapshot(write_snapshot(tmp_path, lines))
    assert counts.dropped["records withdrawn"] == withdrawn == bool(re.search(WITHDRAWN, abstract))


def write_bytes(name: str, content: bytes) -> Callable[[Path], object]:
    """Return a function that writes a file into a folder."""
    return lambda folder: (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda folder: None, "no file; fetch the source"),
        (write_bytes("table.xml", b"id,title\n"), "table.xml: expected one of .json, .jsonl"),
        (write_bytes("a.jsonl.gz", b"no gzip"), "duckdb cannot read the snapshot"),
        (
            write_bytes("a.jsonl.gz", gzip.compress(json.dumps(record("0704.0001")).encode() * 999, mtime=0)[:-40]),
            "duckdb cannot",
        ),
        (write_bytes("a.parquet", b"PAR1"), "duckdb cannot read the snapshot"),
        (lambda folder: pq.write_table(pa.table({"id": ["0704.0001"]}), folder / "a.parquet"), '"title" not found'),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, write: Callable[[Path], Any], message: str) -> None:
    write(tmp_path)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_snapshot(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_two_formats_in_one_source(tmp_path: Path) -> None:
    write_snapshot(tmp_path, [record("0704.0001")])
    pq.write_table(pa.table({"id": ["0704.0001"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="JSON lines and Parquet together"):
        read_snapshot(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ["dirty/arxiv_dirty_rows.jsonl.gz"],
        ["arxiv/snapshot_first200.jsonl", "arxiv/snapshot_2212.jsonl", "dirty/kaggle_first100_overlapping_crawl.jsonl"],
        ["arxiv/stratified_cs_eess.jsonl.gz", "arxiv/stratified_math.jsonl.gz"],
        ["arxiv/stratified_physics.jsonl.gz", "arxiv/stratified_stat_qbio_qfin_econ.jsonl.gz"],
    ],
)
def test_real_records_equal_those_of_a_plain_loop(repo: Path, tmp_path: Path, names: list[str]) -> None:
    lines: list[str] = []
    for number, name in enumerate(names):
        file = real_records(repo, name)
        (tmp_path / f"{number}{''.join(file.suffixes)}").symlink_to(file.resolve())
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        lines += content.decode("utf-8").split("\n")
    records, counts = read_snapshot(tmp_path)
    kept, dropped = loop(lines)
    assert [(r.id, r.categories[0]) for r in records] == [(id_, category) for id_, (category, _) in kept.items()]
    assert +counts.dropped == dropped
    assert not any(re.search(r"[\x00-\x1f\x7f-\x9f]", f"{r.title}{r.abstract}") for r in records)
