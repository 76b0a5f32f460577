"""What every use of the library's Trainer shares: its arguments, where it goes on, how a model is kept.

A training goes on from the newest whole checkpoint of exactly its configuration, or from the start.
"""

import hashlib
import json
import logging
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from transformers import (
    PreTrainedConfig,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer import TRAINER_STATE_NAME

from scholar.errors import ParamsError
from scholar.params import Pretraining, Retriever, Run, Runtime, Summarizer
from scholar.runtime import device
from scholar.trackers import tracker_callbacks

log = logging.getLogger(__name__)

Schedule = Run | Pretraining | Retriever | Summarizer
Arguments = TypeVar("Arguments", bound=TrainingArguments)

DROPOUT = {  # what the library's encoders call them
    "hidden_dropout": (
        "hidden_dropout_prob",
        "dropout",
        "embedding_dropout",
        "mlp_dropout",
        "classifier_dropout",
        "seq_classif_dropout",
    ),
    "attention_dropout": ("attention_probs_dropout_prob", "attention_dropout"),
}
ROOT = Path("checkpoints")
MARK = TRAINER_STATE_NAME  # what the library writes last, before it deletes an older checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How numbers are computed, where checkpoints are kept, the one to go on from; trackers, which change nothing."""

    runtime: Runtime
    seed: int
    checkpoints: Path
    resume_from: str | None
    trackers: Sequence[TrainerCallback] = ()


def resume_settings(
    name: str, what: Schedule, runtime: Runtime, seed: int, inputs: Iterable[Path], trackers: Sequence[str] = ()
) -> Settings:
    """The settings of a training by that name, with the checkpoint that an interrupted one of the same kind left."""
    checkpoints = ROOT / name / fingerprint([asdict(what), asdict(runtime), seed], inputs)
    return Settings(
        runtime=runtime,
        seed=seed,
        checkpoints=checkpoints,
        resume_from=find_checkpoint(checkpoints),
        trackers=tracker_callbacks(name, trackers),
    )


def check_positions(place: str, tokens: int, encoder: str, config: PreTrainedConfig) -> None:
    """Raises:
    ParamsError: `tokens`, the value at this place of params.yaml, exceeds the positions of the encoder.
    """
    positions = getattr(config, "max_position_embeddings", None)  # T5's are relative and have no end
    if positions is not None and tokens > positions:
        raise ParamsError(f"params.yaml: {place}: {tokens}, but {encoder} has {positions} positions; lower it")


def dropout_of(config: PreTrainedConfig, schedule: Run | Retriever) -> dict[str, float]:
    """The dropout of a schedule under the names that this encoder's config has."""
    return {
        name: getattr(schedule, kind)
        for kind, known in DROPOUT.items()
        for name in known
        if getattr(config, name, None) is not None
    }


def keep_own_names(model: Any) -> None:
    """Have weights saved under the names that the model has, not under those of the file that it was read from.

    The library would write older names back (BERT's `LayerNorm.gamma`), into checkpoints too. The Trainer takes weights
    from a checkpoint by the model's names and passes over all others: neither the best epoch nor a resumed training
    would have the normalisation weights that were learned.
    """
    model._weight_conversions = []  # as after reading a file with the names of today


def training_arguments(schedule: Schedule, settings: Settings, kind: type[Arguments], **more: Any) -> Arguments:
    """The library's arguments. Checkpoints at the end of each epoch or after a run's steps; nothing is reported."""
    run = schedule if isinstance(schedule, Run) else None
    steps = run.evaluation_steps if run else None
    return kind(
        output_dir=str(settings.checkpoints),
        num_train_epochs=schedule.epochs,
        max_steps=(run and run.max_steps) or -1,  # -1: as many as the epochs have
        per_device_train_batch_size=schedule.batch_size,
        gradient_accumulation_steps=schedule.gradient_accumulation,
        learning_rate=schedule.learning_rate,
        lr_scheduler_type="linear",
        # below 1 the library reads it as a share of all steps
        warmup_steps=schedule.warmup_ratio if run is None or run.warmup_steps is None else run.warmup_steps,
        max_grad_norm=1.0,
        remove_unused_columns=False,
        save_strategy="steps" if steps else "epoch",
        save_steps=steps or 1,
        restore_callback_states_from_checkpoint=True,  # how long early stopping has waited
        logging_steps=steps or 5,
        logging_nan_inf_filter=False,
        report_to="none",
        seed=settings.seed,
        use_cpu=device(settings.runtime) == "cpu",  # without a GPU the library refuses bf16 unless told so
        bf16=settings.runtime.precision == "bf16",
        fp16=settings.runtime.precision == "fp16",
        dataloader_pin_memory=False,
        disable_tqdm=not sys.stderr.isatty(),
        **more,
    )


class EpochEnd(TrainerCallback):
    """Makes the end of an epoch a point to go on from exactly: the loss so far is logged."""

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Called by the Trainer before it evaluates and saves; a logged mean loss never spans two epochs."""
        control.should_log = True


def fingerprint(settings: object, inputs: Iterable[Path]) -> str:
    """A hash of all that decides the result: settings, input files, the stage and code it loads, pinned packages."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=repr).encode())
    loaded = (getattr(module, "__file__", None) for name, module in sys.modules.items() if name.startswith("scholar"))
    files = {Path(file) for file in loaded if file} | {Path("requirements.txt")} | set(inputs)
    for name, content in sorted((file.name, hashlib.sha256(file.read_bytes()).digest()) for file in files):
        digest.update(name.encode() + content)  # in the order of both: several files have the same name
    return digest.hexdigest()[:16]


def find_checkpoint(folder: Path) -> str | None:
    """The whole checkpoint with the highest step in a folder; those that were cut off are removed, with a word."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        step = re.fullmatch(r"checkpoint-(\d+)", path.name)
        if step and _is_whole(path):
            whole.append((int(step[1]), path))
        else:
            log.info("%s was cut off while it was written; it is removed", path)
            shutil.rmtree(path)
    if not whole:
        return None
    newest = max(whole)[1]
    log.info("going on from %s", newest)
    return str(newest)


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / MARK).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # not begun, or cut off itself
        return False
    return True


def save_model(folder: Path, *savers: Callable[[str], Any]) -> None:
    """Write a folder that from_pretrained loads, beside and then renamed; then the checkpoints of its name can go.

    Args:
        folder: where it will be.
        savers: the save_pretrained of the model, and of a tokenizer that the model does not save itself.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    for save in savers:
        save(str(part))
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    for mark in list((ROOT / folder.name).glob(f"*/*/{MARK}")):  # first: a checkpoint half deleted must not look whole
        mark.unlink()
    shutil.rmtree(ROOT / folder.name, ignore_errors=True)
