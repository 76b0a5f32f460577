"""Rebuild the pipeline in another environment and compare every output with dvc.lock.

The build runs in a copy of this repository in build/verify, with a cache of its own. Folder, locale, time zone, hash
seed, umask, order of folder listings and requested threads differ from the usual ones. A profile has no dvc.lock, so it
is built twice and both builds are compared. Differences are reported down to the tensor, row, key or line, with the
stage in which they start. Every stage is watched: it may access only what it declares in dvc.yaml.
"""

import argparse
import json
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from papertrail.core.artifacts import write_json
from papertrail.core.errors import PapertrailError
from papertrail.core.params import PARAMS, read_yaml
from papertrail.experiments.profile import apply_overlay, copy_repository, find_profile, read_profile
from papertrail.experiments.warm import DVC, run_warm
from papertrail.reproduce.watch import find_leftovers, find_undeclared, hook_variables, read_records, write_times

FOLDER = Path("build/verify")
REPORT = FOLDER / "report.json"
CHANGED = {
    "LC_ALL": "C",
    "TZ": "Pacific/Chatham",
    "PYTHONHASHSEED": "7",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "COLUMNS": "40",
    "PAPERTRAIL_LISTING": "reversed",  # order of folder listings, see hook/sitecustomize.py
}
UMASK = 0o077
SHOWN = 5  # differences reported per file
log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `papertrail verify`."""
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="a stage as `dvc repro` names it; default: all")
    parser.add_argument("--profile", metavar="NAME", help="a file of profiles/, without .yaml; it is built twice")


def run(arguments: argparse.Namespace) -> None:
    """Build, compare and write build/verify/report.json.

    Raises:
        ParamsError: There is no such profile.
        PapertrailError: A stage failed, an output differs, or a stage accessed something that it does not declare.
    """
    profile: str | None = arguments.profile
    if profile:
        find_profile(profile)  # before anything is removed
    usual, changed = FOLDER / "usual" if profile else Path(), FOLDER / "other place"
    REPORT.unlink(missing_ok=True)  # of an earlier build
    if profile:
        prepare(usual, profile)
        build(usual, arguments.stages, profile, {})
    prepare(changed, profile)
    records, before = changed / ".dvc/watched.jsonl", write_times(changed)
    build(changed, arguments.stages, profile, CHANGED | hook_variables(records))

    stages, accesses = read_yaml(changed / "dvc.lock")["stages"], read_records(records)
    differing = compare(read_yaml(usual / "dvc.lock"), {"stages": stages}, usual, changed)
    undeclared = find_undeclared(stages, accesses, changed)
    for stage, found in find_leftovers(stages, accesses, before, changed).items():
        undeclared.setdefault(stage, []).extend(found)
    factors = {"folder": str(changed), "umask": f"{UMASK:03o}", "environment": CHANGED}
    report = {"factors": factors, "stages": list(stages), "differing": differing, "undeclared": undeclared}
    write_json(report, REPORT)
    if differing or undeclared:
        raise PapertrailError(f"{describe(stages, differing, undeclared)}\nfull report: {REPORT}")
    log.info("the outputs of all %d stages have the same hashes, and every access is declared", len(stages))


def prepare(folder: Path, profile: str | None) -> None:
    """Copy this repository to `folder` without outputs, apply a profile, and give the copy a cache of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    copy_repository(Path(), folder)
    if profile:
        apply_overlay(read_profile(find_profile(profile)), folder / PARAMS)
    config = [*DVC, "config", "--local"]
    subprocess.run([*config, "cache.dir", str(folder.resolve() / ".dvc/cache")], cwd=folder, check=True)
    subprocess.run([*config, "core.site_cache_dir", str(folder.resolve() / ".dvc/site")], cwd=folder, check=True)


def build(folder: Path, stages: list[str], profile: str | None, environment: dict[str, str]) -> None:
    """Build from nothing: stages by DVC, a whole profile in one warm process because its stages are tiny.

    Raises:
        PapertrailError: A stage failed.
    """
    log.info("building in %s with %s", folder, environment or "the usual environment")
    options: dict[str, Any] = {"env": {**os.environ, **environment}, "umask": UMASK if environment else -1}
    if profile and not stages:
        run_warm(folder, (), **options)
    elif subprocess.run([*DVC, "repro", "--no-run-cache", *stages], cwd=folder, **options).returncode:
        raise PapertrailError(f"{folder}: a stage failed; see its messages above")


