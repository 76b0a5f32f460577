"""Checkpoints: settings of a training, resuming, and saving the model.

A training resumes from the newest complete checkpoint of exactly its configuration, or starts from the beginning.
"""

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from papertrail.core.artifacts import new_folder, sha256_of
from papertrail.core.errors import DataError, report_full_disk
from papertrail.core.params import Fitted, Optimisation, Params, Runtime
from papertrail.train.trackers import tracker_callbacks

log = logging.getLogger(__name__)

ROOT = Path("checkpoints")
MARK = TRAINER_STATE_NAME  # the Trainer writes it last, before it deletes an older checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a training that are not parameters of its model.

    Attributes:
        runtime: Instruction caps, threads and precision.
        seed: Of new weights, order, masks and input dropout.
        checkpoints: Folder for checkpoints.
        resume_from: Checkpoint to resume from; None starts from the beginning.
        trackers: Callbacks that log curves; they do not change the result.
    """

    runtime: Runtime
    seed: int
    checkpoints: Path
    resume_from: str | None
    trackers: Sequence[TrainerCallback] = ()


def resume_settings(name: str, training: Optimisation | Fitted, params: Params, files: Iterable[Path]) -> Settings:
    """Return the settings of a training, with the newest checkpoint of an interrupted run of the same configuration.

    Args:
        name: Name of the model.
        training: Its parameters.
        params: For runtime, seed and trackers.
        files: Every file that decides the result: code file of the stage, rows, base model.

    Raises:
        DataError: A file is missing.
    """
    seed = params.seed_of(training)
    checkpoints = ROOT / name / fingerprint([asdict(training), asdict(params.runtime), seed], files)
    return Settings(
        runtime=params.runtime,
        seed=seed,
        checkpoints=checkpoints,
        resume_from=find_checkpoint(checkpoints),
        trackers=tracker_callbacks(name, params.trackers),
    )


def fingerprint(settings: object, files: Iterable[Path]) -> str:
    """Return a hash of settings and of names and contents of files, independent of their order and folders.

    Code and pinned packages are hashed by stage `code`, whose file for the stage is among the files.

    Raises:
        DataError: A file is missing.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=repr).encode())
    try:
        hashes = sorted((file.name, sha256_of(file)) for file in files)  # several files may have the same name
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: no such file; `dvc repro` writes it") from None
    for name, content in hashes:
        digest.update(name.encode() + bytes.fromhex(content))
    return digest.hexdigest()[:16]


def find_checkpoint(folder: Path) -> str | None:
    """Return the complete checkpoint with the highest step; remove incomplete ones, and log it."""
    complete = []
    for path in folder.glob("checkpoint-*"):
        step = re.fullmatch(r"checkpoint-(\d+)", path.name)
        if step and _is_complete(path):
            complete.append((int(step[1]), path))
        else:
            log.info("removing incomplete checkpoint %s", path)
            shutil.rmtree(path)
    if not complete:
        return None
    newest = max(complete)[1]
    log.info("resuming from %s", newest)
    return str(newest)


def _is_complete(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / MARK).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # not written, or only in part
        return False
    return True


class EpochEnd(TrainerCallback):
    """Log at the end of each epoch, so that a logged mean loss never spans a checkpoint and resuming is exact."""

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Request a log entry; the Trainer calls this before it evaluates and saves."""
        control.should_log = True


def run_trainer(trainer: Trainer, settings: Settings) -> None:
    """Train, from the checkpoint of the settings if there is one.

    Raises:
        OSError: A checkpoint cannot be written.
    """
    with report_full_disk(settings.checkpoints):
        trainer.train(resume_from_checkpoint=settings.resume_from)


def save_model(folder: Path, *savers: Callable[[str], Any]) -> None:
    """Write a folder that from_pretrained loads, then delete the checkpoints of the model.

    Args:
        folder: Folder of the model.
        savers: Functions that write into a folder, such as save_pretrained of model and tokenizer.

    Raises:
        OSError: The model cannot be written.
    """
    with report_full_disk(folder.parent), new_folder(folder) as part:
        for save in savers:
            save(str(part))
    checkpoints = ROOT / folder.name
    for mark in list(checkpoints.glob(f"*/*/{MARK}")):  # first, so that a half-deleted checkpoint is incomplete
        mark.unlink()
    shutil.rmtree(checkpoints, ignore_errors=True)
