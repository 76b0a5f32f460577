"""Rows of a data set as model inputs, the same way in training and in evaluation."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from scholar.batching import Item
from scholar.errors import DataError
from scholar.params import Run
from scholar.records import Row

KEPT = 10_000  # items, of some kilobytes each


def load_tokenizer(folder: Path, max_tokens: int) -> PreTrainedTokenizerFast:
    """The tokenizer of a from_pretrained folder, its maximum length set."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, model_max_length=max_tokens)
    return cast(PreTrainedTokenizerFast, tokenizer)


def encode_rows(
    head: ModuleType,
    rows: list[Row],
    tokenizer: PreTrainedTokenizerFast,
    run: Run,
    left_out: frozenset[str] = frozenset(),
) -> tuple[list[Item], int]:
    """The items of the rows, and how many of them were cut at max_tokens."""
    encoded = [head.encode(row, tokenizer, run, left_out) for row in rows]
    return [item for item, _ in encoded], sum(cut for _, cut in encoded)


class EncodedRows(Sequence[Item]):
    """The items of rows, encoded when they are asked for; the first ones that were are kept, so that small sets are
    encoded once.
    """

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


def check_columns(head: ModuleType, run: Run, columns: list[str]) -> None:
    """Raises:
    DataError: the data set lacks a column that the head or the run needs.
    """
    needed = [*head.COLUMNS, *run.inputs, *run.input_dropout, *(["label"] if run.class_weights == "balanced" else [])]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise DataError(
            f"data set {run.data} has no column '{missing[0]}' for head {run.head} with inputs {run.inputs} "
            f"(columns: {', '.join(columns)})"
        )
