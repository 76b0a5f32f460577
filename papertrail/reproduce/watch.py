"""Find what a stage accesses without declaring it in dvc.yaml.

DVC does not rerun a stage when an undeclared input changes, and does not keep an undeclared output. So stages run under
an audit hook (hook/sitecustomize.py) that records their accesses, and the records are compared with the deps, params
and outs of dvc.lock. Python files are declared by the code file of the stage. Only paths in the repository, in the
folder that it was copied from and in the user's home count; the Python environment and temporary files do not. Only
`fetch` may use the network, start programs and read elsewhere, because its files are checked by sha256.

Files that native code opens (Parquet, safetensors, FAISS) raise no audit event. Undeclared outputs of native code are
found by comparing the folder before and after; its inputs are not seen, nor are checks whether a file exists.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import source_from_cache
from pathlib import Path
from typing import Any

from papertrail.reproduce.code_hashes import EXEMPT, FOLDER

HOOK = Path(__file__).parent / "hook"
SCRATCH = ("checkpoints", "build/logs", "build/runs.jsonl", "build/downloads")  # no result depends on these
PIPELINE = "dvc.yaml"  # read by stage cards; DVC does not accept it as a dependency
UNRESTRICTED = "stages.fetch"
FOREIGN = {".git", ".dvc", "__pycache__"}  # folders of other programs


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One access of a stage.

    Attributes:
        command: Module and arguments of the stage.
        action: Such as "read", "listed" or "started"; "began" marks the start of the stage.
        target: Absolute path, address or program.
        place: `file:line` of the innermost code of the repository, "" if there is none.
        ns: Time in nanoseconds.
    """

    command: str
    action: str
    target: str
    place: str
    ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a stage of dvc.lock may read and write, as paths from the root of the repository."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]

    @classmethod
    def of(cls, stage: dict[str, Any], root: Path) -> "Declared":
        """Return what an entry of dvc.lock declares; an output may be written under its name with .part first."""
        outs = [out["path"] for out in stage["outs"]]
        writes = (*outs, *(f"{out}.part" for out in outs), *SCRATCH)
        deps = [dep["path"] for dep in stage.get("deps", [])]
        code = [file for dep in deps for file in read_code_file(root, dep, stage["cmd"])]
        return cls(reads=(*deps, *code, *stage.get("params", {}), PIPELINE, *writes), writes=writes)

    def allows(self, action: str, path: str) -> bool:
        """Return whether an access to a path of the repository is declared; folders above an output may be made."""
        if "__pycache__" in path.split("/"):  # written by Python
            return True
        allowed = self.reads if action in ("read", "listed") else self.writes
        if action == "made" and any(other.startswith(f"{path}/") for other in allowed):
            return True
        return any(path == other or path.startswith(f"{other}/") for other in allowed)


def read_code_file(root: Path, dep: str, command: str) -> list[str]:
    """Return the code that a stage may import if this dependency is its code file or the folder of all code files."""
    if not f"{dep}/".startswith(f"{FOLDER}/"):
        return []
    stage = _module_of(command).split()[0].removeprefix("stages.")
    file = root / dep if dep.endswith(".json") else root / FOLDER / f"{stage}.json"
    return [*json.loads(file.read_text(encoding="utf-8")), EXEMPT.removesuffix("/")]


def hook_variables(records: Path) -> dict[str, str]:
    """Return the environment variables that start the hook in every stage, with records appended to this file."""
    path = os.pathsep.join([str(HOOK), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "PAPERTRAIL_WATCH": str(records.absolute())}


def read_records(file: Path) -> list[Access]:
    """Return what the hook recorded; nothing if there is no file. Bytecode counts as its source."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    accesses = [Access(**json.loads(line)) for line in lines]
    return [replace(one, target=_source(one.target)) if one.action == "read" else one for one in accesses]


def find_undeclared(stages: dict[str, Any], accesses: list[Access], root: Path) -> dict[str, list[str]]:
    """Return stage -> descriptions of its undeclared accesses.

    Args:
        stages: Stages of the dvc.lock of this build.
        accesses: Records of this build.
        root: Folder of the build.
    """
    found = {}
    for name, stage in stages.items():
        own = [access for access in accesses if access.command == _module_of(stage["cmd"])]
        declared = Declared.of(stage, root)
        lines = list(dict.fromkeys(_describe(access, root) for access in own if not _allowed(access, declared, root)))
        if not own:
            lines = [f"`{stage['cmd']}` was not watched; start a stage as `python -m stages.<name>`"]
        if lines:
            found[name] = lines
    return found


def write_times(root: Path) -> dict[str, int]:
    """Return every file of a repository -> its last change in nanoseconds; without files of git, DVC and Python."""
    files = (path for path in root.rglob("*") if path.is_file() and not FOREIGN & set(path.relative_to(root).parts))
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in files}


def find_leftovers(
    stages: dict[str, Any], accesses: list[Access], before: dict[str, int], root: Path
) -> dict[str, list[str]]:
    """Return stage -> descriptions of files that no stage declares and that were written while it ran.

    Args:
        stages: Stages of the dvc.lock of this build.
        accesses: Records of this build.
        before: `write_times` before the build.
        root: Folder of the build.
    """
    declared = [Declared.of(stage, root) for stage in stages.values()]
    names = {_module_of(stage["cmd"]): name for name, stage in stages.items()}
    starts = sorted((one.ns, names.get(one.command, one.command)) for one in accesses if one.action == "began")
    found: dict[str, list[str]] = {}
    for path, written in write_times(root).items():
        by_dvc = path == "dvc.lock" or Path(path).name == ".gitignore"
        if before.get(path) == written or by_dvc or any(stage.allows("wrote", path) for stage in declared):
            continue
        author = [name for start, name in starts if start <= written][-1:] or [starts[0][1] if starts else "no stage"]
        found.setdefault(author[0], []).append(f"left {path}, which no stage declares")
    return found


def _module_of(command: str) -> str:
    """Return module and arguments of the command of a stage."""
    return command.removeprefix("python -m ")


def _allowed(access: Access, declared: Declared, root: Path) -> bool:
    unrestricted = access.command.split()[0] == UNRESTRICTED
    if access.action == "began":
        return True
    if access.action in ("started", "connected to", "looked up"):
        return unrestricted
    area = next(_areas_of(Path(access.target), root), None)
    if area == root.resolve():
        return declared.allows(access.action, Path(access.target).relative_to(area).as_posix())
    checked = {Path.cwd(), Path.home(), Path.home().resolve()}
    return area not in checked or (unrestricted and access.action in ("read", "listed"))


def _areas_of(path: Path, root: Path) -> Iterator[Path]:
    """Yield the areas that contain a path, the innermost first; which area decides whether an access is allowed."""
    areas = {root.resolve(), Path.cwd(), Path.home(), Path.home().resolve(), Path(tempfile.gettempdir()), HOOK}
    return (folder for folder in (path, *path.parents) if folder in areas)


def _source(path: str) -> str:
    """Return the source of a bytecode file, any other path unchanged."""
    try:
        return source_from_cache(path)
    except ValueError:
        return path


def _describe(access: Access, root: Path) -> str:
    target = access.target.removeprefix(f"{root.resolve()}/")
    place = access.place or "no line of this repository"
    return f"{access.action} {target}, which it does not declare ({place})"
