"""Kinds of models for training: each is a module papertrail.train.<kind> with the functions of `Trainer`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from papertrail.core.plugins import load_plugin
from papertrail.train.checkpoints import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The result of a training.

    Attributes:
        network: The trained model in memory, with its best weights.
        tokenizer: Its tokenizer.
        history: Log entries of the Trainer, for learning curves.
        metrics: Metrics of the stage.
        savers: Functions that write the model into a folder.
    """

    network: Any
    tokenizer: Any
    history: list[dict[str, float]]
    metrics: dict[str, Any]
    savers: tuple[Callable[[str], Any], ...]


class Trainer(Protocol):
    """The functions of a module that trains models of one kind."""

    def input_files(self, model: Any) -> list[Path]:
        """Return every file that a training reads: rows and base model."""

    def train(self, model: Any, settings: Settings) -> Trained:
        """Train a model of params.yaml; keep the weights with the best validation score."""


def load_trainer(kind: str) -> Trainer:
    """Return the training module of a model kind.

    Raises:
        ParamsError: There is no such kind.
    """
    return cast(Trainer, load_plugin("model kind", "papertrail.train", kind))


def result_of(trainer: Any, network: Any, tokenizer: Any, metrics: dict[str, Any]) -> Trained:
    """Return the result of a training by transformers, which save_pretrained of network and tokenizer saves."""
    return Trained(
        network=network,
        tokenizer=tokenizer,
        history=trainer.state.log_history,
        metrics=metrics,
        savers=(network.save_pretrained, tokenizer.save_pretrained),
    )


def with_base_model(base_model: str, rows: Iterable[Path]) -> list[Path]:
    """Return files of rows and all files of a base model."""
    return [*rows, *(file for file in Path(base_model).rglob("*") if file.is_file())]
