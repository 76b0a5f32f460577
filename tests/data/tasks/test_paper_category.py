"""Paper category: fields of cited works by their venue, and categories of arXiv."""

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import DataError, ParamsError
from papertrail.core.params import Sizes, validate
from papertrail.core.parquet import read_rows
from papertrail.core.records import Counts, Row
from papertrail.data.tasks.paper_category import TASK, AclsumSettings, ArxivSettings, Settings
from tests.fixtures.aclsum import Work, paper, paragraph, write_papers
from tests.fixtures.arxiv import record, write_snapshot
from tests.fixtures.commands import read_params, run_stage, write_params

ALL = Sizes(train=None, validation=None, test=None)
SETTINGS = AclsumSettings(
    task="paper_category",
    source="aclsum",
    format="aclsum",
    venues={"cs.CL": [r"\bacl\b", "emnlp"], "cs.CV": ["cvpr", "pattern"]},
    examples=ALL,
)
BODY = [paragraph("Text.")]


def read(
    folder: Path, settings: AclsumSettings = SETTINGS, **splits: list[Work]
) -> tuple[list[tuple[str, Row]], Counts]:
    """Return rows and counts of a source with one paper per split, which cites these works."""
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
        (
            "train",
            {"id": "cited by both", "paper": "P-train", "title": "Cited by both", "abstract": "", "label": "cs.CL"},
        ),
        (
            "validation",
            {"id": "between", "paper": "P-validation", "title": "between!", "abstract": "", "label": "cs.CL"},
        ),
        ("test", {"id": "cited late", "paper": "P-test", "title": "Cited late", "abstract": "", "label": "cs.CV"}),
    ]


def test_a_work_without_a_venue_in_train_is_not_in_test(tmp_path: Path) -> None:
    rows, counts = read(tmp_path, train=[("Same", 2001, None)], test=[("Same", 2001, "ACL")])
    assert rows == []
    assert counts.dropped["works of no known venue"] == 1


@pytest.mark.parametrize(
    ("venue", "expected"),
    [
        ("Proceedings of ACL 2019", "cs.CL"),
        ("Findings of EMNLP", "cs.CL"),
        ("Pattern Recognition", "cs.CV"),
        ("ACL workshop on patterns", "cs.CL"),  # the first category that matches
        ("Oracles", None),  # not a whole word
        ("", None),
        (None, None),
    ],
)
def test_venues(tmp_path: Path, venue: str | None, expected: str | None) -> None:
    rows, _ = read(tmp_path, train=[("A work", 2001, venue)])
    assert [row["label"] for _, row in rows] == ([] if expected is None else [expected])


def test_the_most_frequent_category_of_entries_is_used(tmp_path: Path) -> None:
    names = ["ACL", "CVPR", "cvpr", None, "Kitchen", "Kitchen"]
    rows, counts = read(tmp_path, train=[("One work", 2001, name) for name in names] + [("", 2001, "ACL")])
    assert [(row["title"], row["label"]) for _, row in rows] == [("One work", "cs.CV")]
    assert counts.read["works with venues of several categories"] == 1
    assert counts.read["works"] == 2
    assert counts.dropped["works without a title"] == 1


def test_of_equally_frequent_categories_the_first_by_name_is_used(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, train=[("One work", 2001, "CVPR"), ("One work", 2001, "ACL")])
    assert [row["label"] for _, row in rows] == ["cs.CL"]


def test_abstract_of_a_work_that_is_a_paper_of_its_split(tmp_path: Path) -> None:
    rows, _ = read(
        tmp_path, train=[("of TRAIN", 2001, "ACL"), ("Of test", 2001, "ACL")], test=[("Of test", 2001, "ACL")]
    )
    assert {row["title"]: row["abstract"] for _, row in rows} == {"of TRAIN": "Abstract.", "Of test": ""}


def test_fixture_with_the_patterns_of_params(aclsum: Path) -> None:
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


@pytest.mark.parametrize("pattern", ["(", "[a", "(?i)a"])
def test_broken_pattern(pattern: str) -> None:
    block = {**read_params()["datasets"]["aclsum_category"], "venues": {"a": ["b"], "c": ["d", pattern]}}
    with pytest.raises(ParamsError, match=r"venues\.c: not a regular expression: .*\(got "):
        validate(TASK.settings, block, "datasets.aclsum_category")


def test_category_without_a_pattern_is_an_error() -> None:
    block = {**read_params()["datasets"]["aclsum_category"], "venues": {"cs.CL": ["acl"], "cs.CV": []}}
    with pytest.raises(ParamsError, match=r"venues\.cs\.CV: list should have at least 1 item"):
        validate(Settings, block, "params.yaml")


ARXIV = ArxivSettings(
    task="paper_category",
    source="arxiv",
    format="arxiv",
    categories=["cs.CL", "math.AG"],
    per_category=20,
    validation_share=0.1,
    test_share=0.2,
    min_title_words=1,
    min_abstract_words=10,
    labels_by="author",
)
PAPERS = [
    record(f"{month}.{number:04}", categories)
    for month, categories in (("0704", "cs.CL cs.LG"), ("0705", "math.AG"), ("0706", "cs.LG cs.CL"))
    for number in range(1, {"0704": 31, "0705": 11, "0706": 13}[month])
]


