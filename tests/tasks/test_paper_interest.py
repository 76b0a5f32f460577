"""Whether a reader cites a work, split by year."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from scholar.errors import DataError, ParamsError
from scholar.params import Sizes, validate
from scholar.records import SPLITS, Counts, Row
from scholar.tasks.paper_interest import TASK, Columns, Table, Works, features
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
    """A paper on translation in the test split and one on sorting in train, which cite these works."""
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


def test_the_newest_works_are_for_the_test(aclsum: Path) -> None:
    rows = list(TASK.read(aclsum, SETTINGS, 42, Counts()))
    years = {split: [row["year"] for place, row in rows if place == split] for split in SPLITS}
    assert max(years["train"]) < min(years["validation"]) <= max(years["validation"]) < min(years["test"])
    assert len(rows) == 8 * 8 + 1  # own works of all eight papers, the one in no split too, and the shared one
    assert 0.6 <= len(years["train"]) / len(rows) <= 0.7
    assert 0.8 <= (len(years["train"]) + len(years["validation"])) / len(rows) <= 0.9
    assert all({row["label"] for place, row in rows if place == split} == {"other", "interesting"} for split in SPLITS)


def test_topic_is_searched_in_titles_ignoring_case(aclsum: Path) -> None:
    def interesting(topic: str) -> int:
        rows = TASK.read(aclsum, replace(SETTINGS, topic=topic), 42, Counts())
        return sum(row["label"] == "interesting" for _, row in rows)

    assert interesting("valley 1$") == 3 * 8 + 1  # papers numbered 1, eight own works each, and the shared one
    assert interesting("VALLEY") == 8 * 8 + 1
    assert interesting("mountain") == 0


@pytest.mark.parametrize("topic", ["(", "[a", "*"])
def test_broken_topic(topic: str) -> None:
    block = {**read_params()["datasets"]["aclsum_interest"], "topic": topic}
    with pytest.raises(ParamsError, match=r"topic: value error, not a regular expression: .*\(got "):
        validate(TASK.settings, block, "datasets.aclsum_interest")


def read_table(
    folder: Path, *lines: str, settings: Table = TABLE, counts: Counts | None = None
) -> list[tuple[str, Row]]:
    """What becomes of a table of these lines below the usual first one."""
    (folder / "papers.csv").write_text("\n".join(["day,wanted,key,name,summary", *lines, ""]), encoding="utf-8")
    return list(TASK.read(folder, settings, 42, Counts() if counts is None else counts))


def test_table_is_split_by_day(tmp_path: Path) -> None:
    lines = ["2016-02-01,0,c,C,c c", "2015-01-31,1,a,A,a  a", '2016-01-31,1,b,B,"b', 'b"', "2016-02-01,0,d,D,d"]
    rows = read_table(tmp_path, *lines)
    # four papers: 0.5 x 4 = 2 for train; the third and the fourth are of one day, which goes to validation
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


def test_what_a_table_lacks_is_counted(tmp_path: Path) -> None:
    lines = ["2015-01-01,0,a,A, ", ",1,b,B,b", "2015-01-02,1,c,,c", "2015-01-02,1,c,C,c again", ",,,,"]
    counts = Counts()
    rows = read_table(tmp_path, *lines[:4], counts=counts)
    assert [row["id"] for _, row in rows] == ["c"]
    assert counts.read["papers"] == 4
    assert +counts.dropped == {
        "papers without an abstract": 1,
        "papers without a date": 1,
        "papers of an id that came before": 1,
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2015-01-01,2,b,B,b", "wanted: 0 or 1 was expected, got '2'"),
        ("2015-01-01,,b,B,b", "wanted: 0 or 1 was expected, got ''"),
        ("2015-01-01,1.0,b,B,", "wanted: 0 or 1 was expected, got '1.0'"),
        ("2015-01-01,1, ,B,b", "key: empty; every paper needs an id of its own"),
        ("2015-01-01,0,a,A,a", "key: 'a' came before with label 1, got 0; keep one"),
        ("2015-02-29,0,b,B,b", "day: a date such as '2015-01-31' was expected, got '2015-02-29'"),
        ("01.02.2015,0,b,B,b", "day: a date such as '2015-01-31' was expected, got '01.02.2015'"),
        ("2015-01-01,0,b,B", "5 cells were expected, got 4"),
    ],
)
def test_broken_record(tmp_path: Path, line: str, expected: str) -> None:
    with pytest.raises(DataError, match=rf"papers\.csv:3: {re.escape(expected)}"):
        read_table(tmp_path, "2015-01-01,1,a,A,a", line)


def dirty(repo: Path, name: str, **columns: str) -> list[tuple[str, Row]]:
    """A real table of defects, read as interest with its columns mapped; the label is any that is there."""
    folder = repo / "../shared/data/dirty"
    if not (folder / name).is_file():
        pytest.skip(f"{folder / name}: the real file is not there")
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
            "csv:2: volume: 0 or 1 was expected",
        ),
        (
            "generic_bad_record_id.csv",
            {"id": "record_id", "date": "publication_year", "label": "label_included"},
            "csv:3: record_id: '0' came before with label 1, got 0",
        ),
        ("missing_values.csv", {}, "csv:1: no column 'id'"),
        ("springeropen_tableB.csv", {"id": "url"}, "csv:1: no column 'label'"),
        ("springeropen_tableB.csv", {"id": "url", "label": "ID"}, "csv:3: ID: 0 or 1 was expected, got '2'"),
    ],
)
def test_dirty_tables_are_refused(repo: Path, name: str, columns: dict[str, str], expected: str) -> None:
    with pytest.raises(DataError, match=re.escape(expected)):
        dirty(repo, name, **columns)
