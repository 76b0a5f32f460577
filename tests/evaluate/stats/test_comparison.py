"""Comparison of two systems: effect, interval, p-value, detectable effect and verdict; which models are rivals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from scipy.stats import ttest_1samp

from papertrail.core.errors import DataError
from papertrail.core.parquet import write_rows
from papertrail.core.records import Row
from papertrail.evaluate.stats.comparison import Systems, compare, compare_all, read_systems, rivals, verdict
from papertrail.evaluate.stats.samples import SCORES
from tests.fixtures.tiny_runs import make_classifier, make_evaluation
from tests.fixtures.tiny_search import make_retriever

SETTINGS = make_evaluation(bootstrap_samples=2000)
NOISE = np.random.default_rng(0).normal(size=(2, 50))


def make_summaries(values: np.ndarray) -> list[Row]:
    """Return predictions of summaries with these scores, one per paper."""
    return [
        {"id": f"{i}", "paper": f"{i}", **dict.fromkeys(SCORES["summaries"], float(v))} for i, v in enumerate(values)
    ]


def compare_values(before: np.ndarray, after: np.ndarray) -> Any:
    return compare(make_summaries(before), make_summaries(after), "summaries", SETTINGS, 1)


def test_a_difference_has_a_sign() -> None:
    before, after = NOISE[0], NOISE[0] + 0.2 + 0.3 * NOISE[1]
    found = compare_values(before, after)
    assert found.effect == pytest.approx((after - before).mean())
    assert 0 < found.low < found.effect < found.high
    assert found.p < 0.01
    reverse = compare_values(after, before)
    assert (reverse.effect, reverse.low, reverse.high) == pytest.approx(
        (-found.effect, -found.high, -found.low), abs=0.01
    )
    assert reverse.p == pytest.approx(found.p, abs=0.01)


def test_the_order_of_rows_does_not_matter() -> None:
    before, after = make_summaries(NOISE[0]), make_summaries(NOISE[0] + 0.1 * NOISE[1])
    first, second = (compare(rows, after, "summaries", SETTINGS, 1) for rows in (before, before[::-1]))
    assert first == second


def test_equal_predictions() -> None:
    found = compare_values(NOISE[0], NOISE[0])
    assert (found.effect, found.low, found.high, found.p, found.minimum_detectable_effect) == (0, 0, 0, 1, 0)


def test_the_minimum_detectable_effect_is_detected_with_the_power_of_the_settings() -> None:
    effect = compare_values(0 * NOISE[0], NOISE[0]).minimum_detectable_effect
    drawn = np.random.default_rng(1).normal(effect, NOISE[0].std(ddof=1), size=(4000, 50))
    assert (ttest_1samp(drawn, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows[:-1],
            r"cannot compare 3 rows before with 2 after: 1 ids only before \['c'\], 0 only after",
        ),
        (lambda rows: [*rows[:-1], {**rows[-1], "id": "d"}], r"1 ids only before \['c'\], 1 only after \['d'\]"),
        (
            lambda rows: [{**row, "probabilities": [1, 0, 0, 0]} for row in rows],
            "cannot compare scores over 3 classes before with 4 after",
        ),
        (lambda rows: [{**rows[0], "label": 1}, *rows[1:]], "row a: label is 0 before and 1 after"),
        (lambda rows: [{**rows[0], "paper": "z"}, *rows[1:]], "row a: paper is 'p' before and 'z' after"),
    ],
)
def test_different_data_are_an_error(change: Any, message: str) -> None:
    rows = [{"id": id_, "paper": "p", "label": 0, "prediction": 0, "probabilities": [1, 0, 0]} for id_ in "abc"]
    with pytest.raises(DataError, match=message):
        compare(rows, change(rows), "classes", SETTINGS, 1)


@pytest.mark.parametrize(
    ("effect", "p_holm", "expected"),
    [
        (0.1, 0.01, "better"),
        (-0.1, 0.05, "worse"),
        (0.1, 0.2, "not significant (MDE 0.123, one test, 80 % power)"),
    ],
)
def test_verdict(effect: float, p_holm: float, expected: str) -> None:
    numbers = {"effect": effect, "p_holm": p_holm, "minimum_detectable_effect": 0.1234}
    assert verdict(numbers, replace(SETTINGS, confidence_level=0.9)) == expected


def test_rivals_have_the_same_data_set_and_head_and_another_base_model() -> None:
    model = make_classifier()
    models = {
        "first": model,
        "other-data": replace(model, dataset="other", base_model="pretrained"),
        "other-head": replace(model, head="token_classification", base_model="pretrained"),
        "other-settings": replace(model, learning_rate=0.1),
        "pretrained": replace(model, base_model="pretrained"),
        "search": make_retriever(),
        "search-pretrained": make_retriever(base_model="pretrained"),
    }
    found = {name: rivals(name, models) for name in models}
    assert found == {
        **{name: [] for name in models},
        "pretrained": ["first", "other-settings"],
        "search-pretrained": ["search"],
    }


def test_all_comparisons_are_one_family_of_tests() -> None:
    good, better = make_summaries(NOISE[0]), make_summaries(NOISE[0] + 1)
    tables = {
        "first": {"test": Systems("summaries", {"model": good, "lead": good, "oracle": better})},
        "second": {"test": Systems("summaries", {"model": better, "lead": good, "oracle": better})},
    }
    models = {"first": make_classifier(), "second": make_classifier(base_model="pretrained")}
    found = compare_all(tables, models, SETTINGS, 1)
    assert {name: set(views["test"]) for name, views in found.items()} == {
        "first": {"lead"},  # the oracle reads the reference
        "second": {"lead", "first"},
    }
    numbers = found["second"]["test"]["first"]["rougeL"]
    assert numbers["effect"] == pytest.approx(1)
    assert numbers["p_holm"] == pytest.approx(3 * numbers["p"])
    assert found["first"]["test"]["lead"]["rougeL"]["p_holm"] == 1


def test_systems_are_read_with_their_kind(tmp_path: Path) -> None:
    rows = [{**row, "system": system} for system in ("model", "lead") for row in make_summaries(NOISE[0])]
    features = Dataset.from_list(rows).features
    write_rows(rows, features, tmp_path / "test.parquet", kind="summaries")
    systems = read_systems(tmp_path / "test.parquet")
    assert systems == Systems("summaries", {"model": rows[:50], "lead": rows[50:]})


def test_predictions_without_a_kind_are_an_error(tmp_path: Path) -> None:
    rows = [{**row, "system": "model"} for row in make_summaries(NOISE[0])]
    write_rows(rows, Dataset.from_list(rows).features, tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"test\.parquet: no kind of predictions in its metadata; run `dvc repro`"):
        read_systems(tmp_path / "test.parquet")
