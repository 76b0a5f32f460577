"""The pipeline as a user runs it: `dvc repro` on a made-up source and a tiny encoder, in a folder of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from scholar.params import read_yaml
from scholar.profile import copy_repository
from tests.fixtures.aclsum import write_aclsum
from tests.fixtures.commands import NO_SHINGLE, ROOT
from tests.fixtures.tiny_bert import write_tiny_bert

VARIED = {"LC_ALL": "C", "TZ": "Pacific/Chatham", "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
KEPT = {
    "datasets": ["aclsum_intent", "aclsum_text"],
    "runs": ["intent-base", "intent-pretrained"],
    "retrievers": [],
    "indexes": [],
    "summarizers": [],
}


def local_source(folder: Path) -> dict[str, Any]:
    files = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}
    hashes = {name: sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    provider = {"kind": "local", "folder": str(folder)}
    return {"licence": "none", "files": hashes, "unpack": None, "convert": None, "providers": [provider]}


def make_repository(folder: Path, sources: Path) -> Path:
    """A copy of this repository whose params.yaml asks for the made-up sources and little work."""
    copy_repository(ROOT, folder)
    params = read_yaml(folder / "params.yaml")
    params["sources"] = {name: local_source(sources / name) for name in ("aclsum", "minilm")}
    for section, names in KEPT.items():
        params[section] = {name: params[section][name] for name in names}
    params["pretraining"] |= {"pairs_per_epoch": 16, "validation_pairs": 8, "max_tokens": 64, "batch_size": 8}
    params["training"] |= {"max_tokens": 64, "batch_size": 8}
    params["runs"]["intent-base"]["epochs"] = 3
    params["evaluation"]["views"] = {}
    params["seed_studies"] = {}
    params["leakage"]["shingle_letters"] = NO_SHINGLE
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(params, file)
    return folder


def repro(folder: Path, *arguments: str, **environment: str) -> list[str]:
    """Run dvc repro; the names of the stages that ran."""
    dvc = [sys.executable, "-m", "dvc", "repro", *arguments]
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment}
    done = subprocess.run(dvc, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return re.findall(r"Running stage '(.+)'", done.stdout)


def kill_repro(folder: Path, appears: str, *arguments: str) -> None:
    """For tests/crash.py: start dvc repro and kill all its processes when a path that fits the pattern appears."""
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    dvc = [sys.executable, "-m", "dvc", "repro", "--quiet", *arguments]
    with subprocess.Popen(dvc, cwd=folder, env=environ, start_new_session=True) as process:
        while not list(folder.glob(appears)):
            assert process.poll() is None, f"{appears} never appeared"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)


def set_learning_rate(folder: Path, value: float) -> float:
    """Change one run's learning rate; the one before."""
    params = read_yaml(folder / "params.yaml")
    before: float = params["runs"]["intent-base"]["learning_rate"]
    params["runs"]["intent-base"]["learning_rate"] = value
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(params, file)
    return before


def outputs(folder: Path) -> dict[str, Any]:
    """Stage -> paths and hashes of what it made."""
    return {name: stage["outs"] for name, stage in read_yaml(folder / "dvc.lock")["stages"].items()}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    write_aclsum(folder / "aclsum")
    write_tiny_bert(folder / "minilm")
    return folder


@pytest.fixture(scope="module")
def repository(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository after its first run."""
    folder = make_repository(tmp_path_factory.mktemp("one") / "papertrail", sources)
    ran = repro(folder)
    # 2 sources, 2 data sets, contamination, pretraining, 2 runs trained and evaluated, compared, reported, described
    assert len(ran) == 13
    return folder


def test_a_second_run_does_nothing(repository: Path) -> None:
    assert repro(repository) == []


def test_a_run_s_parameter_reruns_that_run_alone(repository: Path) -> None:
    before = set_learning_rate(repository, 0.00031)
    expected = ["finetune@intent-base", "evaluate@intent-base", "compare", "report", "cards"]
    assert sorted(repro(repository, "--dry")) == sorted(expected)
    set_learning_rate(repository, before)
    assert repro(repository, "--dry") == []


def test_editing_a_task_reruns_that_task_alone(repository: Path) -> None:
    module = repository / "scholar/tasks/citation_intent.py"
    module.write_text(module.read_text(encoding="utf-8") + "# a remark\n", encoding="utf-8")
    # the same rows come out, so nothing is trained; contamination and report read all tasks, cards hash all code
    assert sorted(repro(repository)) == ["cards", "contamination", "prepare@aclsum_intent", "report"]


def test_other_surroundings_give_the_same_bytes(repository: Path, sources: Path, tmp_path: Path) -> None:
    other = make_repository(tmp_path / "another name", sources)
    repro(other, **VARIED)
    assert outputs(repository) == outputs(other)


def test_one_warm_process_makes_the_same_bytes(repository: Path, sources: Path, tmp_path: Path) -> None:
    other = make_repository(tmp_path / "warm", sources)
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-m", "scholar.warm"], cwd=other, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert outputs(repository) == outputs(other)
    assert repro(other, "--dry") == []  # all is recorded


def test_metrics_are_numbers_without_machine_facts(repository: Path) -> None:
    files = sorted(file for file in (repository / "metrics").rglob("*.json") if file.parent.name != "seeds")
    assert len(files) == 9

    def leaves(value: Any) -> list[Any]:
        return [leaf for inner in value.values() for leaf in leaves(inner)] if isinstance(value, dict) else [value]

    for file in files:
        assert all(isinstance(leaf, (int, float)) for leaf in leaves(json.loads(file.read_text()))), file.name


def test_a_bad_source_stops_the_pipeline_with_one_message(sources: Path, tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "papertrail", sources)
    params = read_yaml(folder / "params.yaml")
    params["sources"]["minilm"]["files"]["config.json"] = "0" * 64
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(params, file)
    command = [sys.executable, "-m", "stages.fetch", "minilm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert "config.json" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "data/raw/minilm").exists()
