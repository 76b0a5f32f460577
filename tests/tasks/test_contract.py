"""What holds for every task: rows fit their features, splits are apart, draws depend on the seed and the id alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scholar.errors import ParamsError
from scholar.params import Sizes, validate
from scholar.records import SPLITS, Counts, Row, read_rows, write_rows
from scholar.task import Task, known_names, label_origin_of, load_task
from tests.fixtures.aclsum import write_aclsum
from tests.fixtures.commands import read_params

BLOCKS = {block["task"]: block for block in read_params()["datasets"].values() if block["source"] == "aclsum"}
BY_PAPER = sorted(name for name in BLOCKS if load_task(name).group == "paper")


def load(name: str, sizes: int | None) -> tuple[Task, Any]:
    """The task, and the settings of its data set in params.yaml with so many examples, or queries, per split."""
    task = load_task(name)
    settings = validate(task.settings, BLOCKS[name], name)
    field = "queries" if "queries" in BLOCKS[name] else "examples"
    changes: dict[str, Any] = {field: Sizes(train=sizes, validation=sizes, test=sizes)}
    if hasattr(settings, "train_mention_share"):
        changes["train_mention_share"] = None  # a share needs a size
    return task, replace(settings, **changes)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A source with more papers per split than any sample below."""
    return write_aclsum(tmp_path / "many", train=6, validation=5, test=5)


def read_all(name: str, folder: Path, sizes: int | None = None, seed: int = 42) -> list[tuple[str, Row]]:
    """All rows of a task."""
    task, settings = load(name, sizes)
    return list(task.read(folder, settings, seed, Counts()))


def keys(name: str, rows: list[tuple[str, Row]], split: str) -> set[str]:
    """What was drawn in a split: ids of rows, or of queries."""
    return {row["query" if name == "citation_linking" else "id"] for place, row in rows if place == split}


def test_params_have_a_data_set_of_every_task() -> None:
    assert sorted(BLOCKS) == known_names("scholar.tasks")


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_rows_fit_their_features(aclsum: Path, tmp_path: Path, name: str) -> None:
    task, settings = load(name, None)
    rows = read_all(name, aclsum)
    ids = [row["id"] for _, row in rows]
    assert len(ids) == len(set(ids)) > 0
    write_rows((row for _, row in rows), task.features(settings), tmp_path / "rows.parquet")
    assert read_rows(tmp_path / "rows.parquet")["id"][:] == ids


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_splits_are_filled_and_share_no_group(aclsum: Path, name: str) -> None:
    task, _ = load(name, None)
    groups: dict[str, set[Any]] = {split: set() for split in SPLITS}
    for split, row in read_all(name, aclsum):
        groups[split].add(row[task.group])
    train, validation, test = (groups[split] for split in SPLITS)
    assert train and validation
    assert bool(test) == (name != "pretraining")
    assert not (train & validation or train & test or validation & test)


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_a_smaller_sample_is_part_of_a_larger_one(many: Path, name: str) -> None:
    small, large, whole = (read_all(name, many, size) for size in (3, 4, None))
    for split in SPLITS[: 2 if name == "pretraining" else 3]:
        assert len(keys(name, small, split)) == 3
        assert len(keys(name, large, split)) == 4
        assert keys(name, small, split) < keys(name, large, split) < keys(name, whole, split)


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_sampled_rows_are_those_of_the_whole(aclsum: Path, name: str) -> None:
    whole = read_all(name, aclsum)
    small = read_all(name, aclsum, 3)
    assert small == [pair for pair in whole if pair in small]


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_the_seed_decides(many: Path, name: str) -> None:
    assert read_all(name, many, 3) == read_all(name, many, 3)
    assert read_all(name, many, 3, seed=1) != read_all(name, many, 3, seed=2)


@pytest.mark.parametrize("name", BY_PAPER)
def test_another_paper_leaves_the_rows_of_others(tmp_path: Path, name: str) -> None:
    before = read_all(name, write_aclsum(tmp_path / "before"))
    after = read_all(name, write_aclsum(tmp_path / "after", train=4, test=3, unsplit=0))
    papers = {row["paper"] for _, row in before if "none" not in row["paper"]}
    assert len(papers) >= 5
    assert [pair for pair in after if pair[1]["paper"] in papers] == [
        pair for pair in before if pair[1]["paper"] in papers
    ]


@pytest.mark.parametrize("name", BY_PAPER)
def test_papers_in_no_split_serve_pretraining_alone(aclsum: Path, name: str) -> None:
    papers = {row["paper"] for _, row in read_all(name, aclsum)}
    assert ("2020.none-main.0" in papers) == (name == "pretraining")


def test_a_data_set_may_say_who_labelled_it() -> None:
    assert label_origin_of(BLOCKS["ner"]) == "parser"
    assert label_origin_of({**BLOCKS["ner"], "labels_by": "human"}) == "human"


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"task": "ner"}, "format: missing; it tells which keys there are"),
        ({"task": "ner", "format": "xml"}, """format: one of 's2orc', 'conll' was expected (got "xml")"""),
    ],
)
def test_settings_refuse_unknown_formats(block: dict[str, Any], expected: str) -> None:
    with pytest.raises(ParamsError) as caught:
        validate(load_task("ner").settings, block, "params.yaml: datasets.x")
    assert str(caught.value) == f"params.yaml: datasets.x: {expected}"


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_settings_refuse_unknown_and_missing_keys(name: str) -> None:
    task = load_task(name)
    block = {**BLOCKS[name], "sauce": "aclsum"}
    del block["source"]
    with pytest.raises(ParamsError) as caught:
        validate(task.settings, block, "params.yaml: datasets.x")
    assert sorted(str(caught.value).split("\n")) == [
        "params.yaml: datasets.x: sauce: unknown key; did you mean 'source'?",
        "params.yaml: datasets.x: source: missing; every value stands in the file, there are no defaults",
    ]
