"""Fine-tuning of classifiers by the Trainer: best checkpoint, input dropout, early stopping, resuming."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer import TRAINER_STATE_NAME

from papertrail.core.params import Classifier
from papertrail.core.parquet import Rows, read_rows
from papertrail.core.randomness import draw
from papertrail.core.records import Row
from papertrail.data.prepared import split_file
from papertrail.models.batching import EpochDataset, Item, Reordered, lengths_of
from papertrail.models.encoding import EncodedRows, check_columns, load_tokenizer
from papertrail.models.heads import Head, load_head
from papertrail.models.kernels import make_portable
from papertrail.models.loading import check_positions, keep_own_names
from papertrail.train.arguments import dropout_of, training_arguments
from papertrail.train.checkpoints import EpochEnd, Settings, run_trainer
from papertrail.train.kinds import Trained, result_of, with_base_model
from papertrail.train.optimisation import balanced_weights, build_loss, layer_groups

SPLITS = ("train", "validation")


def input_files(model: Classifier) -> list[Path]:
    """Return every file that the training reads."""
    return with_base_model(model.base_model, (split_file(model.task, model.dataset, split) for split in SPLITS))


def train(model: Classifier, settings: Settings) -> Trained:
    """Train a classifier on its data set.

    Raises:
        DataError: The data set lacks a column that the head or the model needs.
        ParamsError: max_tokens exceeds the positions of the encoder.
    """
    head = load_head(model.head)
    data = {split: read_rows(split_file(model.task, model.dataset, split)) for split in SPLITS}
    check_columns(head, model, data["train"].column_names)
    names = head.class_names(data["train"].features)
    return fit(model, names, {split: Rows(rows) for split, rows in data.items()}, settings)


def fit(model: Classifier, names: list[str], splits: Mapping[str, Sequence[Row]], settings: Settings) -> Trained:
    """Train on splits["train"]; keep the weights with the best score on splits["validation"].

    Rows are encoded when a batch needs them, so memory holds the rows only.

    Raises:
        ParamsError: max_tokens exceeds the positions of the encoder.
    """
    head = load_head(model.head)
    tokenizer = load_tokenizer(Path(model.base_model), model.max_tokens)
    network = build_model(head, names, model)

    def encode(row: Row, epoch: int | None = None) -> Item:
        left_out = frozenset() if epoch is None else draw_left_out(model.input_dropout, settings.seed, epoch, row["id"])
        return head.encode(row, tokenizer, model, left_out)[0]

    validation = Validation(head, names, splits["validation"], encode)
    labels = [row["label"] for row in splits["train"]] if model.class_weights == "balanced" else []
    trainer = Trainer(
        model=network,
        args=_arguments(model, settings),
        data_collator=head.build_collator(tokenizer),
        train_dataset=_training_set(splits["train"], encode, model, settings.seed),
        eval_dataset=validation.items,
        compute_metrics=validation.score,
        compute_loss_func=build_loss(model, balanced_weights(labels, len(names)) if labels else None),
        optimizers=(torch.optim.AdamW(layer_groups(network, model), lr=model.learning_rate, fused=True), None),
        callbacks=[EpochEnd(), StepEnd(), *early_stopping(model), *settings.trackers],
    )
    if settings.resume_from is not None and has_ended(state := load_state(settings.resume_from)):
        trainer.state = state
        network = head.AUTO_MODEL.from_pretrained(state.best_model_checkpoint, local_files_only=True)
    else:
        run_trainer(trainer, settings)
    truncated = {split: sum(head.encode(row, tokenizer, model)[1] for row in splits[split]) for split in SPLITS}
    return result_of(trainer, network, tokenizer, summarize(trainer.state, truncated))


def build_model(head: Head, names: list[str], model: Classifier) -> PreTrainedModel:
    """Load the base model with a new head, dropout and, if asked for, frozen token embeddings.

    Raises:
        ParamsError: max_tokens exceeds the positions of the encoder.
    """
    config = AutoConfig.from_pretrained(model.base_model, local_files_only=True)
    check_positions("models: max_tokens", model.max_tokens, model.base_model, config)
    network: PreTrainedModel = head.AUTO_MODEL.from_pretrained(
        model.base_model,
        local_files_only=True,
        attn_implementation=model.attention,
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
        **dropout_of(config, model),
    )
    keep_own_names(make_portable(network))
    network.get_input_embeddings().requires_grad_(not model.freeze_embeddings)
    return network


class Validation:
    """Validation rows as items, sorted by length for little padding, and the score of predictions for them."""

    def __init__(self, head: Head, names: list[str], rows: Sequence[Row], encode: Callable[[Row], Item]) -> None:
        self.head = head
        self.names = names
        items = EncodedRows(rows, encode)
        lengths = lengths_of(items)
        order = sorted(range(len(lengths)), key=lambda i: lengths[i])
        self.rows, self.items = Reordered(rows, order), Reordered(items, order)

    def score(self, output: EvalPrediction) -> dict[str, float]:
        """Return the validation score of the head."""
        predictions = self.head.decode(self.rows, self.items, list(output.predictions), self.names)
        return {"score": self.head.validation_score(self.rows, predictions, self.names)}


def _training_set(rows: Sequence[Row], encode: Callable[..., Item], model: Classifier, seed: int) -> EpochDataset:
    """Return the training set; with input dropout, each epoch leaves out other inputs."""
    items = EncodedRows(rows, encode)

    def make_items(epoch: int) -> EncodedRows:
        return EncodedRows(rows, partial(encode, epoch=epoch)) if model.input_dropout else items

    return EpochDataset(make_items, seed, model.batch_size)


def _arguments(model: Classifier, settings: Settings) -> TrainingArguments:
    return training_arguments(
        model,
        settings,
        TrainingArguments,
        train_sampling_strategy="sequential",  # EpochDataset is ordered
        per_device_eval_batch_size=4 * model.batch_size,  # without gradients, four times the rows fit into memory
        eval_strategy="steps" if model.evaluation_steps else "epoch",
        eval_steps=model.evaluation_steps,
        save_total_limit=model.keep_checkpoints,  # the best is among them
        load_best_model_at_end=True,
        metric_for_best_model="score",
        greater_is_better=True,
    )


def draw_left_out(dropout: dict[str, float], seed: int, epoch: int, id_: str) -> frozenset[str]:
    """Return the inputs to leave out of an example in an epoch, each drawn with its own probability."""
    return frozenset(name for name, p in dropout.items() if draw(seed, "input", name, str(epoch), id_) < p * 2**64)


class StepEnd(TrainerCallback):
    """Log before each checkpoint, so that a logged mean loss never spans one and resuming within an epoch is exact."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Request a log entry; the Trainer calls this when it has decided whether to save."""
        control.should_log |= control.should_save


