"""The pipeline in one process: the order of its stages, its targets, and the message of a failed stage."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from papertrail.core.errors import PapertrailError
from papertrail.experiments.warm import list_stages, run_warm
from tests.fixtures.commands import ROOT
from tests.fixtures.two_branches import call

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of pygtrie, which DVC uses
DVC_YAML = """
stages:
  code:
    cmd: python -m stages.code
    outs: [code.txt]
  one:
    cmd: python -m stages.write one
    deps: [code.txt]
    outs: [one.txt]
  two:
    cmd: python -m stages.write two
    deps: [one.txt]
    outs: [two.txt]
"""
STAGES = {
    "__init__": "",
    "code": 'import pathlib; pathlib.Path("code.txt").write_text("c")\ndef main(): pass\n',
    "write": """
import pathlib, sys
from papertrail.core.errors import PapertrailError
def main():
    name = sys.argv[1]
    if pathlib.Path("fail").exists():
        raise PapertrailError(f"{name} cannot be written")
    pathlib.Path(f"{name}.txt").write_text(name)
""",
}


def environment() -> dict[str, str]:
    """Return an environment in which python finds this repository after the working directory."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A repository with three small stages."""
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "stages").mkdir()
    for name, text in STAGES.items():
        (tmp_path / "stages" / f"{name}.py").write_text(text)
    call(tmp_path, "git", "init", "-q")
    call(tmp_path, "dvc", "init", "-q")
    return tmp_path


def test_each_stage_comes_after_its_dependencies(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    commands = [" ".join(command) for command in list_stages([]).values()]
    assert len(commands) == len(set(commands)) > 20

    def place(command: str) -> int:
        return commands.index(f"stages.{command}")

    assert place("code") < place("fetch minilm") < place("pretrain") < place("finetune ner-pretrained")
    assert place("finetune ner-pretrained") < place("evaluate ner-pretrained") < place("report")
    assert place("prepare aclsum_search") < place("finetune search-base") < place("index papers")


def test_targets_come_with_their_dependencies(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    needed = ["code", "fetch@aclsum", "fetch@minilm", "prepare@aclsum_ner", "finetune@ner-base", "evaluate@ner-base"]
    assert sorted(list_stages(["evaluate@ner-base"])) == sorted(needed)
    fetches = list_stages(["fetch", "index@papers"])  # a group of stages, too
    assert {"fetch@aclsum", "fetch@minilm", "prepare@aclsum_search", "finetune@search-base"} < fetches.keys()
    assert fetches["fetch@minilm"] == ["stages.fetch", "minilm"]
    with pytest.raises(PapertrailError, match=r"'evaluate@ner-bse' not found .*lists the names"):
        list_stages(["evaluate@ner-bse"])


def test_stages_run_and_dvc_records_them(pipeline: Path, capfd: pytest.CaptureFixture[str]) -> None:
    environ = environment()
    run_warm(pipeline, ["one"], env=environ)
    assert (pipeline / "one.txt").read_text() == "one"
    assert not (pipeline / "two.txt").exists()
    run_warm(pipeline, [], env=environ)
    assert (pipeline / "two.txt").read_text() == "two"
    capfd.readouterr()
    status = subprocess.run(["dvc", "status"], cwd=pipeline, env=environ, capture_output=True, text=True, check=True)
    assert "up to date" in status.stdout


def test_a_failed_stage_is_an_error(pipeline: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (pipeline / "fail").touch()
    with pytest.raises(PapertrailError, match="a stage failed; see its messages above"):
        run_warm(pipeline, [], env=environment())
    said = capfd.readouterr().err
    assert "error: one cannot be written" in said
    assert "error: stages.write one failed" in said
    assert not (pipeline / "two.txt").exists()
