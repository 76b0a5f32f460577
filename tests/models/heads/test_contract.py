"""Every head implements the protocol Head: its members, their parameters, and that they work together."""

import inspect
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from papertrail.core.errors import ParamsError
from papertrail.core.plugins import plugin_names
from papertrail.models.encoding import encode_rows, load_tokenizer
from papertrail.models.heads import HEADS, Head, load_head
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import FEATURES, INPUTS, make_classifier, make_rows

FUNCTIONS = {name: value for name, value in vars(Head).items() if inspect.isfunction(value) and name[0] != "_"}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(params=plugin_names(HEADS))
def head(request: pytest.FixtureRequest) -> ModuleType:
    return load_head(request.param)


def name_of(head: ModuleType) -> str:
    return head.__name__.rpartition(".")[2]


def test_the_fixtures_cover_every_head() -> None:
    assert sorted(INPUTS) == plugin_names(HEADS)


def test_a_head_has_the_members_of_the_protocol(head: ModuleType) -> None:
    assert isinstance(head.COLUMNS, tuple)
    assert hasattr(head.AUTO_MODEL, "from_pretrained")
    assert len(FUNCTIONS) == 5
    for name, function in FUNCTIONS.items():
        expected = list(inspect.signature(function).parameters.items())[1:]  # without self
        actual = inspect.signature(getattr(head, name)).parameters.items()
        assert [(n, p.default) for n, p in actual] == [(n, p.default) for n, p in expected], name


def test_an_unknown_head_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(ParamsError, match="unknown head 'pair_clasification'; did you mean 'pair_classification'"):
        load_head("pair_clasification")


def test_columns_are_those_of_the_data_set(head: ModuleType) -> None:
    assert set(head.COLUMNS) <= FEATURES[name_of(head)].keys()


def test_rows_become_items_and_logits_become_predictions(head: ModuleType, encoder: Path) -> None:
    name = name_of(head)
    model, rows = make_classifier(name), make_rows(name, 8)
    names = head.class_names(FEATURES[name])
    items, truncated = encode_rows(head, rows, load_tokenizer(encoder, model.max_tokens), model)
    assert truncated == 0
    assert all({"input_ids", "attention_mask", "labels"} <= item.keys() for item in items)
    correct = [confident(item["labels"], len(names)) for item in items]
    predictions = head.decode(rows, items, correct, names)
    assert [prediction["id"] for prediction in predictions] == [row["id"] for row in rows]
    assert len({tuple(prediction) for prediction in predictions}) == 1  # the same columns for all
    assert head.validation_score(rows, predictions, names) == 1.0
    wrong = [-logits for logits in correct]
    assert 0.0 <= head.validation_score(rows, head.decode(rows, items, wrong, names), names) < 0.6


def confident(labels: int | list[int], classes: int) -> np.ndarray:
    """Return logits (labels,) or (tokens, labels) that favour the correct classes; class 0 where there is no label."""
    return 10 * np.eye(classes, dtype=np.float32)[np.maximum(labels, 0)]


@pytest.mark.parametrize("max_tokens", [8, 9])
def test_truncated_rows_are_counted(head: ModuleType, encoder: Path, max_tokens: int) -> None:
    name = name_of(head)
    rows = make_rows(name, 30)
    tokenizer = load_tokenizer(encoder, max_tokens)
    full, _ = encode_rows(head, rows, load_tokenizer(encoder, 100), make_classifier(name, max_tokens=100))
    short, truncated = encode_rows(head, rows, tokenizer, make_classifier(name, max_tokens=max_tokens))
    lengths = [len(item["input_ids"]) for item in full]
    assert [len(item["input_ids"]) for item in short] == [min(length, max_tokens) for length in lengths]
    assert truncated == sum(length > max_tokens for length in lengths) > 0