def early_stopping(model: Classifier) -> list[EarlyStoppingCallback]:
    """Return a callback that stops after some evaluations without a better score; none if the patience is 0."""
    patience = model.early_stopping_patience
    return [EarlyStoppingCallback(early_stopping_patience=patience)] if patience else []


def load_state(checkpoint: str) -> TrainerState:
    """Return the state of the Trainer when it wrote a checkpoint."""
    state: TrainerState = TrainerState.load_from_json(str(Path(checkpoint, TRAINER_STATE_NAME)))
    return state


def has_ended(state: TrainerState) -> bool:
    """Return whether the training is complete, early or not, so that only its model is missing."""
    callbacks: Any = state.stateful_callbacks
    return bool(callbacks["TrainerControl"]["args"]["should_training_stop"])


def summarize(state: TrainerState, truncated: Mapping[str, int]) -> dict[str, float]:
    """Return the metrics of a training.

    Args:
        state: State of the Trainer at the end.
        truncated: Split -> truncated examples.
    """
    evaluations = [entry for entry in state.log_history if "eval_score" in entry]
    best = max(evaluations, key=lambda entry: entry["eval_score"])
    return {
        "validation_score": best["eval_score"],
        "best_epoch": float(best["epoch"]),
        "epochs": float(evaluations[-1]["epoch"]),
        "steps": float(state.global_step),
        "train_examples_cut": float(truncated["train"]),
        "validation_examples_cut": float(truncated["validation"]),
    }
