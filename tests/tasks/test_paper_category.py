"""Fields of cited works by the venue they appeared in."""

from dataclasses import replace
from pathlib import Path

import pytest

from scholar.errors import ParamsError
from scholar.params import Sizes, validate
from scholar.records import Counts, Row
from scholar.tasks.paper_category import TASK, Settings
from tests.fixtures.aclsum import Work, paper, paragraph, write_papers
from tests.fixtures.commands import read_params

ALL = Sizes(train=None, validation=None, test=None)
SETTINGS = Settings(
    task="paper_category",
    source="aclsum",
    venues={"cs.CL": [r"\bacl\b", "emnlp"], "cs.CV": ["cvpr", "pattern"]},
    examples=ALL,
)
BODY = [paragraph("Text.")]


def read(folder: Path, settings: Settings = SETTINGS, **splits: list[Work]) -> tuple[list[tuple[str, Row]], Counts]:
    """Rows and counts of a source with one paper per split, which cites these works."""
    papers = {split: [paper(f"P-{split}", BODY, works, f"Of {split}", "Abstract.")] for split, works in splits.items()}
    counts = Counts()
    return list(TASK.read(write_papers(folder, papers), settings, 42, counts)), counts


def test_a_work_belongs_to_the_first_split_that_cites_it(tmp_path: Path) -> None:
    both: Work = ("Cited by both", 2001, "ACL")
    rows, _ = read(
        tmp_path,
        test=[("cited by: BOTH", 2001, "CVPR"), ("Cited late", 2002, "CVPR"), ("Between", 2003, "ACL")],
        validation=[("between!", 2003, "ACL")],
        train=[both],
    )
    assert rows == [
        ("train", {"id": "cited by both", "title": "Cited by both", "abstract": "", "label": "cs.CL"}),
        ("validation", {"id": "between", "title": "between!", "abstract": "", "label": "cs.CL"}),
        ("test", {"id": "cited late", "title": "Cited late", "abstract": "", "label": "cs.CV"}),
    ]


def test_a_work_without_a_venue_in_train_stays_out_of_test(tmp_path: Path) -> None:
    rows, counts = read(tmp_path, train=[("Same", 2001, None)], test=[("Same", 2001, "ACL")])
    assert rows == []
    assert counts.dropped["works of no known venue"] == 1


@pytest.mark.parametrize(
    ("venue", "expected"),
    [
        ("Proceedings of ACL 2019", "cs.CL"),
        ("Findings of EMNLP", "cs.CL"),
        ("Pattern Recognition", "cs.CV"),
        ("ACL workshop on patterns", "cs.CL"),  # the first category that fits
        ("Oracles", None),  # no whole word
        ("", None),
        (None, None),
    ],
)
def test_venues(tmp_path: Path, venue: str | None, expected: str | None) -> None:
    rows, _ = read(tmp_path, train=[("A work", 2001, venue)])
    assert [row["label"] for _, row in rows] == ([] if expected is None else [expected])


def test_most_entries_decide_and_unknown_venues_do_not_vote(tmp_path: Path) -> None:
    names = ["ACL", "CVPR", "cvpr", None, "Kitchen", "Kitchen"]
    rows, counts = read(tmp_path, train=[("One work", 2001, name) for name in names] + [("", 2001, "ACL")])
    assert [(row["title"], row["label"]) for _, row in rows] == [("One work", "cs.CV")]
    assert counts.read["works with venues of several categories"] == 1
    assert counts.read["works"] == 2
    assert counts.dropped["works without a title"] == 1


def test_a_tie_goes_to_the_first_name(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, train=[("One work", 2001, "CVPR"), ("One work", 2001, "ACL")])
    assert [row["label"] for _, row in rows] == ["cs.CL"]


def test_abstract_of_a_work_that_is_a_paper_of_its_split(tmp_path: Path) -> None:
    rows, _ = read(
        tmp_path, train=[("of TRAIN", 2001, "ACL"), ("Of test", 2001, "ACL")], test=[("Of test", 2001, "ACL")]
    )
    assert {row["title"]: row["abstract"] for _, row in rows} == {"of TRAIN": "Abstract.", "Of test": ""}


def test_made_up_source_under_the_patterns_of_params(aclsum: Path) -> None:
    settings = validate(Settings, read_params()["datasets"]["aclsum_category"], "params.yaml")
    counts = Counts()
    rows = list(TASK.read(aclsum, settings, 42, counts))
    labels = {row["title"].rsplit(" number", 1)[0]: row["label"] for _, row in rows}
    assert labels == {
        "A grammar that everybody cites": "cs.CL",
        "Parsing the dialect": "cs.CL",
        "Learning the kernel": "cs.LG",
        "Painting the picture": "cs.CV",
        "Searching the archive": "cs.IR",
        "Planning the game": "cs.AI",
        "Hearing the voice": "eess.AS",
    }
    assert [split for split, row in rows if row["title"].startswith("A grammar")] == ["train"]
    assert counts.read["works"] == 7 * 8 + 1  # own works of seven papers, and the shared one
    assert counts.dropped["papers in no split"] == 1


@pytest.mark.parametrize("pattern", ["(", "[a", "*"])
def test_broken_pattern(aclsum: Path, pattern: str) -> None:
    with pytest.raises(ParamsError, match="not a regular expression"):
        list(TASK.read(aclsum, replace(SETTINGS, venues={"a": ["b"], "c": [pattern]}), 42, Counts()))


def test_category_without_a_pattern_would_match_everything() -> None:
    block = {**read_params()["datasets"]["aclsum_category"], "venues": {"cs.CL": ["acl"], "cs.CV": []}}
    with pytest.raises(ParamsError, match=r"venues\.cs\.CV: list should have at least 1 item"):
        validate(Settings, block, "params.yaml")
