"""Provenance of a model: hashes of its files and of everything that its stages read."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from papertrail.core.artifacts import sha256_of
from papertrail.core.errors import DataError
from papertrail.core.pipeline import look_up

CODE = "code/"  # dependency files with the hash of each module, written by stage code
PACKAGES = (  # those whose versions affect a trained model most; requirements.txt pins all
    "accelerate",
    "datasets",
    "faiss-cpu",
    "numpy",
    "peft",
    "scikit-learn",
    "scipy",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
)


def describe_provenance(
    model: str, stages: Mapping[str, Mapping[str, Any]], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the sha256 of the files of a model, the pinned packages, and what each of its stages read.

    Args:
        model: Name of the model.
        stages: Stage instance -> its commands and paths, see `papertrail.core.pipeline.stage_instances`.
        params: Content of params.yaml, without merged defaults.

    Raises:
        DataError: A file is missing.
    """
    return {
        "files": hash_files([f"models/{model}"]),
        "packages": read_pins(Path("requirements.txt")),
        "stages": {name: _describe_stage(stage, params) for name, stage in stages.items()},
    }


def _describe_stage(stage: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "command": stage["cmd"],
        "parameters": {path: look_up(params, path) for path in stage["params"]},
        "code": {file: digest for dep in stage["deps"] if dep.startswith(CODE) for file, digest in _read(dep).items()},
        "reads": hash_files(dep for dep in stage["deps"] if not dep.startswith(CODE)),
    }


def _read(file: str) -> dict[str, str]:
    """Return module -> hash from a code file of stage code."""
    try:
        return json.loads(Path(file).read_text(encoding="utf-8"))  # type: ignore[no-any-return]
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; `dvc repro code` writes it") from None


def hash_files(paths: Iterable[str]) -> dict[str, str]:
    """Return path -> sha256 of each file, and of each file below a folder.

    Raises:
        DataError: There is no such file or folder.
    """
    files: set[Path] = set()
    for path in map(Path, paths):
        if not path.exists():
            raise DataError(f"{path}: no such file or folder; `dvc repro` writes it")
        files |= {file for file in path.rglob("*") if file.is_file()} if path.is_dir() else {path}
    return {path.as_posix(): _sha256_once(path) for path in sorted(files)}


@cache
def _sha256_once(path: Path) -> str:
    return sha256_of(path)  # models share most files that their stages read


def read_pins(requirements: Path) -> dict[str, str]:
    """Return the versions of PACKAGES that a requirements file pins."""
    pins = re.findall(r"^([\w.-]+)==([\w.+]+)", requirements.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: version for name, version in pins if name in PACKAGES}
