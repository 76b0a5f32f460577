"""DVC does not follow imports: a stage must list the files of this repository that its imports reach, and no others."""

import ast
from functools import cache
from pathlib import Path

import pytest

from scholar.params import load_params, read_yaml

ROOT = Path(__file__).parents[1]
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]
PARAMS = load_params(ROOT / "params.yaml")
RAW = read_yaml(ROOT / "params.yaml")


def instances() -> list[tuple[str, str, list[str]]]:
    """(instance, its Python module, its declared dependencies with values filled in)."""
    found = []
    for name, stage in STAGES.items():
        body = stage.get("do", stage)
        module = body["cmd"].split()[2]
        items = RAW[stage["foreach"][2:-1]] if "foreach" in stage else {"": {}}
        for key, item in items.items():
            values = {"key": key, "pretraining.encoder": PARAMS.pretraining.encoder}
            values |= {f"item.{name}": value for name, value in item.items()}
            deps = []
            for dep in body["deps"]:
                for place, value in values.items():
                    dep = dep.replace(f"${{{place}}}", str(value))
                deps.append(dep)
            found.append((f"{name}@{key}", module, deps))
    return found


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


@pytest.mark.parametrize(("module", "deps"), [pytest.param(m, d, id=i) for i, m, d in instances()])
def test_declared_code_is_what_imports_reach(module: str, deps: list[str]) -> None:
    plugins = [dep for dep in deps if dep.startswith(("scholar/tasks/", "scholar/heads/"))]  # loaded by name
    script = f"{module.replace('.', '/')}.py"
    start = {ROOT / file for file in ("stages/__init__.py", script, *plugins)}
    code = {file.relative_to(ROOT).as_posix() for file in reached(start)}
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


@pytest.mark.parametrize(("module", "deps"), [pytest.param(m, d, id=i) for i, m, d in instances()])
def test_pinned_packages_are_a_dependency(module: str, deps: list[str]) -> None:
    assert "requirements.txt" in deps
