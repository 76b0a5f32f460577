"""The snapshot as duckdb reads it, beside a plain loop over the same lines."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter, ValidationError

from scholar.corpora.arxiv import ID, WITHDRAWN, Record, Words, mend_id, open_snapshot
from scholar.errors import DataError
from scholar.records import Counts
from scholar.splits import sample
from tests.fixtures.arxiv import ABSTRACT, record, write_snapshot

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
    """What a plain loop does: id -> (first category, title) in file order, and what it dropped."""
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
        id_ = mend_id(str(row.get("id") or row.get("arxiv_id")))
        abstract, title = (str(row.get(name) or "") for name in ("abstract", "title"))
        categories = re.split("[ ,]+", str(row.get("categories") or "").strip())
        if id_ is None:
            reason = "records without an arXiv id"
        elif id_ in seen:
            reason = "records of an id that came before"
        elif re.search(WITHDRAWN, abstract):
            reason = "records withdrawn"
        elif not title.split():
            reason = "records with a title under 1 words"
        elif len(abstract.split()) < 10:
            reason = "records with an abstract under 10 words"
        elif not isinstance(row.get("categories"), str | None):
            reason = "records whose categories are no text"
        elif not categories[0]:
            reason = "records without a category"
        else:
            reason = ""
            kept[id_] = (categories[0], " ".join(title.split()))
        seen |= {id_} if id_ else set()
        dropped[reason] += bool(reason)
    return kept, +dropped


def read(folder: Path, number: int = 10**6) -> tuple[list[Record], Counts]:
    """The first records, all by default."""
    counts = Counts()
    with open_snapshot(folder, 1, 10, counts) as snapshot:
        return snapshot.read(snapshot.first(number)), counts


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the number of threads that duckdb may use."""
    return lambda number: monkeypatch.setenv("OMP_NUM_THREADS", str(number))


def test_counts_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    records, counts = read(write_snapshot(tmp_path, LINES))
    kept, dropped = loop((tmp_path / "snapshot.json").read_text(encoding="utf-8").splitlines())
    assert {r.id: (r.categories[0], r.title) for r in records} == kept
    assert [r.id for r in records] == list(kept)
    assert +counts.dropped == dropped
    assert set(dropped.values()) - {0} and len(dropped) == 9  # each reason is met
    assert counts.read["records"] == len(LINES) - 1 == len(kept) + sum(dropped.values())
    assert counts.read["ids mended"] == 6
    assert "Money" in records[[r.id for r in records].index("0705.0004")].abstract


def test_the_first_record_of_an_id_is_the_one_used(tmp_path: Path) -> None:
    records, _ = read(write_snapshot(tmp_path, LINES))
    assert records[0] == Record("0704.0001", "Stones of the place 0704.0001", ABSTRACT, ("cs.CL", "cs.LG"), 2007)
    assert next(r for r in records if r.id == "0704.0010").title == "Stones of the place 704.001"
    assert next(r for r in records if r.id == "hep-th/9901001").year == 1999


@pytest.mark.parametrize("number", [1, 2, 4])
def test_order_and_draws_on_any_number_of_threads(tmp_path: Path, threads: Callable[[int], None], number: int) -> None:
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
    assert +counts.dropped == {"records of an id that came before": len(ids)}


def test_most_frequent_categories(tmp_path: Path) -> None:
    names = ["b", "a", "c", "b", "d", "d", "b"]
    folder = write_snapshot(tmp_path, [record(f"0704.{n:04}", f"{name}.X a.X") for n, name in enumerate(names)])
    with open_snapshot(folder, 1, 10, Counts()) as snapshot:
        assert snapshot.most_frequent(1) == ["b.X"]
        assert snapshot.most_frequent(3) == ["a.X", "b.X", "d.X"]  # of a and c the first by name
        assert (len(snapshot.most_frequent(9)), snapshot.size) == (4, 7)
        with pytest.raises(DataError, match=r"no usable record of category 'e\.X'"):
            snapshot.sample_each(["a.X", "e.X"], 1, 42, "x")


