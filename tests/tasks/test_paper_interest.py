"""Whether a reader cites a work, split by year."""

from dataclasses import replace
from pathlib import Path

import pytest

from scholar.errors import ParamsError
from scholar.params import Sizes
from scholar.records import SPLITS, Counts
from scholar.tasks.paper_interest import TASK, Settings
from tests.fixtures.aclsum import Work, paper, paragraph, write_papers

ALL = Sizes(train=None, validation=None, test=None)
SETTINGS = Settings(
    task="paper_interest",
    source="aclsum",
    topic="translat",
    first_year=1900,
    last_year=2023,
    train_share=0.6,
    validation_share=0.2,
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
        ("train", {"id": "both", "title": "both.", "year": 2000, "label": "interesting"}),
        ("train", {"id": "mine", "title": "Mine", "year": 2003, "label": "interesting"}),
        ("train", {"id": "theirs", "title": "Theirs", "year": 2002, "label": "other"}),
        ("validation", {"id": "new", "title": "New", "year": 2009, "label": "other"}),
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
def test_broken_topic(aclsum: Path, topic: str) -> None:
    with pytest.raises(ParamsError, match="no regular expression"):
        list(TASK.read(aclsum, replace(SETTINGS, topic=topic), 42, Counts()))