def describe(stages: dict[str, Any], differing: dict[str, list[str]], undeclared: dict[str, list[str]]) -> str:
    """Return one line per finding, and the stages in which differences start: those that read no differing output."""
    outputs = {out["path"] for stage in differing for out in stages[stage]["outs"]}

    def reads_one(stage: str) -> bool:
        paths = [dep["path"] for dep in stages[stage].get("deps", [])]
        return any(f"{a}/".startswith(f"{b}/") for p in paths for out in outputs for a, b in ((p, out), (out, p)))

    first = ", ".join(stage for stage in differing if not reads_one(stage))
    lines = [f"{len(differing)} of {len(stages)} stages differ, starting in {first}:"] if differing else []
    lines += [f"{stage}: {line}" for stage, found in differing.items() for line in found]
    lines += [f"{len(undeclared)} of {len(stages)} stages have undeclared accesses:"] if undeclared else []
    return "\n".join([*lines, *(f"{stage}: {line}" for stage, found in undeclared.items() for line in found)])


def compare(expected: dict[str, Any], built: dict[str, Any], before: Path, after: Path) -> dict[str, list[str]]:
    """Return stage -> differences of its outputs, in the order of the build.

    Args:
        expected: Content of the dvc.lock to compare with.
        built: Content of the dvc.lock of the build.
        before: Folder with the outputs of `expected`.
        after: Folder of the build.
    """
    differing = {}
    for stage, entry in built["stages"].items():
        hashes = {out["path"]: out["md5"] for out in expected["stages"].get(stage, {}).get("outs", [])}
        paths = [out["path"] for out in entry["outs"] if hashes.get(out["path"]) != out["md5"]]
        if paths:
            differing[stage] = [line for path in paths for line in differences(before / path, after / path)]
    return differing


def differences(before: Path, after: Path) -> list[str]:
    """Return where two outputs differ: the files, and in each the first tensors, rows, keys or lines."""
    if not before.exists():
        return [f"{before}: missing, so it cannot be compared; the hash differs from dvc.lock"]
    if after.is_dir():
        names = sorted({p.relative_to(root) for root in (before, after) for p in root.rglob("*") if p.is_file()})
        return [line for name in names for line in differences(before / name, after / name)]
    if not after.exists():
        return [f"{before}: not written by the new build"]
    if before.read_bytes() == after.read_bytes():
        return []
    readers = {".safetensors": _tensors, ".parquet": _rows, ".json": _keys}
    old, new = (dict(readers.get(path.suffix, _lines)(path)) for path in (before, after))
    places = [place for place in {**old, **new} if old.get(place) != new.get(place)]
    lines = [f"{after}: {place}" for place in places[:SHOWN]]
    more = [f"{after}: and {len(places) - SHOWN} more"] if len(places) > SHOWN else []
    return [*lines, *more] or [f"{after}: same content, different bytes"]


def _tensors(file: Path) -> Iterator[tuple[str, object]]:
    from safetensors.numpy import load_file

    for name, tensor in sorted(load_file(file).items()):
        yield f"tensor {name}", (tensor.shape, tensor.tobytes())


def _rows(file: Path) -> Iterator[tuple[str, object]]:
    import pyarrow.parquet as pq

    for number, row in enumerate(pq.read_table(file, memory_map=False).to_pylist()):
        yield from ((f"row {number}, column {column}", value) for column, value in row.items())


def _keys(file: Path) -> Iterator[tuple[str, object]]:
    def leaves(value: Any, path: str) -> Iterator[tuple[str, object]]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from leaves(inner, f"{path}.{key}" if path else str(key))
        else:
            yield f"key {path}", value

    yield from leaves(json.loads(file.read_text(encoding="utf-8")), "")


def _lines(file: Path) -> Iterator[tuple[str, object]]:
    yield from ((f"line {number}", line) for number, line in enumerate(file.read_bytes().split(b"\n"), start=1))