def test_more_may_be_drawn_than_a_million(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path, [record("0704.0001"), record("0704.0002", "math.AG")])
    with open_snapshot(folder, 1, 10, Counts()) as snapshot:
        assert snapshot.sample(2 * 10**6, 42, "x") == {"0704.0001", "0704.0002"}
        assert snapshot.sample_each(["cs.CL"], 2 * 10**6, 42, "x") == {"cs.CL": ["0704.0001"]}


def test_categories_as_a_list_of_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([record("0704.0001", ["cs.CL"])]), tmp_path / "a.parquet")
    records, counts = read(tmp_path)
    assert (records, counts.dropped["records whose categories are no text"]) == ([], 1)


@pytest.mark.parametrize(("words", "kept"), [(999, 1), (1000, 1), (1001, None)])
def test_least_words(tmp_path: Path, words: int, kept: int | None) -> None:
    folder = write_snapshot(tmp_path, [record("0704.0001", abstract="word " * 1000)])
    adapter = TypeAdapter(Words)
    if kept is None:
        with pytest.raises(ValidationError, match="less than or equal to 1000"):
            adapter.validate_python(words)
    else:
        with open_snapshot(folder, 1, adapter.validate_python(words), Counts()) as snapshot:
            assert snapshot.size == kept


def test_every_format_reads_the_same(tmp_path: Path) -> None:
    good = [line for line in LINES if isinstance(line, dict) and "id" in line and isinstance(line["title"], str)]
    good = [line for line in good if isinstance(line.get("categories"), str | None)]
    good = [line | {"id": str(line["id"]), "categories": line.get("categories")} for line in good]
    expected = read(write_snapshot(tmp_path / "plain", good))
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
        assert read(tmp_path / name) == expected, name


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("0704.0001", "0704.0001"),
        ("1501.00001", "1501.00001"),
        ("hep-th/9901001", "hep-th/9901001"),
        ("arXiv:1501.00001v12", "1501.00001"),
        ("ARXIV: 0704.0001", "0704.0001"),
        ("https://arxiv.org/abs/0704.0001v1", "0704.0001"),
        ("704.061", "0704.0610"),
        ("1102.397", "1102.3970"),
        ("1905.0402600000002", "1905.04026"),
        ("1511.0211199999999", "1511.02112"),
        ("math.GT/0309136", "math/0309136"),
        ("hep-th9901001", "hep-th/9901001"),
        ("1412.01234", None),  # five digits came in 2015
        ("0703.0001", None),  # and months with a dot in April 2007
        ("9301114", None),
        ("10.1103/PhysRevD.76.013009", None),
        ("1501.999999999999", None),
        ("", None),
    ],
)
def test_ids(given: str, meant: str | None) -> None:
    assert mend_id(given) == meant
    assert meant is None or re.fullmatch(ID, meant)


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
        ("This paper\n\u00a0withdrawn", False),  # a space that no wrapping makes
        ("A film is withdrawn from a cinema.", False),
        ("We study withdrawals; the drawn lines are withdrawn later.", False),
    ],
)
def test_withdrawn_as_arxiv_words_it(tmp_path: Path, abstract: str, withdrawn: bool) -> None:
    lines = [record("0704.0001", abstract=f"{abstract} One two three four five six seven eight nine ten.")]
    _, counts = read(write_snapshot(tmp_path, lines))
    assert counts.dropped["records withdrawn"] == withdrawn == bool(re.search(WITHDRAWN, abstract))


def test_what_is_no_text_is_removed_and_counted(tmp_path: Path) -> None:
    title = "Alzheimer\u00c3\u00a2\u00c2\u0080\u00c2\u0099s\tdisease, na\u00efve  Teichm\x7fuller"
    records, counts = read(write_snapshot(tmp_path, [record("0704.0001", title=title)]))
    assert records[0].title == "Alzheimer\u2019s disease, na\u00efve Teichmuller"
    assert counts.read["chosen texts with characters encoded twice"] == 1
    assert counts.read["chosen texts with control characters"] == 1


