"""`dvc repro` in a copy of this repository with generated papers and a tiny encoder: what runs, and its outputs."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.params import read_yaml
from papertrail.core.pipeline import stage_instances
from papertrail.experiments.warm import run_warm
from papertrail.reproduce.watch import find_leftovers, find_undeclared, hook_variables, read_records, write_times
from tests.fixtures.recorded_stages import record
from tests.fixtures.repositories import change_params, environment, make_repository, outputs, repro, write_sources

CHANGED = {
    "LC_ALL": "C",
    "TZ": "Pacific/Chatham",
    "PYTHONHASHSEED": "7",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
DOWNSTREAM = ["compare", "report", "cards"]  # stages over all models


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def watched(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    """The repository after its first run, and what its stages accessed without declaring it."""
    folder = make_repository(tmp_path_factory.mktemp("one") / "papertrail", sources)
    records, before = folder / ".dvc/watched.jsonl", write_times(folder)
    ran = repro(folder, **hook_variables(records), PAPERTRAIL_GUARD="")  # the guard is no declared code
    # code, 2 sources, 3 data sets, contamination, pretrain, 3 models trained and evaluated, compare, report, cards
    assert len(ran) == 17
    stages, accesses = read_yaml(folder / "dvc.lock")["stages"], read_records(records)
    undeclared = find_undeclared(stages, accesses, folder) | find_leftovers(stages, accesses, before, folder)
    return folder, undeclared


@pytest.fixture(scope="module")
def repository(watched: tuple[Path, dict[str, list[str]]]) -> Path:
    return watched[0]


def test_stages_access_only_what_they_declare(watched: tuple[Path, dict[str, list[str]]]) -> None:
    assert watched[1] == {}


@pytest.fixture(scope="module")
def recorded(repository: Path) -> dict[str, Any]:
    return record(repository, "fetch minilm", "contamination", *DOWNSTREAM)


@pytest.mark.parametrize("command", ["fetch minilm", "contamination", *DOWNSTREAM])
def test_params_that_are_read_are_tracked(repository: Path, recorded: dict[str, Any], command: str) -> None:
    """Other stages are in test_dependencies.py."""
    instances = stage_instances(read_yaml(repository / "dvc.yaml"), read_yaml(repository / "params.yaml"))
    tracked = {path.partition(".")[0] for path in instances[command.replace(" ", "@")]["params"]}
    read = {field.partition(".")[0] for field in recorded[command]["params"]}
    assert read - {"trackers"} <= tracked


def test_a_second_run_does_nothing(repository: Path) -> None:
    assert repro(repository) == []


def test_comments_docstrings_and_layout_rerun_stage_code_alone(repository: Path) -> None:
    for file in [*repository.glob("papertrail/**/*.py"), *repository.glob("stages/*.py")]:
        text = file.read_text(encoding="utf-8")
        docstring = ast.get_docstring(ast.parse(text), clean=False)
        changed = text.replace(docstring, "Another text.", 1) if docstring else text
        file.write_text(f"{changed}\n\n# another comment\n", encoding="utf-8")
    assert repro(repository) == ["code"]


def test_an_edited_head_reruns_its_models_alone(repository: Path) -> None:
    edit(repository / "papertrail/models/heads/token_classification.py")
    # the outputs are the same, so stages that read them do not run; cards describe all code
    assert sorted(repro(repository)) == ["cards", "code", "evaluate@ner-base", "finetune@ner-base"]


def test_an_edited_task_reruns_its_data_alone(repository: Path) -> None:
    edit(repository / "papertrail/data/tasks/citation_intent.py")
    # the rows are the same, so nothing is trained; contamination, report and cards read all tasks
    assert sorted(repro(repository)) == ["cards", "code", "contamination", "prepare@aclsum_intent", "report"]


def test_a_parameter_of_a_model_reruns_that_model_alone(repository: Path) -> None:
    expected = ["code", "finetune@intent-base", "evaluate@intent-base", *DOWNSTREAM]
    rate = read_yaml(repository / "params.yaml")["models"]["intent-base"]["learning_rate"]
    set_learning_rate(repository, rate * 1.5)
    assert sorted(repro(repository)) == sorted(expected)
    set_learning_rate(repository, rate)
    assert repro(repository, "--no-run-cache") != []


def edit(module: Path) -> None:
    """Change the syntax tree of a module, not its behaviour."""
    module.write_text(f"{module.read_text(encoding='utf-8')}\nEDITED = True\n", encoding="utf-8")


def set_learning_rate(folder: Path, value: float) -> None:
    def change(params: dict[str, Any]) -> None:
        params["models"]["intent-base"]["learning_rate"] = value

    change_params(folder, change)


def test_another_environment_gives_the_same_bytes(repository: Path, sources: Path, tmp_path: Path) -> None:
    other = make_repository(tmp_path / "another name", sources)
    repro(other, **CHANGED)
    assert without_code(outputs(repository)) == without_code(outputs(other))


def test_one_warm_process_gives_the_same_bytes(repository: Path, sources: Path, tmp_path: Path) -> None:
    other = make_repository(tmp_path / "warm", sources)
    run_warm(other, (), env=environment())
    assert without_code(outputs(repository)) == without_code(outputs(other))
    assert repro(other, "--dry") == []  # all outputs are recorded


def without_code(outs: dict[str, Any]) -> dict[str, Any]:
    """Leave out the stages that describe code, which tests above have edited."""
    return {name: out for name, out in outs.items() if name not in ("code", "cards")}


def test_metrics_are_numbers_without_machine_facts(repository: Path) -> None:
    files = sorted(file for file in (repository / "metrics").rglob("*.json") if file.parent.name != "seeds")
    assert len(files) == 12

    def leaves(value: Any) -> list[Any]:
        return [leaf for inner in value.values() for leaf in leaves(inner)] if isinstance(value, dict) else [value]

    for file in files:
        assert all(isinstance(leaf, (int, float)) for leaf in leaves(json.loads(file.read_text()))), file.name


def test_a_wrong_hash_of_a_source_is_one_message(sources: Path, tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "papertrail", sources)
    change_params(folder, lambda params: params["sources"]["minilm"]["files"].update({"config.json": "0" * 64}))
    command = [sys.executable, "-m", "stages.fetch", "minilm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert "config.json" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "data/raw/minilm").exists()