def draw_papers(folder: Path, settings: ArxivSettings = ARXIV, seed: int = 42) -> tuple[dict[str, Row], Counts]:
    """Return row, with its split, by id, and the counts; with resolved categories."""
    assert TASK.resolve
    counts = Counts()
    found = list(TASK.read(folder, TASK.resolve(folder, settings), seed, counts))
    assert len({row["id"] for _, row in found}) == len(found)
    return {row["id"]: {"split": split, **row} for split, row in found}, counts


def test_arxiv_categories_are_split_within_each(tmp_path: Path) -> None:
    rows, counts = draw_papers(write_snapshot(tmp_path, PAPERS))
    sizes = Counter((row["label"], row["split"]) for row in rows.values())
    assert sizes == {
        ("cs.CL", "train"): 14,
        ("cs.CL", "validation"): 2,
        ("cs.CL", "test"): 4,
        ("math.AG", "train"): 7,  # all ten of the category
        ("math.AG", "validation"): 1,
        ("math.AG", "test"): 2,
    }
    assert +counts.dropped == {"records not sampled": 10 + 12}  # of cs.CL, and those whose first category is another
    assert rows["0705.0003"]["title"] == "Stones of the place 0705.0003"
    assert rows["0705.0003"]["abstract"].startswith("We count the stones")


def test_the_seed_decides_papers_and_splits(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path, PAPERS)
    rows, _ = draw_papers(folder)
    assert rows == draw_papers(folder)[0]
    other, _ = draw_papers(folder, seed=43)
    assert rows.keys() != other.keys()
    assert [rows[id_]["split"] for id_ in rows if id_ in other] != [other[id_]["split"] for id_ in rows if id_ in other]
    more, _ = draw_papers(folder, replace(ARXIV, per_category=25))
    assert rows.keys() < more.keys()


def test_the_most_frequent_categories_are_those_of_the_data(tmp_path: Path) -> None:
    assert TASK.resolve
    folder = write_snapshot(tmp_path, PAPERS)
    settings = TASK.resolve(folder, replace(ARXIV, categories=2))
    assert settings == replace(ARXIV, categories=["cs.CL", "cs.LG"])
    assert TASK.features(settings)["label"].names == ["cs.CL", "cs.LG"]
    rows, _ = draw_papers(folder, replace(ARXIV, categories=2))
    assert {row["label"] for row in rows.values()} == {"cs.CL", "cs.LG"}
    with pytest.raises(DataError, match="expected 4 categories or more, got 3"):
        TASK.resolve(folder, replace(ARXIV, categories=4))
    assert TASK.resolve(tmp_path, SETTINGS) is SETTINGS


def test_the_stage_resolves_the_most_frequent_categories(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "data/raw/arxiv", PAPERS)

    def change(params: dict[str, Any]) -> None:
        params["sources"]["arxiv"] = params["sources"]["aclsum"]
        params["datasets"]["fields"] = json.loads(json.dumps(asdict(replace(ARXIV, categories=2))))

    write_params(tmp_path, change)
    done = run_stage(tmp_path, "prepare", "fields")
    assert done.returncode == 0, done.stderr
    test = read_rows(tmp_path / "data/test/paper_category/fields/test.parquet")
    assert test.features["label"].names == ["cs.CL", "cs.LG"]
    assert Counter(test["label"]) == {0: 4, 1: 2}


def test_one_title_is_in_one_split(tmp_path: Path) -> None:
    papers = [record(f"0704.{n:04}", ("cs.CL", "math.AG")[n % 2], title=f"Stones {n // 4}") for n in range(1, 41)]
    rows, counts = draw_papers(write_snapshot(tmp_path, papers))
    titles = [row["title"] for row in rows.values()]
    assert sorted(titles) == sorted({f"Stones {n // 4}" for n in range(1, 41)})
    assert counts.dropped["records with a duplicate title"] == 40 - 11
    assert "0704.0001" in rows and "0704.0002" not in rows  # the first in the files is kept


def test_wrong_settings_of_arxiv(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"validation_share and test_share, 0\.5 and 0\.5, leave no papers"):
        draw_papers(write_snapshot(tmp_path, PAPERS), replace(ARXIV, validation_share=0.5, test_share=0.5))
    with pytest.raises(DataError, match=r"no usable record of category 'cs\.XX'"):
        draw_papers(tmp_path, replace(ARXIV, categories=["cs.CL", "cs.XX"]))


def test_real_papers_of_twenty_categories(repo: Path, tmp_path: Path) -> None:
    files = sorted((repo / "../shared/data/arxiv").glob("stratified_*.jsonl.gz"))
    if not files:
        pytest.skip(f"{repo / '../shared/data/arxiv'}: the real records are missing")
    for file in files:
        (tmp_path / file.name).symlink_to(file.resolve())
    rows, counts = draw_papers(tmp_path, replace(ARXIV, categories=20, per_category=100))
    sizes = Counter((row["label"], row["split"]) for row in rows.values())
    assert len(sizes) == 60
    assert set(sizes.values()) == {70, 10, 20}
    assert counts.read["records"] == 16753 == len(rows) + sum(counts.dropped.values())
