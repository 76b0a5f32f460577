"""What heads of classification promise: the names told in scholar/heads/__init__.py, and that they work together.

A head that trains by itself, such as retrieval, offers `train` and no `encode`; it has tests of its own.
"""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import scholar.heads
from scholar.encoding import encode_rows, load_tokenizer
from scholar.errors import ParamsError
from scholar.task import known_names, load_head
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import FEATURES, INPUTS, make_rows, make_run

HEADS = [name for name in known_names("scholar.heads") if not hasattr(load_head(name), "train")]
PROMISED = re.findall(r"^(\w+) {2,}\S", scholar.heads.__doc__ or "", re.MULTILINE)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(params=HEADS)
def head(request: pytest.FixtureRequest) -> ModuleType:
    return load_head(request.param)


def name_of(head: ModuleType) -> str:
    return head.__name__.rpartition(".")[2]


def test_the_fixtures_cover_every_head() -> None:
    assert sorted(INPUTS) == HEADS == ["pair_classification", "sequence_classification", "token_classification"]


def test_every_promised_name_is_there(head: ModuleType) -> None:
    assert len(PROMISED) == 7
    for name in PROMISED:
        offered = getattr(head, name)
        expected = {"COLUMNS": tuple, "AUTO_MODEL": type}.get(name, Callable)
        assert isinstance(offered, expected), name


def test_an_unknown_head_is_told_with_the_nearest() -> None:
    with pytest.raises(ParamsError, match="unknown head 'pair_clasification'; did you mean 'pair_classification'"):
        load_head("pair_clasification")


def test_columns_are_those_of_the_data_set(head: ModuleType) -> None:
    assert set(head.COLUMNS) <= FEATURES[name_of(head)].keys()


def test_rows_become_items_and_logits_become_predictions(head: ModuleType, encoder: Path) -> None:
    name = name_of(head)
    run, rows = make_run(name), make_rows(name, 8)
    names = head.class_names(FEATURES[name])
    items, cut = encode_rows(head, rows, load_tokenizer(encoder, run.max_tokens), run)
    assert cut == 0
    assert all({"input_ids", "attention_mask", "labels"} <= item.keys() for item in items)
    right = [confident(item["labels"], len(names)) for item in items]
    predictions = head.decode(rows, items, right, names)
    assert [prediction["id"] for prediction in predictions] == [row["id"] for row in rows]
    assert len({tuple(prediction) for prediction in predictions}) == 1  # the same columns for all
    assert head.validation_score(rows, predictions, names) == 1.0
    wrong = [-logits for logits in right]
    assert 0.0 <= head.validation_score(rows, head.decode(rows, items, wrong, names), names) < 0.6


def confident(labels: int | list[int], classes: int) -> np.ndarray:
    """Logits (labels,) or (tokens, labels) of a model sure of the right classes; class 0 where none is given."""
    return 10 * np.eye(classes, dtype=np.float32)[np.maximum(labels, 0)]


@pytest.mark.parametrize("max_tokens", [8, 9])
def test_what_is_cut_is_counted(head: ModuleType, encoder: Path, max_tokens: int) -> None:
    name = name_of(head)
    rows = make_rows(name, 30)
    tokenizer = load_tokenizer(encoder, max_tokens)
    full, _ = encode_rows(head, rows, load_tokenizer(encoder, 100), make_run(name, max_tokens=100))
    short, cut = encode_rows(head, rows, tokenizer, make_run(name, max_tokens=max_tokens))
    lengths = [len(item["input_ids"]) for item in full]
    assert [len(item["input_ids"]) for item in short] == [min(length, max_tokens) for length in lengths]
    assert cut == sum(length > max_tokens for length in lengths) > 0
