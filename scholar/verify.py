"""Is every output what dvc.lock says, wherever it is built? `python -m scholar.verify [STAGE ...] [--profile NAME]`.

Builds from nothing in FOLDER, a copy of this repository with a cache of its own, in surroundings unlike the usual ones:
another folder, locale, time zone, hash seed, umask, and number of threads asked for. Then compares the hash of every
output with dvc.lock. With a profile there is no lock to compare with, so it is built twice, the second time in those
surroundings. What differs is told down to the tensor, row or key, with the stage in which it began.
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

from scholar.errors import ScholarError, run
from scholar.params import PARAMS, choose, read_yaml
from scholar.profile import PROFILES, apply_overlay, copy_repository
from scholar.records import write_json

FOLDER = Path("build/verify")
VARIED = {
    "LC_ALL": "C",
    "TZ": "Pacific/Chatham",
    "PYTHONHASHSEED": "7",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "COLUMNS": "40",
}
SHOWN = 5  # differences told of each file
log = logging.getLogger(__name__)


def main() -> None:
    """Build, compare, and write build/verify/report.json; exit code 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="as dvc repro names them; all if left out")
    parser.add_argument("--profile", help="a file of profiles/, without .yaml; built twice")
    arguments = parser.parse_args()
    usual = Path()
    if arguments.profile:
        choose("profile", arguments.profile, sorted(path.stem for path in PROFILES.glob("*.yaml")))
        usual = build(FOLDER / "usual", arguments.stages, arguments.profile, {})
    varied = build(FOLDER / "other place", arguments.stages, arguments.profile, VARIED)
    differing = compare(read_yaml(usual / "dvc.lock"), read_yaml(varied / "dvc.lock"), usual, varied)
    count = len(read_yaml(varied / "dvc.lock")["stages"])
    write_json({"stages": count, "differing": differing}, FOLDER / "report.json")
    if differing:
        lines = [f"{stage}: {line}" for stage, found in differing.items() for line in found]
        began = next(iter(differing))
        raise ScholarError("\n".join([f"{len(differing)} of {count} stages differ; it began in {began}:", *lines]))
    log.info("all outputs of %d stages have the same hashes", count)


def build(folder: Path, stages: list[str], profile: str | None, environment: dict[str, str]) -> Path:
    """A copy of this repository in `folder`, built from nothing: no cache but its own, no earlier output.

    Raises:
        ScholarError: dvc repro failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    copy_repository(Path(), folder)
    if profile:
        apply_overlay(read_yaml(PROFILES / f"{profile}.yaml"), folder / PARAMS)
    config = ["dvc", "config", "--local"]
    subprocess.run([*config, "cache.dir", str(folder.resolve() / "cache")], cwd=folder, check=True)
    subprocess.run([*config, "core.site_cache_dir", str(folder.resolve() / "site")], cwd=folder, check=True)
    log.info("building in %s with %s", folder, environment or "the usual surroundings")
    command = ["dvc", "repro", "--no-run-cache", *stages]
    umask = 0o077 if environment else -1
    if subprocess.run(command, cwd=folder, env={**os.environ, **environment}, umask=umask).returncode:
        raise ScholarError(f"{folder}: dvc repro failed; its messages stand above")
    return folder


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
