"""Rows of a data set as model inputs of a classifier, the same in training and evaluation."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from papertrail.core.errors import DataError
from papertrail.core.params import Classifier, Linear
from papertrail.core.records import Row
from papertrail.models.batching import Item
from papertrail.models.heads import Head

KEPT = 10_000  # items in memory, of some kilobytes each


def load_tokenizer(folder: Path, max_tokens: int) -> PreTrainedTokenizerFast:
    """Load the tokenizer of a from_pretrained folder and set its maximum length."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, model_max_length=max_tokens)
    return cast(PreTrainedTokenizerFast, tokenizer)


def encode_rows(
    head: Head,
    rows: list[Row],
    tokenizer: PreTrainedTokenizerFast,
    model: Classifier,
    left_out: frozenset[str] = frozenset(),
) -> tuple[list[Item], int]:
    """Return the items of rows, and how many of them were truncated at max_tokens.

    Args:
        head: Head of the model.
        rows: Prepared rows.
        tokenizer: Tokenizer of the model.
        model: Inputs and maximum length.
        left_out: Inputs to hide from the model.
    """
    encoded = [head.encode(row, tokenizer, model, left_out) for row in rows]
    return [item for item, _ in encoded], sum(truncated for _, truncated in encoded)


class EncodedRows(Sequence[Item]):
    """Items of rows, encoded on access. The first KEPT of them stay in memory, so small sets are encoded once."""

    def __init__(self, rows: Sequence[Row], encode: Callable[[Row], Item]) -> None:
        self.rows = rows
        self.encode = encode
        self.kept: dict[int, Item] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        if index in self.kept:
            return self.kept[index]
        item = self.encode(self.rows[index])
        if len(self.kept) < KEPT:
            self.kept[index] = item
        return item


def check_columns(head: Head, model: Classifier | Linear, columns: list[str]) -> None:
    """Check that a data set has every column that its model needs.

    Raises:
        DataError: The data set lacks a column that the head, an input or class weights need.
    """
    dropped = model.input_dropout if isinstance(model, Classifier) else {}
    weighted = ["label"] if model.class_weights == "balanced" else []
    needed = [*head.COLUMNS, *model.inputs, *dropped, *weighted]
    missing = [column for column in needed if column not in columns]
    if missing:
        raise DataError(
            f"data set {model.dataset} has no column '{missing[0]}' for head {model.head} with inputs {model.inputs} "
            f"(columns: {', '.join(columns)})"
        )
