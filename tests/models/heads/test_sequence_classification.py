"""The sequence head: texts of one or several inputs, class probabilities, and the F1 that selects a checkpoint."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from transformers import PreTrainedTokenizerFast

from papertrail.models.encoding import load_tokenizer
from papertrail.models.heads import join_inputs
from papertrail.models.heads.sequence_classification import class_names, decode, encode, validation_score
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import FEATURES, PURPOSES, make_classifier

ROW = {"id": "1", "title": "graph parser", "abstract": "We parse.", "venue": "", "label": 1}
BOTH = ["title", "abstract"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    return load_tokenizer(write_tiny_bert(tmp_path_factory.mktemp("encoder")), 64)


@pytest.mark.parametrize(
    ("inputs", "left_out", "expected"),
    [
        (["title"], frozenset(), "graph parser"),
        (BOTH, frozenset(), "Title: graph parser, Abstract: We parse."),
        (BOTH, frozenset({"abstract"}), "Title: graph parser"),
        (BOTH, frozenset({"title"}), "Abstract: We parse."),
        (BOTH, frozenset(BOTH), ""),
        (["abstract", "title"], frozenset(), "Abstract: We parse., Title: graph parser"),
        (["title", "venue"], frozenset(), "Title: graph parser"),  # empty inputs are omitted
    ],
)
def test_inputs_are_joined_by_name(inputs: list[str], left_out: frozenset[str], expected: str) -> None:
    assert join_inputs(ROW, inputs, left_out) == expected


def test_encode_omits_inputs_that_are_left_out(tokenizer: PreTrainedTokenizerFast) -> None:
    model = make_classifier(inputs=BOTH, max_tokens=64)
    full, _ = encode(ROW, tokenizer, model)
    title_only, _ = encode(ROW, tokenizer, model, frozenset({"abstract"}))
    nothing, truncated = encode(ROW, tokenizer, model, frozenset(BOTH))
    assert title_only["input_ids"] == tokenizer("Title: graph parser")["input_ids"]
    assert full["input_ids"] == tokenizer("Title: graph parser, Abstract: We parse.")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(nothing["input_ids"]) == ["[CLS]", "[SEP]"]
    assert full["labels"] == title_only["labels"] == nothing["labels"] == 1
    assert not truncated


def test_class_names_are_the_labels() -> None:
    assert class_names(FEATURES["sequence_classification"]) == PURPOSES


@given(st.lists(st.lists(st.integers(-30, 30), min_size=3, max_size=3), min_size=1, max_size=8))
def test_probabilities_sum_to_one_and_the_top_one_is_predicted(logits: list[list[int]]) -> None:
    rows = [{"id": str(i), "label": i % 3} for i in range(len(logits))]
    arrays = [np.array(row, dtype=np.float32) for row in logits]
    for prediction, array in zip(decode(rows, [], arrays, PURPOSES), arrays, strict=True):
        assert sum(prediction["probabilities"]) == pytest.approx(1, abs=1e-12)
        assert prediction["prediction"] == int(np.argmax(prediction["probabilities"]))
        assert array[prediction["prediction"]] == array.max()
        assert type(prediction["prediction"]) is int


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=20))
def test_validation_score_is_macro_f1_over_all_classes(pairs: list[tuple[int, int]]) -> None:
    predictions = [{"label": label, "prediction": predicted} for label, predicted in pairs]
    labels, predicted = zip(*pairs, strict=True)
    per_class = f1_score(labels, predicted, labels=[0, 1, 2], average=None, zero_division=0)
    assert validation_score([], predictions, PURPOSES) == pytest.approx(sum(per_class) / 3)


def test_validation_score_of_a_binary_task_is_the_average_precision_of_class_one() -> None:
    def score(*ranked: int) -> float:
        predictions = [{"label": label, "probabilities": [rank / 9, 1 - rank / 9]} for rank, label in enumerate(ranked)]
        return validation_score([], predictions, ["other", "relevant"])

    assert score(0, 1, 0, 1) == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert score(1, 1, 0) == 1
    assert score(0, 0) == 0  # nothing to find
