"""What a stage imports and which params it reads when it runs is declared: in its code file and in dvc.yaml."""

from pathlib import Path
from typing import Any

import pytest

from papertrail.core.params import load_params, read_yaml
from papertrail.core.pipeline import stage_instances
from papertrail.reproduce.code_hashes import EXEMPT, Code, stage_plugins
from tests.fixtures.commands import ROOT
from tests.fixtures.kill_points import write_everything
from tests.fixtures.recorded_stages import record

HEAD = "papertrail/models/heads/sequence_classification.py"
STAGES = {  # command: stage instance, code file, modules that it loads by name
    "prepare aclsum_text": ("prepare@aclsum_text", "prepare/pretraining", ["papertrail/data/tasks/pretraining.py"]),
    "prepare aclsum_search": (
        "prepare@aclsum_search",
        "prepare/semantic_search",
        ["papertrail/data/tasks/semantic_search.py"],
    ),
    "pretrain": ("pretrain", "pretrain", []),
    "finetune tiny-run": ("finetune@tiny-run", "finetune/tiny-run", ["papertrail/train/classifier.py", HEAD]),
    "finetune tiny-search": ("finetune@tiny-search", "finetune/tiny-search", ["papertrail/train/retriever.py"]),
    "finetune tiny-summary": ("finetune@tiny-summary", "finetune/tiny-summary", ["papertrail/train/summarizer.py"]),
    "evaluate tiny-run": ("evaluate@tiny-run", "evaluate/tiny-run", ["papertrail/evaluate/classifier.py", HEAD]),
    "evaluate tiny-search": ("evaluate@tiny-search", "evaluate/tiny-search", ["papertrail/evaluate/retriever.py"]),
    "evaluate tiny-summary": ("evaluate@tiny-summary", "evaluate/tiny-summary", ["papertrail/evaluate/summarizer.py"]),
    "index papers": ("index@papers", "index", []),
    "compare": ("compare", "compare", []),
}
CODE = Code(ROOT)
NAMES_ONLY = {"prepare": {"sources"}}  # sections that a stage reads only to report an unknown name
NO_RESULT = {"trackers"}  # sections that change no output


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny experiment with three kinds of models."""
    folder = tmp_path_factory.mktemp("experiment")
    write_everything(folder)
    return folder


@pytest.fixture(scope="module")
def recorded(experiment: Path) -> dict[str, dict[str, list[str]]]:
    """Command -> what the stage imported and which params it read."""
    return record(experiment, *STAGES)


@pytest.mark.parametrize("command", STAGES)
def test_imports_are_in_the_code_file(experiment: Path, recorded: Any, command: str) -> None:
    _, name, plugins = STAGES[command]
    params = load_params(experiment / "params.yaml")
    listed = CODE.hashes(name.partition("/")[0], stage_plugins(params)[name])
    imported = {file for file in recorded[command]["imports"] if not file.startswith(EXEMPT)}
    assert imported - set(listed) == set()
    assert set(plugins) <= imported


@pytest.mark.parametrize("command", STAGES)
def test_params_that_are_read_are_tracked(experiment: Path, recorded: Any, command: str) -> None:
    instances = stage_instances(read_yaml(ROOT / "dvc.yaml"), read_yaml(experiment / "params.yaml"))
    instance = STAGES[command][0]
    tracked = set(instances[instance]["params"])
    read = set(recorded[command]["params"]) - NO_RESULT - NAMES_ONLY.get(command.split()[0], set())
    read -= {"evaluation"} if any(field.startswith("evaluation.") for field in read) else set()
    assert {field for field in read if not any(overlap(field, path) for path in tracked)} == set()


def overlap(first: str, second: str) -> bool:
    """Return whether one dotted path is the other one or inside it."""
    return f"{first}.".startswith(f"{second}.") or f"{second}.".startswith(f"{first}.")
