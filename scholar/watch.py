"""What a stage touches beyond what it declares.

DVC skips a stage whose undeclared input has changed, and keeps no undeclared output; so every stage runs under an audit
hook (scholar/hook/sitecustomize.py), and what it noted is compared here with the stage's deps, params and outs. What
counts is the repository's folder, the folder it was copied from, and the user's home; the Python environment and the
folder for temporary files do not. `fetch` alone may use the network, start programs and read elsewhere: what it brings
is checked by sha256.

What native code opens (Parquet, safetensors and FAISS read and write so) raises no audit event. Its outputs are found
by comparing the folder before and after; its inputs are not seen. Nor are questions whether a file exists.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import source_from_cache
from pathlib import Path
from typing import Any

HOOK = Path(__file__).parent / "hook"
SCRATCH = ("checkpoints", "build/logs", "build/runs.jsonl", "build/downloads")  # no result depends on what lies there
PIPELINE = "dvc.yaml"  # read by stage cards; DVC refuses it as a dependency
FREE = "stages.fetch"
UNSEEN = {".git", ".dvc", "__pycache__"}  # folders of other programs


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """One thing that a stage did: the absolute path, address or program, the line of code, the time in nanoseconds."""

    command: str
    action: str
    what: str
    place: str
    ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a stage of dvc.lock may read and write, as paths from the root of the repository."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]

    @classmethod
    def of(cls, stage: dict[str, Any]) -> "Declared":
        """A stage of dvc.lock; an output is written beside, with .part, and then renamed."""
        outs = [out["path"] for out in stage["outs"]]
        writes = (*outs, *(f"{out}.part" for out in outs), *SCRATCH)
        deps = [dep["path"] for dep in stage.get("deps", [])]
        return cls(reads=(*deps, *stage.get("params", {}), PIPELINE, *writes), writes=writes)

    def allow(self, action: str, path: str) -> bool:
        """Whether a path inside the repository may be touched so; the folders above an output may be made."""
        if "__pycache__" in path.split("/"):  # Python writes it
            return True
        allowed = self.reads if action in ("read", "listed") else self.writes
        if action == "made" and any(other.startswith(f"{path}/") for other in allowed):
            return True
        return any(path == other or path.startswith(f"{other}/") for other in allowed)


def hook_variables(records: Path) -> dict[str, str]:
    """The environment that starts the hook in every stage and names the file to note in."""
    path = os.pathsep.join([str(HOOK), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "SCHOLAR_WATCH": str(records.absolute())}


def read_records(file: Path) -> list[Touch]:
    """What the hook noted; nothing if no stage was watched."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    touches = [Touch(**json.loads(line)) for line in lines]
    return [replace(touch, what=_source(touch.what)) if touch.action == "read" else touch for touch in touches]


def find_undeclared(stages: dict[str, Any], touches: list[Touch], root: Path) -> dict[str, list[str]]:
    """Stage -> what it touched without declaring it.

    Args:
        stages: those of the dvc.lock of this build.
        touches: what was noted during the build.
        root: the folder of the build.
    """
    found = {}
    for name, stage in stages.items():
        command = stage["cmd"].removeprefix("python -m ")
        own = [touch for touch in touches if touch.command == command]
        declared = Declared.of(stage)
        told = list(dict.fromkeys(_tell(touch, root) for touch in own if not _may(touch, declared, root)))
        if not own:
            told = [f"`{stage['cmd']}` was not watched; a stage is started as `python -m stages.<name>`"]
        if told:
            found[name] = told
    return found


def take_stock(root: Path) -> dict[str, int]:
    """Every file of a repository but those of other programs -> when it was last written, in nanoseconds."""
    files = (path for path in root.rglob("*") if path.is_file() and not UNSEEN & set(path.relative_to(root).parts))
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in files}


def find_left(
    stages: dict[str, Any], touches: list[Touch], before: dict[str, int], after: dict[str, int]
) -> dict[str, list[str]]:
    """Stage -> files that no stage declares, written while it ran; also by native code, which the hook does not see."""
    declared = [Declared.of(stage) for stage in stages.values()]
    names = {stage["cmd"].removeprefix("python -m "): name for name, stage in stages.items()}
    began = sorted((touch.ns, names.get(touch.command, touch.command)) for touch in touches if touch.action == "began")
    found: dict[str, list[str]] = {}
    for path, written in after.items():
        own = path == "dvc.lock" or Path(path).name == ".gitignore"  # DVC writes these
        if before.get(path) == written or own or any(stage.allow("wrote", path) for stage in declared):
            continue
        author = [name for since, name in began if since <= written][-1:] or [began[0][1] if began else "no stage"]
        found.setdefault(author[0], []).append(f"left {path}, which no stage declares")
    return found


def _may(touch: Touch, declared: Declared, root: Path) -> bool:
    free = touch.command.split()[0] == FREE
    if touch.action == "began":
        return True
    if touch.action in ("started", "connected to", "looked up"):
        return free
    area = next(_areas_of(Path(touch.what), root), None)
    if area == root.resolve():
        return declared.allow(touch.action, Path(touch.what).relative_to(area).as_posix())
    judged = {Path.cwd(), Path.home(), Path.home().resolve()}
    return area not in judged or (free and touch.action in ("read", "listed"))


def _areas_of(path: Path, root: Path) -> Iterator[Path]:
    """The folders that make a difference and hold a path, the innermost first."""
    areas = {root.resolve(), Path.cwd(), Path.home(), Path.home().resolve(), Path(tempfile.gettempdir()), HOOK}
    return (folder for folder in (path, *path.parents) if folder in areas)


def _source(path: str) -> str:
    try:
        return source_from_cache(path)  # bytecode in __pycache__ stands for its source
    except ValueError:
        return path


def _tell(touch: Touch, root: Path) -> str:
    what = touch.what.removeprefix(f"{root.resolve()}/")
    return f"{touch.action} {what}, which it does not declare ({touch.place or 'no line of this repository'})"