def write_bytes(name: str, content: bytes) -> Callable[[Path], object]:
    """A file of a source."""
    return lambda folder: (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: None, "no file; fetch the source"),
        (write_bytes("table.csv", b"id,title\n"), "table.csv: one of .json, .jsonl"),
        (write_bytes("a.jsonl.gz", b"no gzip"), "duckdb cannot read the snapshot"),
        (
            write_bytes("a.jsonl.gz", gzip.compress(json.dumps(record("0704.0001")).encode() * 999)[:-40]),
            "duckdb cannot",
        ),
        (write_bytes("a.parquet", b"PAR1"), "duckdb cannot read the snapshot"),
        (lambda folder: pq.write_table(pa.table({"id": ["0704.0001"]}), folder / "a.parquet"), '"title" not found'),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, spoil: Callable[[Path], Any], message: str) -> None:
    spoil(tmp_path)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_two_kinds_of_files_in_one_source(tmp_path: Path) -> None:
    write_snapshot(tmp_path, [record("0704.0001")])
    pq.write_table(pa.table({"id": ["0704.0001"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="JSON lines and Parquet together"):
        read(tmp_path)


def real(repo: Path, name: str) -> Path:
    """A file that stands beside some checkouts."""
    file = repo / "../shared/data" / name
    if not file.is_file():
        pytest.skip(f"real records are not in {file}")
    return file


@pytest.mark.parametrize(
    "names",
    [
        ["dirty/arxiv_dirty_rows.jsonl.gz"],
        ["arxiv/snapshot_first200.jsonl", "arxiv/snapshot_2212.jsonl", "dirty/kaggle_first100_overlapping_crawl.jsonl"],
        ["arxiv/stratified_cs_eess.jsonl.gz", "arxiv/stratified_math.jsonl.gz"],
        ["arxiv/stratified_physics.jsonl.gz", "arxiv/stratified_stat_qbio_qfin_econ.jsonl.gz"],
    ],
)
def test_real_records_as_a_plain_loop_counts_them(repo: Path, tmp_path: Path, names: list[str]) -> None:
    lines: list[str] = []
    for number, name in enumerate(names):
        file = real(repo, name)
        (tmp_path / f"{number}{''.join(file.suffixes)}").symlink_to(file.resolve())
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        lines += content.decode("utf-8").split("\n")
    records, counts = read(tmp_path)
    kept, dropped = loop(lines)
    assert [(r.id, r.categories[0]) for r in records] == [(id_, category) for id_, (category, _) in kept.items()]
    assert +counts.dropped == dropped
    assert not any(re.search(r"[\x00-\x1f\x7f-\x9f]", f"{r.title}{r.abstract}") for r in records)


def test_each_real_defect_is_handled_and_counted(repo: Path, tmp_path: Path) -> None:
    file = real(repo, "dirty/arxiv_dirty_rows.jsonl.gz")
    (tmp_path / file.name).symlink_to(file.resolve())
    rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode("utf-8").splitlines()]
    issues = Counter(issue for row in rows for issue in row["issues"])
    assert issues.keys() == {"tiny-abstract", "control-char", "mojibake", "latex-heavy", "duplicate-mangled-id"}
    records, counts = read(tmp_path)
    dropped = +counts.dropped
    assert dropped["records of an id that came before"] == issues["duplicate-mangled-id"] / 2
    assert dropped["records withdrawn"] + dropped["records with an abstract under 10 words"] == issues["tiny-abstract"]
    assert counts.read["chosen records with 16 LaTeX commands or more"] >= issues["latex-heavy"]
    assert counts.read["chosen texts with control characters"] >= issues["control-char"]
    assert counts.read["chosen texts with characters encoded twice"] == 4  # others are in fields not read
    assert any("Alzheimer\u2019s disease" in r.title for r in records)
    assert len(records) == len(rows) - sum(dropped.values())


def test_the_year_is_that_of_submission(repo: Path, tmp_path: Path) -> None:
    file = real(repo, "arxiv/stratified_cs_eess.jsonl.gz")
    (tmp_path / file.name).symlink_to(file.resolve())
    rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode("utf-8").splitlines()]
    created = {row["id"]: int(row["created"][:4]) for row in rows}
    records, _ = read(tmp_path)
    agree = sum(r.year == created[r.id] for r in records)
    assert agree >= 0.97 * len(records)  # a paper of a month's last day gets its id in the next
