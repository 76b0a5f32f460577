"""DVC does not follow imports: a stage must list the files of this repository that its imports reach, and no others."""

import ast
import re
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from scholar.params import load_params, read_yaml

ROOT = Path(__file__).parents[1]
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]
PARAMS = load_params(ROOT / "params.yaml")
REPORT = [(ROOT / "scholar" / name).read_text(encoding="utf-8") for name in ("report.py", "tables.py")]
RAW = read_yaml(ROOT / "params.yaml")
DERIVED = {  # what Params works out: the sections behind it
    "trained": {"runs", "retrievers", "summarizers"},
    "views_of": {"evaluation"},
    "seed_of": {"seed"},
}


def instances() -> list[tuple[str, str, list[str], list[str]]]:
    """(instance, its Python module, its declared dependencies with values filled in, those of them loaded by name)."""
    found = []
    for name, stage in STAGES.items():
        body = stage.get("do", stage)
        module = body["cmd"].split()[2]
        items = RAW[stage["foreach"][2:-1]] if "foreach" in stage else {"": {}}
        for key, item in items.items():
            values = {"key": key, "pretraining.encoder": PARAMS.pretraining.encoder}
            values |= {f"item.{name}": value for name, value in item.items()}
            deps = [fill(dep, values) for dep in body["deps"]]
            plugins = [fill(dep, values) for dep in body["deps"] if "${" in dep and dep.startswith("scholar/")]
            if "scholar/tasks" in body["deps"]:  # all of them
                plugins += [f"scholar/tasks/{file.name}" for file in (ROOT / "scholar/tasks").glob("*.py")]
            found.append((f"{name}@{key}", module, deps, plugins))
    return found


def fill(text: str, values: dict[str, object]) -> str:
    """`text` with every ${place} replaced by its value."""
    return re.sub(r"\$\{(.+?)\}", lambda match: str(values[match[1]]), text)


@cache
def imported(file: Path) -> frozenset[Path]:
    """The files of this repository that one file imports, with the packages that are run on the way."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                path = ROOT.joinpath(*parts[:end])
                found |= {p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()}
    return frozenset(found)


def reached(start: set[Path]) -> set[Path]:
    """The files that are run when the start files are."""
    seen: set[Path] = set()
    waiting = set(start)
    while waiting:
        file = waiting.pop()
        seen.add(file)
        waiting |= imported(file) - seen
    return seen


@pytest.mark.parametrize(("module", "deps", "plugins"), [pytest.param(*rest, id=i) for i, *rest in instances()])
def test_declared_code_is_what_imports_reach(module: str, deps: list[str], plugins: list[str]) -> None:
    script = f"{module.replace('.', '/')}.py"
    packages = {f"{plugin.rpartition('/')[0]}/__init__.py" for plugin in plugins}
    start = {ROOT / file for file in ("stages/__init__.py", script, *plugins, *packages)}
    files = reached(start)
    files |= {template for file in files for template in file.parent.glob(f"{file.stem}.*.jinja")}
    code = {file.relative_to(ROOT).as_posix() for file in files}
    declared = {dep for dep in deps if dep.startswith(("scholar", "stages"))}
    folders = {dep for dep in declared if (ROOT / dep).is_dir()}
    inside = tuple(f"{folder}/" for folder in folders)
    missing = {file for file in code - declared if not file.startswith(inside)}
    unused = {dep for dep in declared - folders if dep not in code}
    unused |= {folder for folder in folders if not any(file.startswith(f"{folder}/") for file in code)}
    assert (missing, unused) == (set(), set())


def test_stages_never_import_each_other() -> None:
    for file in (ROOT / "stages").glob("*.py"):
        others = {other.name for other in imported(file) if other.parent.name == "stages"} - {"__init__.py"}
        assert others == set(), file.name


def test_a_checkpoint_is_of_the_code_of_its_stage() -> None:
    """What a stage does with its rows decides the result as the library does; as `__main__` it is no loaded module."""
    trained = [
        text for file in (ROOT / "stages").glob("*.py") if "resume_settings(" in (text := file.read_text("utf-8"))
    ]
    assert len(trained) == 4
    assert all(re.search(r"inputs = \[\s*Path\(__file__\),", text) for text in trained)


@pytest.mark.parametrize(("module", "deps"), [pytest.param(m, d, id=i) for i, m, d, _ in instances()])
def test_pinned_packages_are_a_dependency(module: str, deps: list[str]) -> None:
    assert "requirements.txt" in deps


def test_every_section_has_its_instances() -> None:
    found = {stage["foreach"] for stage in STAGES.values() if "foreach" in stage}
    assert found == {f"${{{name}}}" for name in ("sources", "datasets", "runs", "retrievers", "indexes", "summarizers")}


@pytest.mark.parametrize("name", STAGES)
def test_the_sections_that_a_stage_reads_are_tracked(name: str) -> None:
    body = STAGES[name].get("do", STAGES[name])
    script = (ROOT / f"{body['cmd'].split()[2].replace('.', '/')}.py").read_text(encoding="utf-8")
    read = {field.name for field in fields(PARAMS) if re.search(rf"params(\(\))?\.{field.name}\b", script)}
    read |= {section for name, behind in DERIVED.items() if f"params.{name}" in script for section in behind}
    if name == "report":  # what it hands on whole
        read = {f.name for f in fields(PARAMS) if any(re.search(rf"params\.{f.name}\b", text) for text in REPORT)}
    read -= {"prepare": {"sources"}, "pretrain": {"datasets"}}.get(name, set())  # to tell an unknown name, no more
    read -= {"trackers"}  # they watch, and change no result
    if name == "cards":  # which tells the parameters of the stages that train and evaluate
        read |= {"seed", "runtime", "evaluation", "search", "generation"}
    if name == "compare":  # its sums depend on the kernels
        read |= {"runtime"}
    shared = {"training"} if "runs" in read else set()  # its values become those of the runs
    assert {param.split(".")[0] for param in body["params"]} == read | shared


def test_every_file_of_numbers_is_drawn_once() -> None:
    pictures: dict[str, dict[str, str | list[str]]] = {}
    for picture in read_yaml(ROOT / "dvc.yaml")["plots"]:
        pictures |= picture
    assert not any("plots" in stage.get("do", stage) for stage in STAGES.values())
    files = sorted((ROOT / "metrics/plots").glob("*/*.csv"))
    assert {file.parent.relative_to(ROOT).as_posix() for file in files} == set(pictures)
    for file in files:
        columns = set(file.read_text(encoding="utf-8").partition("\n")[0].split(","))
        picture = pictures[file.parent.relative_to(ROOT).as_posix()]
        drawn = {str(picture["x"]), *([picture["y"]] if isinstance(picture["y"], str) else picture["y"])}
        assert drawn <= columns, file
