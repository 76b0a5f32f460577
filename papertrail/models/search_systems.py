"""The systems that a search can answer with, and which of them a saved retriever answers with.

A retriever is a model and a choice: its vectors alone, BM25 alone, or the fusion of both (hybrid). Training makes the
choice by the validation queries and saves it beside the weights. Without validation queries it is UNVALIDATED.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from papertrail.core.artifacts import write_json
from papertrail.core.errors import DataError

System = Literal["model", "bm25", "hybrid"]
SYSTEMS: dict[System, str] = {"model": "model", "bm25": "BM25", "hybrid": "BM25 + model"}  # -> for people
UNVALIDATED: System = "hybrid"  # each of the other two fails on some collections, the fusion rarely scores below both
FUSED_RANKS = 101  # of each ranking that are fused; one more than are scored, because a query's own paper is excluded
FILE = "search.json"  # in the folder of the model


def best_system(scores: Mapping[str, float]) -> System:
    """Return the system with the best score; of equal scores the first of SYSTEMS."""
    return max(SYSTEMS, key=lambda system: scores[system])


def write_system(system: System, folder: Path) -> None:
    """Save which system a retriever answers with."""
    write_json({"answers_with": system}, folder / FILE)


def read_system(folder: Path) -> System:
    """Return which system a retriever answers with.

    Raises:
        DataError: The file is missing or names no system.
    """
    try:
        system = json.loads((folder / FILE).read_text(encoding="utf-8"))["answers_with"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder / FILE}: cannot be read ({error}); `dvc repro finetune@{folder.name}` writes it"
        ) from None
    if system not in SYSTEMS:
        raise DataError(f"{folder / FILE}: answers_with: expected one of {', '.join(SYSTEMS)} (got '{system}')")
    return system  # type: ignore[no-any-return]
