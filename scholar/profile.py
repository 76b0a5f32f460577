"""Profiles: overlays of params.yaml that hold only what differs.

`python -m scholar.profile NAME` writes profiles/NAME.yaml into params.yaml, where `git diff` shows it; each change is
said. A profile gives known values anew. In sections whose keys are names (NAMED below) it may also add a block under a
new name, and `null` takes the block of a name out; anywhere else an unknown key is refused.

With `--run FOLDER` params.yaml stays as it is: the repository is copied to FOLDER (new, empty or an earlier copy), the
profile applied there, and the pipeline run in one warm process; given targets as `dvc repro` names them
(`evaluate@ner-base`), these alone and what they need. A relative `folder` of a `local` provider is relative to the
folder in which the pipeline runs, so that `../data` stands for the same place as here only where FOLDER is beside this
repository: `--run ../NAME`.
"""

import argparse
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from functools import reduce
from io import StringIO
from operator import getitem
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from scholar.check import check
from scholar.errors import ParamsError, ScholarError, run
from scholar.params import PARAMS, choose, load_params, read_yaml

log = logging.getLogger(__name__)

PROFILES = Path("profiles")
COPY = (".git/config", "dvc.yaml", ".dvc/config")  # what a copy has; .git of a worktree is a file
RESULTS = ("metrics/", "predictions/", "dvc.lock")
Names = dict[tuple[str, ...], dict[str, Any]]  # section, as the keys that lead there -> name -> block
NAMED = [
    *[("sources",), ("datasets",), ("runs",), ("retrievers",), ("summarizers",), ("indexes",)],
    *[("pretraining", "corpora"), ("evaluation", "views"), ("leakage", "max_readable"), ("seed_studies",)],
]


def main() -> None:
    """Apply a profile here, or try it in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a file of profiles/, without .yaml")
    parser.add_argument(
        "--run",
        metavar=("FOLDER", "TARGET"),
        nargs="+",
        help="leave params.yaml alone; run the pipeline, or what the targets need, in FOLDER",
    )
    arguments = parser.parse_args()
    name = choose("profile", arguments.name, sorted(path.stem for path in PROFILES.glob("*.yaml")))
    overlay = read_profile(PROFILES / f"{name}.yaml")
    if arguments.run is None:
        apply_overlay(overlay, PARAMS)
        return
    folder, targets = Path(arguments.run[0]), arguments.run[1:]
    copy_repository(Path(), folder)
    apply_overlay(overlay, folder / PARAMS)
    cache = str(Path(".dvc/cache").resolve())  # it may have the sources already
    subprocess.run(["dvc", "config", "--local", "cache.dir", cache], cwd=folder, check=True)
    if subprocess.run([sys.executable, "-m", "scholar.warm", *targets], cwd=folder).returncode:
        raise ScholarError(f"{folder}: a stage failed; its messages stand above")


def read_profile(file: Path) -> dict[str, Any]:
    """An overlay that remembers its comments and how it is written, for what it adds.

    Raises:
        ParamsError: the file is missing or no YAML mapping, or a section of it whose keys are names is no mapping.
    """
    read_yaml(file)  # refuses what is no profile
    overlay: dict[str, Any] = FORM.load(file.read_text(encoding="utf-8"))
    for section in NAMED:
        given: Any = overlay
        for depth, key in enumerate(section, start=1):
            given = given.get(key) or {}
            if not isinstance(given, dict):
                raise ParamsError(f"{file}: {'.'.join(section[:depth])}: a mapping was expected, got {given!r}")
    return overlay


def apply_overlay(overlay: dict[str, Any], file: Path) -> None:
    """Write an overlay into a params file, keeping its comments; then say each change.

    Raises:
        ParamsError: the overlay names a value that the file does not have, or the result is not valid. The file is then
            left as it was.
    """
    values = deepcopy(overlay)
    removed, added = take_names(values, read_yaml(file))
    params = FORM.load(add_blocks(remove_blocks(file.read_text(encoding="utf-8"), removed), added))
    changes = list(_merge(params, values, ""))
    gone, new = (
        [f"{'.'.join(s)}.{name}" for s, blocks in names.items() for name in blocks] for names in (removed, added)
    )
    part = file.with_name(file.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            FORM.dump(params, stream)
        check(load_params(part), part)
        part.replace(file)
    except ParamsError as error:
        told = f"\nnew names are {', '.join(new)}; is one of them misspelt?" if new else ""
        raise ParamsError(str(error).replace(str(part), str(file)) + told) from None
    finally:
        part.unlink(missing_ok=True)
    for change in [*(f"{name}: removed" for name in gone), *(f"{name}: added" for name in new), *changes]:
        log.info("%s", change)


def take_names(values: dict[str, Any], params: dict[str, Any]) -> tuple[Names, Names]:
    """Take out of an overlay the names that it removes and those that it adds; values of known names stay in it.

    Raises:
        ParamsError: a name that is to go is not there.
    """
    removed: Names = {}
    added: Names = {}
    for section in NAMED:
        given, there = values, params
        for key in section:
            given, there = given.get(key) or {}, there.get(key) or {}
        for name in [name for name, block in given.items() if block is None or name not in there]:
            block = given.pop(name)
            if block is None:
                choose(f"name of {'.'.join(section)} in the profile:", name, list(there))
            (removed if block is None else added).setdefault(section, {})[name] = block
    return removed, added


def remove_blocks(text: str, removed: Names) -> str:
    """The text of a params file without some blocks, and without the comments right above them."""
    params, lines = FORM.load(text), text.split("\n")
    cuts = []
    for section, names in removed.items():
        blocks = reduce(getitem, section, params)
        for name in names:
            start, column = blocks.lc.key(name)
            end = _end_of_block(lines, start, column)
            while lines[start - 1].startswith(f"{' ' * column}#"):
                start -= 1
            cuts.append((start, end, ""))
        if len(names) == len(blocks):
            start, key = _line_of(params, section), section[-1]
            cuts.append((start, start + 1, lines[start].replace(f"{key}:", f"{key}: {{}}", 1)))
    return _replace_lines(lines, cuts)


def add_blocks(text: str, added: Names) -> str:
    """The text of a params file with more blocks, at the end of their sections."""
    params, lines = FORM.load(text), text.split("\n")
    cuts = []
    for section, names in added.items():
        blocks = reduce(getitem, section, params)
        written = StringIO()
        FORM.dump(reduce(lambda inner, key: {key: inner}, reversed(section), names), written)
        block = written.getvalue().rstrip("\n").split("\n", len(section))[-1]  # without the names of sections
        if blocks:
            end = _end_of_block(lines, *max(blocks.lc.key(name) for name in blocks))
        else:
            start = _line_of(params, section)
            lines[start] = lines[start].replace(": {}", ":", 1)
            end = start + 1
        cuts.append((end, end, block))
    return _replace_lines(lines, cuts)


def _line_of(params: Any, section: tuple[str, ...]) -> int:
    line: int = reduce(getitem, section[:-1], params).lc.key(section[-1])[0]
    return line


def _end_of_block(lines: list[str], start: int, column: int) -> int:
    """The line behind a block, whose key stands at `start` and `column`; blank lines after it are not part of it."""
    end = start + 1
    for number in range(end, len(lines)):
        line = lines[number].strip()
        if line and len(lines[number]) - len(lines[number].lstrip()) <= column:
            break
        end = number + 1 if line else end
    return end


def _replace_lines(lines: list[str], cuts: list[tuple[int, int, str]]) -> str:
    """Put a text, or nothing, in the place of the lines [start, end) of each cut."""
    for start, end, text in sorted(cuts, reverse=True):  # from below, so that numbers above stay
        lines[start:end] = [text] if text else []
    return "\n".join(lines)


def _write_null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _form() -> YAML:
    """Reads and writes as params.yaml is written, keeping comments and order."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 10_000
    yaml.representer.add_representer(type(None), _write_null)
    return yaml


