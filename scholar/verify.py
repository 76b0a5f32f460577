"""Is every output what dvc.lock says, wherever it is built? `python -m scholar.verify [STAGE ...] [--profile NAME]`.

Builds from nothing in FOLDER, a copy of this repository with a cache of its own, in surroundings unlike the usual ones:
another folder, locale, time zone, hash seed, umask, order of listings, and number of threads asked for. Then compares
the hash of every output with dvc.lock. With a profile there is no lock to compare with, so it is built twice, the
second time in those surroundings. What differs is told down to the tensor, row or key, with the stage in which it
began. In those surroundings every stage is also watched: it may touch only what it declares (see scholar.watch).
"""

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scholar.errors import ScholarError, run
from scholar.params import PARAMS, choose, read_yaml
from scholar.profile import PROFILES, apply_overlay, copy_repository, read_profile
from scholar.records import write_json
from scholar.watch import find_left, find_undeclared, hook_variables, read_records, take_stock

FOLDER = Path("build/verify")
REPORT = FOLDER / "report.json"
VARIED = {
    "LC_ALL": "C",
    "TZ": "Pacific/Chatham",
    "PYTHONHASHSEED": "7",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "COLUMNS": "40",
    "SCHOLAR_LISTING": "reversed",  # of folders, by scholar/hook/sitecustomize.py
}
UMASK = 0o077
SHOWN = 5  # differences told of each file
log = logging.getLogger(__name__)


def main() -> None:
    """Build, compare, and write build/verify/report.json; exit code 1 if anything differs or is undeclared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="as dvc repro names them; all if left out")
    parser.add_argument("--profile", help="a file of profiles/, without .yaml; built twice")
    arguments = parser.parse_args()
    profile: str | None = arguments.profile
    if profile:
        choose("profile", profile, sorted(path.stem for path in PROFILES.glob("*.yaml")))
    usual, varied = FOLDER / "usual" if profile else Path(), FOLDER / "other place"
    REPORT.unlink(missing_ok=True)  # one that is there is of this build
    if profile:
        prepare(usual, profile)
        build(usual, arguments.stages, profile, {})
    prepare(varied, profile)
    records = varied / ".dvc/watched.jsonl"
    before = take_stock(varied)
    build(varied, arguments.stages, profile, VARIED | hook_variables(records))

    stages, touches = read_yaml(varied / "dvc.lock")["stages"], read_records(records)
    differing = compare(read_yaml(usual / "dvc.lock"), {"stages": stages}, usual, varied)
    undeclared = find_undeclared(stages, touches, varied)
    for stage, found in find_left(stages, touches, before, take_stock(varied)).items():
        undeclared.setdefault(stage, []).extend(found)
    report = {
        "factors": {"folder": str(varied), "umask": f"{UMASK:03o}", "environment": VARIED},
        "stages": list(stages),
        "differing": differing,
        "undeclared": undeclared,
    }
    write_json(report, REPORT)
    if differing or undeclared:
        raise ScholarError(f"{tell(stages, differing, undeclared)}\nall of it stands in {REPORT}")
    log.info(
        "all outputs of %d stages have the same hashes, and no stage touched what it does not declare", len(stages)
    )


def prepare(folder: Path, profile: str | None) -> None:
    """Put a copy of this repository in `folder`, with a profile applied, a cache of its own, and nothing built."""
    shutil.rmtree(folder, ignore_errors=True)
    copy_repository(Path(), folder)
    if profile:
        apply_overlay(read_profile(PROFILES / f"{profile}.yaml"), folder / PARAMS)
    config = ["dvc", "config", "--local"]
    subprocess.run([*config, "cache.dir", str(folder.resolve() / ".dvc/cache")], cwd=folder, check=True)
    subprocess.run([*config, "core.site_cache_dir", str(folder.resolve() / ".dvc/site")], cwd=folder, check=True)


def build(folder: Path, stages: list[str], profile: str | None, environment: dict[str, str]) -> None:
    """Build from nothing: stages by DVC, a whole profile in one warm process, since its stages are tiny.

    Raises:
        ScholarError: a stage failed.
    """
    log.info("building in %s with %s", folder, environment or "the usual surroundings")
    warm = bool(profile) and not stages
    command = [sys.executable, "-m", "scholar.warm"] if warm else ["dvc", "repro", "--no-run-cache", *stages]
    umask = UMASK if environment else -1
    if subprocess.run(command, cwd=folder, env={**os.environ, **environment}, umask=umask).returncode:
        raise ScholarError(f"{folder}: a stage failed; its messages stand above")


def tell(stages: dict[str, Any], differing: dict[str, list[str]], undeclared: dict[str, list[str]]) -> str:
    """What was found, a line each, with the stages in which it began: those that read no output that differs."""
    made = {out["path"] for stage in differing for out in stages[stage]["outs"]}

    def reads_one(stage: str) -> bool:
        paths = [dep["path"] for dep in stages[stage].get("deps", [])]
        return any(f"{one}/".startswith(f"{other}/") for p in paths for m in made for one, other in ((p, m), (m, p)))

    began = ", ".join(stage for stage in differing if not reads_one(stage))
    lines = [f"{len(differing)} of {len(stages)} stages differ; it began in {began}:"] if differing else []
    lines += [f"{stage}: {line}" for stage, found in differing.items() for line in found]
    lines += [f"{len(undeclared)} of {len(stages)} stages touched what they do not declare:"] if undeclared else []
    return "\n".join([*lines, *(f"{stage}: {line}" for stage, found in undeclared.items() for line in found)])


def compare(expected: dict[str, Any], got: dict[str, Any], before: Path, after: Path) -> dict[str, list[str]]:
    """Stage -> what differs in its outputs, in the order in which they were built."""
    differing = {}
    for stage, built in got["stages"].items():
        told = {out["path"]: out["md5"] for out in expected["stages"].get(stage, {}).get("outs", [])}
        paths = [out["path"] for out in built["outs"] if told.get(out["path"]) != out["md5"]]
        if paths:
            differing[stage] = [line for path in paths for line in differences(before / path, after / path)]
    return differing


def differences(before: Path, after: Path) -> list[str]:
    """Where two outputs differ: the files, and in each of them the first tensors, rows, keys or lines."""
    if not before.exists():
        return [f"{before}: is not here to compare; the hash is not that of dvc.lock"]
    if after.is_dir():
        names = sorted({p.relative_to(root) for root in (before, after) for p in root.rglob("*") if p.is_file()})
        return [line for name in names for line in differences(before / name, after / name)]
    if not after.exists():
        return [f"{before}: was not built again"]
    if before.read_bytes() == after.read_bytes():
        return []
    readers = {".safetensors": _tensors, ".parquet": _rows, ".json": _keys}
    old, new = (dict(readers.get(path.suffix, _lines)(path)) for path in (before, after))
    places = [place for place in {**old, **new} if old.get(place) != new.get(place)]
    told = [f"{after}: {place}" for place in places[:SHOWN]]
    more = [f"{after}: and {len(places) - SHOWN} more"] if len(places) > SHOWN else []
    return [*told, *more] or [f"{after}: the same content in other bytes"]


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


if __name__ == "__main__":
    run(main)
