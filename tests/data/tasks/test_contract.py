"""Contract of every task: rows fit their features, splits share no group, samples depend on seed and id, commands."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import ParamsError
from papertrail.core.params import Sizes, load_params, validate
from papertrail.core.parquet import read_rows, write_rows
from papertrail.core.plugins import plugin_names
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.task import Task, label_origin_of, load_settings, load_task, load_tasks
from tests.fixtures.aclsum import write_aclsum
from tests.fixtures.commands import ROOT, read_params

HEAVY = ("numpy", "torch", "datasets", "pyarrow", "pandas", "scipy", "duckdb", "transformers")
BLOCKS = {block["task"]: block for block in read_params()["datasets"].values() if block["source"] == "aclsum"}
BY_PAPER = sorted(name for name in BLOCKS if load_task(name).group == "paper")


def load(name: str, sizes: int | None) -> tuple[Task, Any]:
    """Return the task and the settings of its data set in params.yaml, with so many examples or queries per split."""
    task = load_task(name)
    settings = validate(task.settings, BLOCKS[name], name)
    field = "queries" if "queries" in BLOCKS[name] else "examples"
    changes: dict[str, Any] = {field: Sizes(train=sizes, validation=sizes, test=sizes)}
    if hasattr(settings, "train_mention_share"):
        changes["train_mention_share"] = None  # a share needs a size
    return task, replace(settings, **changes)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Write a source with more papers per split than the samples below."""
    return write_aclsum(tmp_path / "many", train=6, validation=5, test=5)


def read_all(name: str, folder: Path, sizes: int | None = None, seed: int = 42) -> list[tuple[str, Row]]:
    """Return all rows of a task."""
    task, settings = load(name, sizes)
    return list(task.read(folder, settings, seed, Counts()))


def keys(name: str, rows: list[tuple[str, Row]], split: str) -> set[str]:
    """Return what is sampled in a split: ids of rows, or of queries."""
    return {row["query" if name == "citation_linking" else "id"] for place, row in rows if place == split}


def test_params_have_a_data_set_of_every_task() -> None:
    assert sorted(BLOCKS) == plugin_names("papertrail.data.tasks")


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_rows_fit_their_features(aclsum: Path, tmp_path: Path, name: str) -> None:
    task, settings = load(name, None)
    rows = read_all(name, aclsum)
    ids = [row["id"] for _, row in rows]
    assert len(ids) == len(set(ids)) > 0
    write_rows((row for _, row in rows), task.features(settings), tmp_path / "rows.parquet")
    assert read_rows(tmp_path / "rows.parquet")["id"][:] == ids


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_splits_have_rows_and_share_no_group(aclsum: Path, name: str) -> None:
    task, _ = load(name, None)
    groups: dict[str, set[Any]] = {split: set() for split in SPLITS}
    for split, row in read_all(name, aclsum):
        groups[split].add(row[task.group])
    train, validation, test = (groups[split] for split in SPLITS)
    assert train and validation
    assert bool(test) == (name != "pretraining")
    assert not (train & validation or train & test or validation & test)


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_a_smaller_sample_is_a_subset_of_a_larger_one(many: Path, name: str) -> None:
    small, large, everything = (read_all(name, many, size) for size in (3, 4, None))
    for split in SPLITS[: 2 if name == "pretraining" else 3]:
        assert len(keys(name, small, split)) == 3
        assert len(keys(name, large, split)) == 4
        assert keys(name, small, split) < keys(name, large, split) < keys(name, everything, split)


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_sampling_does_not_change_rows_or_their_order(aclsum: Path, name: str) -> None:
    everything = read_all(name, aclsum)
    small = read_all(name, aclsum, 3)
    assert small == [pair for pair in everything if pair in small]


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_the_sample_depends_on_the_seed(many: Path, name: str) -> None:
    assert read_all(name, many, 3) == read_all(name, many, 3)
    assert read_all(name, many, 3, seed=1) != read_all(name, many, 3, seed=2)


