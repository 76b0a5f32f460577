"""The pair head: two texts in one sequence, the probability of label 1, and the mean reciprocal rank."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from papertrail.metrics.ranking import ranking_scores
from papertrail.models.encoding import load_tokenizer
from papertrail.models.heads.pair_classification import class_names, decode, encode, validation_score
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import FEATURES, make_classifier

ROW = {
    "id": "q1/a",
    "query": "q1",
    "context": "we use the parser of [CITATION] and it is good",
    "candidate": "a graph parser",
    "label": 1,
    "sampled": True,
}
# queries of up to five candidates, one of them cited; few distinct probabilities, so that ties are common
queries = st.lists(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=5).flatmap(
        lambda probabilities: st.tuples(st.just(probabilities), st.integers(0, len(probabilities) - 1))
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    return load_tokenizer(write_tiny_bert(tmp_path_factory.mktemp("encoder")), 64)


def test_both_texts_form_one_sequence(tokenizer: PreTrainedTokenizerFast) -> None:
    item, truncated = encode(ROW, tokenizer, make_classifier("pair_classification", max_tokens=64))
    pieces = tokenizer.convert_ids_to_tokens(item["input_ids"])
    assert pieces.count("[SEP]") == 2
    middle = pieces.index("[SEP]") + 1
    assert pieces[middle:] == ["a", "graph", "parse", "##r", "[SEP]"]
    assert item["token_type_ids"] == [0] * middle + [1] * 5
    assert item["labels"] == 1
    assert not truncated


def test_the_longer_text_is_truncated_first(tokenizer: PreTrainedTokenizerFast) -> None:
    item, truncated = encode(ROW, tokenizer, make_classifier("pair_classification", max_tokens=14))
    pieces = tokenizer.convert_ids_to_tokens(item["input_ids"])
    assert truncated
    assert len(pieces) == 14
    assert pieces[pieces.index("[SEP]") + 1 :] == ["a", "graph", "parse", "##r", "[SEP]"]  # the title is whole


def test_class_names_are_the_labels() -> None:
    assert class_names(FEATURES["pair_classification"]) == ["other", "cited"]


def test_decode_returns_the_probability_of_label_1() -> None:
    logits = [np.array([0.0, 0.0], np.float32), np.array([1.0, 3.0], np.float32)]
    first, second = decode([ROW, {**ROW, "id": "q1/b", "label": 0, "sampled": False}], [], logits, [])
    assert first == {"id": "q1/a", "query": "q1", "label": 1, "sampled": True, "probability": 0.5}
    assert second["probability"] == pytest.approx(1 / (1 + np.exp(-2)))
    assert (second["id"], second["label"], second["sampled"]) == ("q1/b", 0, False)


@given(queries, st.randoms(use_true_random=False))
def test_validation_score_is_the_mrr(queries: list, random: object) -> None:
    predictions = [
        {"query": str(number), "label": int(place == cited), "probability": probability}
        for number, (probabilities, cited) in enumerate(queries)
        for place, probability in enumerate(probabilities)
    ]
    random.shuffle(predictions)
    columns = ([p[name] for p in predictions] for name in ("query", "label", "probability"))
    assert validation_score([], predictions, []) == pytest.approx(ranking_scores(*columns)["mrr"], abs=1e-12)


def test_ties_count_against_the_relevant_candidate() -> None:
    tied = [{"query": "q", "label": label, "probability": 0.5} for label in (1, 0, 0, 0)]
    assert validation_score([], tied, []) == 0.25
