"""Profiles: overlays of params.yaml with only the values that differ.

A profile changes values. In the sections NAMED it may also add a block under a new name, and `null` removes a block.
Relative folders of `local` providers start where the pipeline runs. Run copies beside this repository, `--run ../NAME`,
so that `../data` is the same folder.
"""

import argparse
import logging
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

from papertrail.core.artifacts import new_file
from papertrail.core.errors import PapertrailError, ParamsError
from papertrail.core.params import PARAMS, choose, load_params, read_yaml
from papertrail.experiments.check import check
from papertrail.experiments.params_file import FORM, Blocks, add_blocks, remove_blocks, set_values
from papertrail.experiments.warm import DVC, run_warm

log = logging.getLogger(__name__)

PROFILES = Path("profiles")
COPY = (".git/config", "dvc.yaml", ".dvc/config")  # every copy has them; .git of a worktree is a file
RESULTS = ("metrics/", "predictions/", "dvc.lock")
NAMED = [
    *[("sources",), ("datasets",), ("models",), ("indexes",), ("seed_studies",), ("pretraining", "corpora")],
    *[("evaluation", "classifier", "input_ablations"), ("leakage", "max_label_leakage")],
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `papertrail profile`."""
    parser.add_argument("name", help="a file of profiles/, without .yaml")
    parser.add_argument(
        "--run",
        metavar=("FOLDER", "TARGET"),
        nargs="+",
        help="leave params.yaml unchanged; copy the repository to FOLDER (new, empty or an earlier copy), apply the "
        "profile there and run the pipeline, or the TARGETs, such as evaluate@ner-base, and their dependencies",
    )


def run(arguments: argparse.Namespace) -> None:
    """Apply a profile to params.yaml, or run the pipeline with it in a copy of the repository.

    Raises:
        ParamsError: There is no such profile, or the result is invalid.
        PapertrailError: FOLDER has other files, or a stage failed.
    """
    overlay = read_profile(find_profile(arguments.name))
    if arguments.run is None:
        apply_overlay(overlay, PARAMS)
        return
    folder, targets = Path(arguments.run[0]), arguments.run[1:]
    copy_repository(Path(), folder)
    apply_overlay(overlay, folder / PARAMS)
    cache = str(Path(".dvc/cache").resolve())  # it may have the sources
    subprocess.run([*DVC, "config", "--local", "cache.dir", cache], cwd=folder, check=True)
    run_warm(folder, targets)


def find_profile(name: str) -> Path:
    """Return the file of a profile.

    Raises:
        ParamsError: There is no such profile.
    """
    return PROFILES / f"{choose('profile', name, sorted(path.stem for path in PROFILES.glob('*.yaml')))}.yaml"


def read_profile(file: Path) -> dict[str, Any]:
    """Return an overlay that keeps its comments and layout for the blocks that it adds.

    Raises:
        ParamsError: The file is missing or no YAML mapping, or one of its NAMED sections is no mapping.
    """
    read_yaml(file)  # raises if the file is invalid
    overlay: dict[str, Any] = FORM.load(file.read_text(encoding="utf-8"))
    for section in NAMED:
        value: Any = overlay
        for depth, key in enumerate(section, start=1):
            value = value.get(key) or {}
            if not isinstance(value, dict):
                raise ParamsError(f"{file}: {'.'.join(section[:depth])}: expected a mapping, got {value!r}")
    return overlay


def apply_overlay(overlay: dict[str, Any], file: Path) -> None:
    """Write an overlay into a params file, keep its comments, and log each change.

    Raises:
        ParamsError: The overlay removes a name that the file does not have, or the result is invalid. The file is then
            unchanged.
    """
    values = deepcopy(overlay)
    removed, added = split_names(values, read_yaml(file))
    params = FORM.load(add_blocks(remove_blocks(file.read_text(encoding="utf-8"), removed), added))
    changes = [f"{name}: removed" for name in _dotted(removed)]
    changes += [f"{name}: added" for name in _dotted(added)]
    changes += set_values(params, values)
    with new_file(file) as part:
        with part.open("w", encoding="utf-8") as stream:
            FORM.dump(params, stream)
        try:
            check(load_params(part), part)
        except ParamsError as error:
            hint = f"\nthe profile adds {', '.join(_dotted(added))}; check the spelling" if added else ""
            raise ParamsError(f"{str(error).replace(str(part), str(file))}{hint}\n{file} is unchanged") from None
    for change in changes:
        log.info("%s", change)


def _dotted(names: Blocks) -> list[str]:
    return [".".join([*section, name]) for section, blocks in names.items() for name in blocks]


def split_names(values: dict[str, Any], params: dict[str, Any]) -> tuple[Blocks, Blocks]:
    """Take the names that an overlay removes, and those that it adds, out of it; values of known names stay.

    Raises:
        ParamsError: A name to remove does not exist.
    """
    removed: Blocks = {}
    added: Blocks = {}
    for section in NAMED:
        blocks, known = values, params
        for key in section:
            blocks, known = blocks.get(key) or {}, known.get(key) or {}
        for name in [name for name, block in blocks.items() if block is None or name not in known]:
            block = blocks.pop(name)
            if block is None:
                choose(f"name of {'.'.join(section)} in the profile:", name, list(known))
            (removed if block is None else added).setdefault(section, {})[name] = block
    return removed, added


def copy_repository(root: Path, folder: Path) -> None:
    """Copy the files that git tracks, or would track, to a folder and make it a repository.

    Results are not copied, except seed studies, which no stage writes. An earlier copy keeps its results and its
    ignored files; in folders of the repository, files that the repository does not have are deleted.

    Raises:
        PapertrailError: The folder is the repository itself, or has files and is no earlier copy. Nothing is written.
    """
    if folder.resolve() == root.resolve():
        raise PapertrailError(f"{folder} is the repository itself; name a folder for a copy, such as build/try")
    if folder.exists() and any(folder.iterdir()) and not all((folder / mark).exists() for mark in COPY):
        expected = f"expected a new or empty folder, or an earlier copy (with {' and '.join(COPY)})"
        raise PapertrailError(f"{folder} has files and is no copy of this repository; {expected}; name another folder")
    names = _list_files(root)
    for name in sorted(names):
        if name.startswith("metrics/seeds/") or not name.startswith(RESULTS):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, target)
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
    folders = {name.partition("/")[0] for name in names if "/" in name}  # files elsewhere are the user's
    for name in _list_files(folder) - names:
        if name.partition("/")[0] in folders and not name.startswith(RESULTS):
            (folder / name).unlink()


def _list_files(root: Path) -> set[str]:
    """Return the files of a repository that git tracks, or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    return {name for name in listed.stdout.decode().split("\0") if name and (root / name).is_file()}