@pytest.mark.parametrize("name", BY_PAPER)
def test_another_paper_does_not_change_the_rows_of_others(tmp_path: Path, name: str) -> None:
    before = read_all(name, write_aclsum(tmp_path / "before"))
    after = read_all(name, write_aclsum(tmp_path / "after", train=4, test=3, unsplit=0))
    papers = {row["paper"] for _, row in before if "none" not in row["paper"]}
    assert len(papers) >= 5
    assert [pair for pair in after if pair[1]["paper"] in papers] == [
        pair for pair in before if pair[1]["paper"] in papers
    ]


@pytest.mark.parametrize("name", BY_PAPER)
def test_papers_in_no_split_are_pretraining_text_only(aclsum: Path, name: str) -> None:
    papers = {row["paper"] for _, row in read_all(name, aclsum)}
    assert ("2020.none-main.0" in papers) == (name == "pretraining")


def test_a_data_set_may_override_the_label_origin() -> None:
    assert label_origin_of(BLOCKS["ner"]) == "parser"
    assert label_origin_of({**BLOCKS["ner"], "labels_by": "human"}) == "human"


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"task": "ner"}, "format: missing; it selects the other keys of this block"),
        ({"task": "ner", "format": "xml"}, """format: expected one of 's2orc', 'conll' (got "xml")"""),
    ],
)
def test_unknown_formats_are_errors(block: dict[str, Any], expected: str) -> None:
    with pytest.raises(ParamsError) as caught:
        validate(load_task("ner").settings, block, "params.yaml: datasets.x")
    assert str(caught.value) == f"params.yaml: datasets.x: {expected}"


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_unknown_and_missing_keys_are_errors(name: str) -> None:
    task = load_task(name)
    block = {**BLOCKS[name], "sauce": "aclsum"}
    del block["source"]
    with pytest.raises(ParamsError) as caught:
        validate(task.settings, block, "params.yaml: datasets.x")
    assert sorted(str(caught.value).split("\n")) == [
        "params.yaml: datasets.x: sauce: unknown key; did you mean 'source'?",
        "params.yaml: datasets.x: source: missing; params.yaml holds every value, the code has no defaults",
    ]


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_settings_of_a_data_set(name: str) -> None:
    params = load_params(ROOT / "params.yaml")
    dataset = next(dataset for dataset, block in params.datasets.items() if block["task"] == name)
    settings = load_settings(dataset, params)
    assert (settings.task, settings.source) == (name, params.datasets[dataset]["source"])


def test_an_unknown_task_of_a_data_set_is_an_error_with_its_place() -> None:
    params = load_params(ROOT / "params.yaml")
    datasets = {**params.datasets, "x": {"task": "nerr"}}
    with pytest.raises(
        ParamsError, match=r"^params\.yaml: datasets\.x\.task: unknown task 'nerr'; did you mean 'ner'\?"
    ):
        load_settings("x", replace(params, datasets=datasets))


# --- reports and commands ---

FORMS = {  # input of a command -> types of the fields of an example, or of the example itself
    "sentence": str,
    "text": str,
    "query": str,
    "paper_name": str,
    "document": str,
    "paper": {"title": str, "abstract": str},
    "citations": {"text": str, "bibliography": list},
}


def test_tasks_have_titles_and_headlines() -> None:
    tasks = load_tasks()
    titles = [task.title for task in tasks.values()]
    assert len(set(titles)) == len(titles) and all(titles)
    assert {name for name, task in tasks.items() if not task.headlines} == {"pretraining"}
    task = tasks["citation_intent"]
    assert task.headline({"accuracy": 1, "average_precision": 2, "macro_f1": 3}) == "macro_f1"
    assert task.headline({"average_precision": 2}) == "average_precision"
    assert task.headline({"accuracy": 1}) is None


def test_commands_are_complete_and_their_names_unique() -> None:
    commands = [command for task in load_tasks().values() for command in task.commands]
    names = [command.name for command in commands]
    assert len(set(names)) == len(names)
    for command in commands:
        assert command.title and command.help
        assert command.example.startswith(f"papertrail {command.name} ")
        assert command.examples
        for example in command.examples:
            form = FORMS[command.input]
            if isinstance(form, dict):
                assert {field: type(value) for field, value in example.items()} == form
            else:
                assert type(example) is form and example.strip()


def test_importing_all_tasks_is_light() -> None:
    code = (
        "import sys, papertrail.data.task as task; task.load_tasks(); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
