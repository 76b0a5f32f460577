"""dvc.yaml declares what stages use, each file of numbers is plotted once, and stages and functions stay short."""

import ast
from pathlib import Path

import pytest

from papertrail.core.params import load_params, read_yaml
from papertrail.core.pipeline import stage_instances
from papertrail.reproduce.code_hashes import stage_plugins
from tests.fixtures.commands import ROOT

PIPELINE = read_yaml(ROOT / "dvc.yaml")
PARAMS = load_params(ROOT / "params.yaml")
RAW = read_yaml(ROOT / "params.yaml")
INSTANCES = stage_instances(PIPELINE, RAW)
CODE = ("code", "papertrail", "stages", "requirements", "tests")  # how dependencies on code begin
SECTIONS = {"sources", "datasets", "models", "indexes"}  # params.yaml: name -> block
FILES = sorted(file for folder in ("papertrail", "stages") for file in (ROOT / folder).rglob("*.py"))


def code_file(name: str) -> str:
    """Return the code file of a stage instance."""
    stage, _, key = name.partition("@")
    key = str(RAW["datasets"][key]["task"]) if stage == "prepare" else key
    return f"code/{stage}/{key}.json" if stage in ("prepare", "finetune", "evaluate") else f"code/{stage}.json"


@pytest.mark.parametrize("name", [name for name in INSTANCES if name not in ("code", "cards")])
def test_a_stage_depends_on_its_code_file_and_on_no_other_code(name: str) -> None:
    assert [dep for dep in INSTANCES[name]["deps"] if dep.split("/")[0].split(".")[0] in CODE] == [code_file(name)]


def test_stage_code_depends_on_all_code_and_stage_cards_on_all_code_files() -> None:
    assert INSTANCES["code"]["deps"] == ["requirements.txt", "papertrail", "stages"]
    assert {"code", "requirements.txt"} <= set(INSTANCES["cards"]["deps"])


def test_stage_code_writes_the_code_file_of_every_stage() -> None:
    written = {f"code/{name}.json" for name in stage_plugins(PARAMS)}
    assert written == {code_file(name) for name in INSTANCES if name != "code"}
    assert INSTANCES["code"]["outs"] == ["code"]


def test_a_stage_runs_the_script_of_its_name() -> None:
    for name, instance in INSTANCES.items():
        stage, _, key = name.partition("@")
        assert instance["cmd"] == f"python -m stages.{stage} {key}".strip()
        assert (ROOT / f"stages/{stage}.py").is_file()
    scripts = {file.stem for file in (ROOT / "stages").glob("*.py")} - {"__init__"}
    assert scripts == set(PIPELINE["stages"])


def test_every_block_has_its_stage_instances() -> None:
    assert {stage["foreach"] for stage in PIPELINE["stages"].values() if "foreach" in stage} == {
        f"${{{section}}}" for section in SECTIONS
    }


def test_a_stage_depends_on_the_shared_values_of_its_models() -> None:
    """Defaults are merged into models before a stage sees them, so recorded params do not show where they come from."""
    for name, instance in INSTANCES.items():
        stage, _, key = name.partition("@")
        kind = "retriever" if stage == "index" else RAW["models"].get(key, {}).get("kind")
        expected = {f"defaults.{kind}"} if stage in ("finetune", "index", "evaluate") else set()
        expected |= {"defaults.optimisation"} if stage in ("pretrain", "finetune") else set()
        declared = set(instance.get("params", ()))
        assert expected <= declared or "defaults" in declared, name


@pytest.mark.parametrize("stage", ["finetune", "evaluate"])
def test_only_evaluation_depends_on_test_rows(stage: str) -> None:
    deps = {dep for name, instance in INSTANCES.items() if name.startswith(f"{stage}@") for dep in instance["deps"]}
    assert any(dep.startswith("data/test") for dep in deps) == (stage == "evaluate")


def test_every_file_of_numbers_is_plotted_once() -> None:
    plots = {path: plot for entry in PIPELINE["plots"] for path, plot in entry.items()}
    assert not any("plots" in stage.get("do", stage) for stage in PIPELINE["stages"].values())
    files = sorted((ROOT / "metrics/plots").rglob("*.csv"))
    assert {file.parent.relative_to(ROOT).as_posix() for file in files} == set(plots)
    for file in files:
        columns = set(file.read_text(encoding="utf-8").partition("\n")[0].split(","))
        plot = plots[file.parent.relative_to(ROOT).as_posix()]
        drawn = {plot["x"], *([plot["y"]] if isinstance(plot["y"], str) else plot["y"])}
        assert drawn <= columns, file


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_functions_and_files_stay_short(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    limit = 25 if file.parent.name == "stages" else 40
    assert {name: length for name, length in lengths.items() if length > limit} == {}
    assert text.count("\n") <= 300
