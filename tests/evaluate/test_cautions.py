"""Cautions name the better system, and are absent for a model without faults."""

from typing import Any

import pytest

from papertrail.evaluate.cautions import find_cautions

SCORES: dict[str, Any] = {
    "model": {"f1": 0.5, "classes_predicted": 2, "validation_positives": 12},
    "bm25": {"f1": 0.4},
    "oracle": {"f1": 0.9},
    "seen": {"model": {"f1": 0.1}},
    "examples": 7,
}


def test_a_model_that_is_best_has_none() -> None:
    assert find_cautions(SCORES, "f1") == []


@pytest.mark.parametrize(
    ("change", "caution"),
    [
        ({"f1": 0.3}, "bm25 scores higher on the test split: f1 0.400 against 0.300"),
        ({"classes_predicted": 1}, "it predicts the same class for every test example"),
        ({"validation_positives": 2}, "its threshold was chosen on 2 positive examples, fewer than 10"),
    ],
)
def test_each_fault_is_named(change: dict[str, Any], caution: str) -> None:
    assert find_cautions({**SCORES, "model": {**SCORES["model"], **change}}, "f1") == [caution]


def test_the_answering_system_is_compared_with_the_model() -> None:
    (caution,) = find_cautions(SCORES, "f1", system="bm25", name_of=str.upper)
    assert caution == "MODEL scores higher on the test split: F1 0.500 against 0.400"


def test_a_search_that_was_not_validated_is_named() -> None:
    assert find_cautions({**SCORES, "validation_queries": 20}, "f1") == []
    expected = "no validation queries, so a search answers with hybrid without a comparison"
    assert find_cautions({**SCORES, "validation_queries": 0}, "f1") == [expected]
