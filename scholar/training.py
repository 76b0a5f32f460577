"""Fine-tuning a run with the library's Trainer: layer-wise rates, class weights, best checkpoint, resume."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import (
    AutoConfig,
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer import TRAINER_STATE_NAME

from scholar.batching import EpochDataset, Item, Reordered, lengths_of
from scholar.encoding import EncodedRows, load_tokenizer
from scholar.params import Run
from scholar.records import Row
from scholar.splits import draw
from scholar.trainer import EpochEnd, Settings, check_positions, dropout_of, keep_own_names, training_arguments


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with its best weights, how it got there, and what the stage's metrics say of it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    history: list[dict[str, float]]
    metrics: dict[str, float]


def build_model(head: ModuleType, names: list[str], run: Run) -> PreTrainedModel:
    """The encoder of the run under a new head: outputs named, dropout set, token embeddings frozen if asked for.

    Raises:
        ParamsError: run.max_tokens exceeds the positions of the encoder.
    """
    config = AutoConfig.from_pretrained(run.encoder, local_files_only=True)
    check_positions("runs: max_tokens", run.max_tokens, run.encoder, config)
    model: PreTrainedModel = head.AUTO_MODEL.from_pretrained(
        run.encoder,
        local_files_only=True,
        attn_implementation=run.attention,
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
        **dropout_of(config, run),
    )
    keep_own_names(model)
    model.get_input_embeddings().requires_grad_(not run.freeze_embeddings)
    return model


def layer_groups(model: PreTrainedModel, run: Run) -> list[dict[str, Any]]:
    """Parameters by depth and decay.

    The head learns at learning_rate, each layer below at layer_decay times the rate of the one above. Layers are
    numbered in parameter names (`layer.3.`, `layers.3.`); the embeddings lie below layer 0. Biases and normalisation
    weights, the vectors, do not decay. Source: Howard and Ruder, 2018 (discriminative fine-tuning).
    """
    depth_of: dict[str, int] = {}
    for name, _ in model.named_parameters():
        number = re.search(r"\blayers?\.(\d+)\.", name)
        inside = name.startswith(f"{model.base_model_prefix}.")
        depth_of[name] = int(number[1]) + 1 if number else 0 if inside and "embedding" in name else sys.maxsize
    top = max((depth for depth in depth_of.values() if depth != sys.maxsize), default=0) + 1
    groups: dict[tuple[int, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        groups.setdefault((min(depth_of[name], top), parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": run.learning_rate * run.layer_decay ** (top - depth),
            "weight_decay": run.weight_decay if decays else 0.0,
        }
        for (depth, decays), parameters in sorted(groups.items(), key=lambda group: group[0])
    ]


def balanced_weights(labels: list[int], classes: int) -> torch.Tensor:
    """(classes,) rows / (classes present x rows of the class): their mean over all rows is 1; absent classes get 0."""
    counts = np.bincount(labels, minlength=classes)
    shares = np.count_nonzero(counts) * np.maximum(counts, 1)
    return torch.tensor(np.where(counts > 0, len(labels) / shares, 0.0), dtype=torch.float32)


def build_loss(run: Run, weights: torch.Tensor | None) -> Callable[..., torch.Tensor]:
    """Cross entropy per labelled position, averaged over the positions of a whole accumulated step."""

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None) -> torch.Tensor:
        logits = outputs.logits.flatten(
            0, -2
        ).float()  # (batch, labels) or (batch, tokens, labels) -> (positions, labels)
        weight = None if weights is None else weights.to(logits.device)
        total = cross_entropy(
            logits, labels.flatten(), weight=weight, reduction="sum", label_smoothing=run.label_smoothing
        )
        return total / (labels.ne(-100).sum() if num_items_in_batch is None else num_items_in_batch)

    return loss


def finetune(
    run: Run, head: ModuleType, names: list[str], splits: Mapping[str, Sequence[Row]], settings: Settings
) -> Trained:
    """Train a run on splits["train"], keep the evaluation that scores best on splits["validation"].

    Rows are encoded when a batch needs them, so that a set of any size is held as its rows alone.
    """
    tokenizer = load_tokenizer(Path(run.encoder), run.max_tokens)
    model = build_model(head, names, run)

    def encode(row: Row, epoch: int | None = None) -> Item:
        left_out = frozenset() if epoch is None else draw_left_out(run.input_dropout, settings.seed, epoch, row["id"])
        item: Item = head.encode(row, tokenizer, run, left_out)[0]
        return item

    whole = EncodedRows(splits["train"], encode)

    def training_items(epoch: int) -> EncodedRows:
        return EncodedRows(splits["train"], partial(encode, epoch=epoch)) if run.input_dropout else whole

    validation_items = EncodedRows(splits["validation"], encode)
    lengths = lengths_of(validation_items)
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])  # by length: little padding
    rows, items = Reordered(splits["validation"], order), Reordered(validation_items, order)

    def score(output: EvalPrediction) -> dict[str, float]:
        predictions = head.decode(rows, items, list(output.predictions), names)
        return {"score": head.validation_score(rows, predictions, names)}

    labels = [row["label"] for row in splits["train"]] if run.class_weights == "balanced" else []
    trainer = Trainer(
        model=model,
        args=training_arguments(
            run,
            settings,
            TrainingArguments,
            train_sampling_strategy="sequential",  # EpochDataset is in its order already
            per_device_eval_batch_size=4 * run.batch_size,  # no gradients are kept, so four times the rows fit
            eval_strategy="steps" if run.evaluation_steps else "epoch",
            eval_steps=run.evaluation_steps,
            save_total_limit=run.keep_checkpoints,  # the best among them
            load_best_model_at_end=True,
            metric_for_best_model="score",
            greater_is_better=True,
        ),
        data_collator=head.build_collator(tokenizer),
        train_dataset=EpochDataset(training_items, settings.seed, run.batch_size),
        eval_dataset=items,
        compute_metrics=score,
        compute_loss_func=build_loss(run, balanced_weights(labels, len(names)) if labels else None),
        optimizers=(torch.optim.AdamW(layer_groups(model, run), lr=run.learning_rate, fused=True), None),
        callbacks=[EpochEnd(), StepEnd(), *early_stopping(run), *settings.trackers],
    )
    if settings.resume_from is not None and has_ended(state := load_state(settings.resume_from)):
        trainer.state = state
        model = head.AUTO_MODEL.from_pretrained(state.best_model_checkpoint, local_files_only=True)
    else:
        trainer.train(resume_from_checkpoint=settings.resume_from)
    cut = {split: sum(head.encode(row, tokenizer, run)[1] for row in splits[split]) for split in splits}
    return Trained(model, tokenizer, trainer.state.log_history, summarize(trainer.state, cut))


def summarize(state: TrainerState, cut: Mapping[str, int]) -> dict[str, float]:
    """What the metrics tell of a training; `cut`: split -> examples that were."""
    evaluations = [entry for entry in state.log_history if "eval_score" in entry]
    best = max(evaluations, key=lambda entry: entry["eval_score"])
    return {
        "validation_score": best["eval_score"],
        "best_epoch": float(best["epoch"]),
        "epochs": float(evaluations[-1]["epoch"]),
        "steps": float(state.global_step),
        "train_examples_cut": float(cut["train"]),
        "validation_examples_cut": float(cut["validation"]),
    }


class StepEnd(TrainerCallback):
    """Makes a checkpoint in the midst of an epoch a point to go on from exactly: the loss so far is logged."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Called by the Trainer when it knows whether it will save; a logged mean loss never spans a checkpoint."""
        control.should_log |= control.should_save


def draw_left_out(dropout: dict[str, float], seed: int, epoch: int, id_: str) -> frozenset[str]:
    """The inputs that this example does without in this epoch, each with its own probability."""
    return frozenset(name for name, p in dropout.items() if draw(seed, "input", name, str(epoch), id_) < p * 2**64)


def load_state(checkpoint: str) -> TrainerState:
    """Where a training was when it wrote a checkpoint."""
    state: TrainerState = TrainerState.load_from_json(str(Path(checkpoint, TRAINER_STATE_NAME)))
    return state


def has_ended(state: TrainerState) -> bool:
    """Whether the training had ended, early or not, when this was written: only its model was left to save."""
    saved: Any = state.stateful_callbacks  # by name, as the file has them
    return bool(saved["TrainerControl"]["args"]["should_training_stop"])


def early_stopping(run: Run) -> list[EarlyStoppingCallback]:
    """Stops after that many evaluations without a better validation score; patience 0 trains to the end."""
    patience = run.early_stopping_patience
    return [EarlyStoppingCallback(early_stopping_patience=patience)] if patience else []
