"""Hash the code of each stage, so that DVC reruns a stage when its code changes and not when its comments do.

Stage `code` writes code/<stage>.json, or code/<stage>/<instance>.json where instances load different modules by name.
A file has a hash of every module that the stage can import, of its templates and of the pinned packages. The hash of a
module is that of its syntax tree without docstrings. The modules of papertrail.core.params are left out, except
`derived`, which computes values: the others only decide what is accepted, and every stage would rerun when a parameter
is added.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from papertrail.core.artifacts import new_folder, sha256_of, write_json
from papertrail.core.params import Classifier, Linear, Model, Params

FOLDER = Path("code")
EXEMPT, DERIVED = "papertrail/core/params/", "papertrail/core/params/derived.py"
REQUIREMENTS = "requirements.txt"
TASKS, HEADS = "papertrail/data/tasks", "papertrail/models/heads"
SCRIPTS = ("fetch", "contamination", "pretrain", "index", "compare", "report", "cards")  # one file for all instances
LOADS_TASKS = ("contamination", "report", "cards")  # stages that load the tasks of all data sets by name


def write_code_hashes(root: Path, params: Params) -> None:
    """Write the code files of all stages.

    Args:
        root: Root of the repository.
        params: Its parameters; models and data sets decide which modules are loaded by name.
    """
    code = Code(root)
    with new_folder(root / FOLDER) as part:
        for name, plugins in stage_plugins(params).items():
            write_json(code.hashes(name.partition("/")[0], plugins), part / f"{name}.json")


def stage_plugins(params: Params) -> dict[str, list[str]]:
    """Return code file, without its ending -> modules that the stage loads by name."""
    tasks = sorted({str(block["task"]) for block in params.datasets.values()})
    modules = {task: [f"{TASKS}/__init__.py", f"{TASKS}/{task}.py"] for task in tasks}
    every = sorted({file for files in modules.values() for file in files})
    plugins = {name: every if name in LOADS_TASKS else [] for name in SCRIPTS}
    plugins |= {f"prepare/{task}": files for task, files in modules.items()}
    for name, model in params.models.items():
        for stage, package in (("finetune", "train"), ("evaluate", "evaluate")):
            plugins[f"{stage}/{name}"] = [f"papertrail/{package}/{model.kind}.py", *_heads(model)]
    return plugins


def _heads(model: Model) -> list[str]:
    return [f"{HEADS}/{model.head}.py"] if isinstance(model, Classifier | Linear) else []


@dataclass(frozen=True, slots=True)
class CodeFile:
    """The hash of a module or template, and the files of the repository that it uses, packages on the path included."""

    sha256: str
    uses: frozenset[str]


class Code:
    """The Python modules and templates of a repository, each read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requirements = hash_pins(root / REQUIREMENTS)
        self.files: dict[str, CodeFile] = {}

    def hashes(self, stage: str, plugins: Iterable[str]) -> dict[str, str]:
        """Return file -> hash of everything that a stage runs, templates and pinned packages included."""
        files = self.reached(["stages/__init__.py", f"stages/{stage}.py", *plugins])
        hashes = {file: self.files[file].sha256 for file in files if file == DERIVED or not file.startswith(EXEMPT)}
        return {**hashes, REQUIREMENTS: self.requirements}

    def reached(self, start: Iterable[str]) -> set[str]:
        """Return the start files and all that they use, directly or indirectly, as paths from the root."""
        waiting = {file for file in start if (self.root / file).is_file()}
        seen: set[str] = set()
        while waiting:
            file = waiting.pop()
            seen.add(file)
            if file not in self.files:
                self.files[file] = self._read(file)
            waiting |= self.files[file].uses - seen
        return seen

    def _read(self, file: str) -> CodeFile:
        path = self.root / file
        if path.suffix != ".py":
            return CodeFile(sha256_of(path), frozenset())
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = set(_imported_names(tree))
        uses = {place for name in names for place in _places_of(name) if (self.root / place).is_file()}
        if "jinja2" in names:
            uses |= {template.relative_to(self.root).as_posix() for template in path.parent.glob("templates/*.jinja")}
        return CodeFile(hash_tree(tree), frozenset(uses))


def _imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted names of all imports, also of those in functions; relative imports are a lint error here."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def _places_of(name: str) -> Iterator[str]:
    """Yield where a module and the packages around it may be."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        path = "/".join(parts[:end])
        yield from (f"{path}.py", f"{path}/__init__.py")


def hash_tree(tree: ast.Module) -> str:
    """Return the sha256 of a syntax tree after removing its docstrings in place; it holds no comments."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def hash_pins(requirements: Path) -> str:
    """Return the sha256 of the lines of a requirements file without comments."""
    lines = (line.partition("#")[0].strip() for line in requirements.read_text(encoding="utf-8").splitlines())
    return hashlib.sha256("\n".join(sorted(filter(None, lines))).encode()).hexdigest()
