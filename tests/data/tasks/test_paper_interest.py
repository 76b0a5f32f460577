"""Paper interest: works that a reader cites, split by year, and tables, split by day."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from papertrail.core.errors import DataError, ParamsError
from papertrail.core.params import Files, Sizes, validate
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.tasks.paper_interest import TASK, Columns, Table, Works, features
from tests.fixtures.aclsum import Work, paper, paragraph, write_papers
from tests.fixtures.commands import read_params

ALL = Sizes(train=None, validation=None, test=None)
SETTINGS = Works(
    task="paper_interest",
    source="aclsum",
    format="aclsum",
    topic="translat",
    first_year=1900,
    last_year=2023,
    train_share=0.6,
    validation_share=0.2,
    examples=ALL,
)
TABLE = Table(
    task="paper_interest",
    source="interest",
    format="csv",
    file="papers.csv",
    delimiter=",",
    columns=Columns(id="key", title="name", abstract="summary", date="day", label="wanted"),
    date_format="%Y-%m-%d",
    labels_by="behaviour",
    train_share=0.5,
    validation_share=0.25,
    examples=ALL,
)
BODY = [paragraph("Text.")]


def write(folder: Path, reader: list[Work], other: list[Work]) -> Path:
    """Write a paper on translation in test and one on sorting in train, which cite these works."""
    papers = {
        "test": [paper("P-reader", BODY, reader, "On Translation")],
        "train": [paper("P-other", BODY, other, "On sorting")],
    }
    return write_papers(folder, papers)


def test_labels_and_years(tmp_path: Path) -> None:
    reader: list[Work] = [("Both", 2001, ""), ("Mine", 2003, ""), ("", 2003, ""), ("Undated", None, "")]
    other: list[Work] = [
        ("both.", 2000, ""),
        ("Theirs", 2002, ""),
        ("Future", 2091, ""),
        ("New", 2010, ""),
        ("New", 2009, ""),
    ]
    counts = Counts()
    rows = list(TASK.read(write(tmp_path, reader, other), SETTINGS, 42, counts))
    # four works by year: 2000, 2002, 2003, 2009; 0.6 x 4 = 2.4 and 0.8 x 4 = 3.2
    assert rows == [
        ("train", {"id": "both", "paper": "P-reader", "title": "both.", "year": 2000, "label": "interesting"}),
        ("train", {"id": "mine", "paper": "P-reader", "title": "Mine", "year": 2003, "label": "interesting"}),
        ("train", {"id": "theirs", "paper": "P-other", "title": "Theirs", "year": 2002, "label": "other"}),
        ("validation", {"id": "new", "paper": "P-other", "title": "New", "year": 2009, "label": "other"}),
    ]
    assert +counts.dropped == {
        "entries without a title": 1,
        "entries without a year": 1,
        "entries of a year outside 1900 to 2023": 1,
    }
    assert counts.read["entries"] == 9
    assert counts.read["papers of the reader"] == 1


def test_the_newest_works_are_the_test_split(aclsum: Path) -> None:
    rows = list(TASK.read(aclsum, SETTINGS, 42, Counts()))
    years = {split: [row["year"] for place, row in rows if place == split] for split in SPLITS}
    assert max(years["train"]) < min(years["validation"]) <= max(years["validation"]) < min(years["test"])
    assert len(rows) == 8 * 8 + 1  # the works of all eight papers, also of the one in no split, and the shared work
    assert 0.6 <= len(years["train"]) / len(rows) <= 0.7
    assert 0.8 <= (len(years["train"]) + len(years["validation"])) / len(rows) <= 0.9
    assert all({row["label"] for place, row in rows if place == split} == {"other", "interesting"} for split in SPLITS)


def test_topic_is_matched_in_titles_ignoring_case(aclsum: Path) -> None:
    def interesting(topic: str) -> int:
        rows = TASK.read(aclsum, replace(SETTINGS, topic=topic), 42, Counts())
        return sum(row["label"] == "interesting" for _, row in rows)

    assert interesting("valley 1$") == 3 * 8 + 1  # papers with number 1, eight works each, and the shared work
    assert interesting("VALLEY") == 8 * 8 + 1
    assert interesting("mountain") == 0


@pytest.mark.parametrize("topic", ["(", "[a", "*"])
def test_broken_topic(topic: str) -> None:
    block = {**read_params()["datasets"]["aclsum_interest"], "topic": topic}
    with pytest.raises(ParamsError, match=r"topic: not a regular expression: .*\(got "):
        validate(TASK.settings, block, "datasets.aclsum_interest")


def read_table(
    folder: Path, *lines: str, settings: Table = TABLE, counts: Counts | None = None
) -> list[tuple[str, Row]]:
    """Return the rows of a table with these lines below the column names."""
    (folder / "papers.csv").write_text("\n".join(["day,wanted,key,name,summary", *lines, ""]), encoding="utf-8")
    return list(TASK.read(folder, settings, 42, Counts() if counts is None else counts))


def test_table_is_split_by_day(tmp_path: Path) -> None:
    lines = ["2016-02-01,0,c,C,c c", "2015-01-31,1,a,A,a  a", '2016-01-31,1,b,B,"b', 'b"', "2016-02-01,0,d,D,d"]
    rows = read_table(tmp_path, *lines)
    # four papers: 0.5 x 4 = 2 for train; the third and the fourth have one day, which is in validation
    assert [(split, row["id"]) for split, row in rows] == [
        ("train", "a"),
        ("train", "b"),
        ("validation", "c"),
        ("validation", "d"),
    ]
    assert rows[1][1] == {
        "id": "b",
        "title": "B",
        "abstract": "b b",
        "date": "2016-01-31",
        "label": "interesting",
    }
    assert features(TABLE).keys() == rows[1][1].keys()


def test_dropped_papers_of_a_table_are_counted(tmp_path: Path) -> None:
    lines = ["2015-01-01,0,a,A, ", ",1,b,B,b", "2015-01-02,1,c,,c", "2015-01-02,1,c,C,c again", ",,,,"]
    counts = Counts()
    rows = read_table(tmp_path, *lines[:4], counts=counts)
    assert [(row["id"], row["abstract"]) for _, row in rows] == [("a", ""), ("c", "c")]  # a title is enough
    assert (counts.read["papers"], counts.read["papers without an abstract"]) == (4, 1)
    assert +counts.dropped == {"papers without a date": 1, "papers with a duplicate id": 1}
    counts = Counts()
    rows = read_table(tmp_path, *lines[:4], settings=replace(TABLE, required=["abstract"]), counts=counts)
    assert [row["id"] for _, row in rows] == ["c"]
    assert counts.dropped["papers without an abstract"] == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2015-01-01,2,b,B,b", "wanted: expected 0 or 1, got '2'"),
        ("2015-01-01,,b,B,b", "wanted: expected 0 or 1, got ''"),
        ("2015-01-01,1.0,b,B,", "wanted: expected 0 or 1, got '1.0'"),
        ("2015-01-01,1, ,B,b", "key: empty; every paper needs an id"),
        ("2015-01-01,0,a,A,a", "key: duplicate id 'a' with label 1 before and 0 here; keep one of them"),
        ("2015-02-29,0,b,B,b", "day: expected a date such as '2015-01-31', got '2015-02-29'"),
        ("01.02.2015,0,b,B,b", "day: expected a date such as '2015-01-31', got '01.02.2015'"),
        ("2015-01-01,0,b,B", "expected 5 cells, got 4"),
    ],
)
def test_broken_record(tmp_path: Path, line: str, expected: str) -> None:
    with pytest.raises(DataError, match=rf"papers\.csv:3: {re.escape(expected)}"):
        read_table(tmp_path, "2015-01-01,1,a,A,a", line)


def dirty(repo: Path, name: str, **columns: str) -> list[tuple[str, Row]]:
    """Return the rows of a real table with defects; some column is mapped to the label."""
    folder = repo / "../shared/data/dirty"
    if not (folder / name).is_file():
        pytest.skip(f"{folder / name}: the file is missing")
    named = Columns(
        **{"id": "id", "title": "title", "abstract": "abstract", "date": "date", "label": "label"} | columns
    )
    delimiter = ";" if "semicolon" in name else ","
    form = "%d %B %Y" if "springer" in name else "%Y//"
    settings = replace(TABLE, file=name, columns=named, delimiter=delimiter, date_format=form)
    return list(TASK.read(folder, settings, 42, Counts()))


@pytest.mark.parametrize(
    ("name", "columns", "expected"),
    [
        ("generic_semicolon.csv", {"date": "publication_year"}, "csv:1: no column 'label'"),
        (
            "generic_semicolon.csv",
            {"date": "publication_year", "label": "volume"},
            "csv:2: volume: expected 0 or 1",
        ),
        (
            "generic_bad_record_id.csv",
            {"id": "record_id", "date": "publication_year", "label": "label_included"},
            "csv:3: record_id: duplicate id '0' with label 1 before and 0 here",
        ),
        ("missing_values.csv", {}, "csv:1: no column 'id'"),
        ("springeropen_tableB.csv", {"id": "url"}, "csv:1: no column 'label'"),
        ("springeropen_tableB.csv", {"id": "url", "label": "ID"}, "csv:3: ID: expected 0 or 1, got '2'"),
    ],
)
def test_real_tables_with_defects_are_errors(repo: Path, name: str, columns: dict[str, str], expected: str) -> None:
    with pytest.raises(DataError, match=re.escape(expected)):
        dirty(repo, name, **columns)


RANDOM = replace(TABLE, split="random", columns=replace(TABLE.columns, date=None), date_format=None)


def test_a_random_split_has_the_shares_of_each_label(tmp_path: Path) -> None:
    lines = [f",{number % 10 == 0:d},{number},Title {number},Text {number}" for number in range(200)]
    rows = read_table(tmp_path, *lines, settings=RANDOM)
    sizes = {
        label: [sum(place == split and row["label"] == label for place, row in rows) for split in SPLITS]
        for label in ("interesting", "other")
    }
    assert sizes == {"interesting": [10, 5, 5], "other": [90, 45, 45]}
    split_of = {row["id"]: place for place, row in rows}
    shuffled = read_table(tmp_path, *reversed(lines), settings=RANDOM)
    assert {row["id"]: place for place, row in shuffled} == split_of  # by seed and id alone
    assert {row["id"]: place for place, row in TASK.read(tmp_path, RANDOM, 43, Counts())} != split_of
    assert features(RANDOM).keys() == rows[0][1].keys()


def test_a_file_per_split(tmp_path: Path) -> None:
    for number, split in enumerate(SPLITS):
        (tmp_path / f"{split}.tsv").write_text(f"key\tname\twanted\n{number}.0\tOn stones\t1.0\n", encoding="utf-8")
    settings = Table(
        task="paper_interest",
        source="interest",
        format="csv",
        files=Files(train="train.tsv", validation="validation.tsv", test="test.tsv"),
        delimiter="\t",
        columns=Columns(id="key", title="name", abstract=None, label="wanted"),
        labels={"1": 1, "0": 0},
        labels_by="human",
        examples=ALL,
    )
    found = [
        (split, row["id"], row["title"], row["label"]) for split, row in TASK.read(tmp_path, settings, 42, Counts())
    ]
    assert found == [(split, str(n), "On stones", "interesting") for n, split in enumerate(SPLITS)]


BLOCK = {
    "task": "paper_interest",
    "source": "interest",
    "format": "csv",
    "file": "papers.csv",
    "delimiter": ",",
    "columns": {"id": "key", "title": "name", "abstract": "summary", "label": "wanted"},
    "labels_by": "human",
    "split": "random",
    "train_share": 0.6,
    "validation_share": 0.2,
    "examples": {"train": None, "validation": None, "test": None},
}
THREE = {"train": "a.csv", "validation": "b.csv", "test": "c.csv"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"files": THREE}, "expected either file, with shares, or files, with a file per split"),
        ({"file": None}, "expected either file, with shares, or files"),
        ({"file": None, "files": THREE}, "files are split already; remove split, train_share and validation_share"),
        ({"train_share": None}, "file needs train_share and validation_share; the rest is the test split"),
        ({"split": "date"}, "a split by date needs columns.date; set it, or split: random"),
        ({"split": None}, "a split by date needs columns.date; set it, or split: random"),
        ({"delimiter": None}, "csv needs a delimiter, such as ','; ris has none"),
        ({"format": "ris"}, "csv needs a delimiter, such as ','; ris has none"),
        ({"labels": {"1": 1, "1.0": 1, "0": 0}}, "labels has two spellings of one label, such as 1 and 1.0; keep one"),
        ({"labels": {"yes": 2}}, "labels.yes: input should be 0 or 1 (got 2)"),
        ({"split": "randm"}, "split: input should be 'date' or 'random' (got \"randm\")"),
    ],
)
def test_values_that_contradict_each_other(change: dict[str, object], expected: str) -> None:
    validate(TASK.settings, BLOCK, "x")
    with pytest.raises(ParamsError) as caught:
        validate(TASK.settings, {**BLOCK, **change}, "x")
    assert str(caught.value).startswith(f"x: {expected}")
