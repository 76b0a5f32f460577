"""Heads of classifiers. A head decides how rows become model inputs and how logits become predictions.

A head is one module of this package with the members of `Head`; it needs no registration.
"""

from typing import TYPE_CHECKING, Any, Protocol, cast

from papertrail.core.params import Classifier
from papertrail.core.plugins import load_plugin
from papertrail.core.records import Row

if TYPE_CHECKING:  # loads torch, which listing the heads does not need
    from papertrail.models.batching import Item

HEADS = "papertrail.models.heads"


class Head(Protocol):
    """The members of a module that is a head.

    Attributes:
        COLUMNS: Columns that a data set needs besides the inputs of the model.
        AUTO_MODEL: Class of transformers that puts this head on an encoder.
    """

    COLUMNS: tuple[str, ...]
    AUTO_MODEL: Any

    def class_names(self, features: Any) -> list[str]:
        """Return the names of the model's outputs, from the features of a data set."""

    def encode(
        self, row: Row, tokenizer: Any, model: Classifier, left_out: frozenset[str] = frozenset()
    ) -> tuple["Item", bool]:
        """Return model inputs and labels of a row without some inputs, and whether it was truncated at max_tokens."""

    def build_collator(self, tokenizer: Any) -> Any:
        """Return a function that pads items to a batch."""

    def decode(self, rows: Any, items: Any, logits: list[Any], names: list[str]) -> list[Row]:
        """Return the prediction of each row as a row of the predictions file.

        Args:
            rows: (n,) rows.
            items: (n,) items of the rows, from `encode`.
            logits: (n,) arrays, (labels,) or (tokens, labels).
            names: (labels,) class names.
        """

    def validation_score(self, rows: Any, predictions: list[Row], names: list[str]) -> float:
        """Return the score in [0, 1] that selects the best checkpoint."""


def load_head(name: str) -> Head:
    """Return the head of a module of papertrail.models.heads.

    Raises:
        ParamsError: There is no such module.
    """
    return cast(Head, load_plugin("head", HEADS, name))


def join_inputs(row: Row, inputs: list[str], left_out: frozenset[str]) -> str:
    """Return the text of a row. Several inputs are named, as published for categories: `Title: ..., Abstract: ...`."""
    if len(inputs) == 1:
        return str(row[inputs[0]])
    return ", ".join(f"{name.capitalize()}: {row[name]}" for name in inputs if name not in left_out and row[name])