FORM = _form()


def _merge(params: Any, values: dict[str, Any], path: str) -> Iterator[str]:
    for key, value in values.items():
        choose(f"key of {path.rstrip('.') or 'params.yaml'} in the profile:", key, list(params))
        if isinstance(value, dict) and isinstance(params[key], dict):
            yield from _merge(params[key], value, f"{path}{key}.")
        elif params[key] != value:
            yield f"{path}{key}: {params[key]} -> {value}"
            params[key] = value


def copy_repository(root: Path, folder: Path) -> None:
    """Make a folder a copy of what git tracks, or would, and a repository of its own.

    Results are not copied, but for studies of seeds, which no stage makes. Of an earlier copy stay its results and what
    git ignores; in the repository's own folders other files go, such as those that it had once.

    Raises:
        ScholarError: the folder is the repository itself, or holds files and is no earlier copy; nothing was written.
    """
    if folder.resolve() == root.resolve():
        raise ScholarError(f"{folder} is the repository itself; name a folder for a copy of it, such as build/try")
    if folder.exists() and any(folder.iterdir()) and not all((folder / mark).exists() for mark in COPY):
        wanted = f"a new or empty folder, or an earlier copy (with {' and '.join(COPY)}), was expected"
        raise ScholarError(f"{folder} holds files and is no copy of this repository: {wanted}; name another folder")
    names = _list_files(root)
    for name in sorted(names):
        if name.startswith("metrics/seeds/") or not name.startswith(RESULTS):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, target)
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
    folders = {name.partition("/")[0] for name in names if "/" in name}  # elsewhere are a user's own files
    for name in _list_files(folder) - names:
        if name.partition("/")[0] in folders and not name.startswith(RESULTS):
            (folder / name).unlink()


def _list_files(root: Path) -> set[str]:
    """The files of a repository that git tracks, or would."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    return {name for name in listed.stdout.decode().split("\0") if name and (root / name).is_file()}


if __name__ == "__main__":
    run(main)
