"""Two systems on the same rows: effect, interval, p, what could have been shown, and who is compared with whom."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from scholar.comparison import compare, compare_all, holm, rivals, verdict
from scholar.errors import DataError
from scholar.params import Evaluation
from scholar.records import Row
from scholar.samples import SUMMARY
from tests.fixtures.tiny_runs import EVALUATION, make_run
from tests.fixtures.tiny_search import make_retriever

SETTINGS = Evaluation(**{**EVALUATION, "replicates": 2000})


def scored(values: np.ndarray) -> list[Row]:
    """A table of summaries, one of a paper, with these scores."""
    return [{"id": f"{i}", "paper": f"{i}", **dict.fromkeys(SUMMARY, float(v))} for i, v in enumerate(values)]


NOISE = np.random.default_rng(0).normal(size=(2, 50))


def test_a_difference_is_found_and_has_a_sign() -> None:
    before, after = NOISE[0], NOISE[0] + 0.2 + 0.3 * NOISE[1]
    found = compare(scored(before), scored(after), "rougeL", SETTINGS, 1)
    assert found.effect == pytest.approx((after - before).mean())
    assert found.low < found.effect < found.high
    assert found.low > 0
    assert found.p < 0.01
    back = compare(scored(after), scored(before), "rougeL", SETTINGS, 1)
    assert (back.effect, back.low, back.high) == pytest.approx((-found.effect, -found.high, -found.low), abs=0.01)
    assert back.p == pytest.approx(found.p, abs=0.01)


def test_the_order_of_rows_and_of_runs_does_not_matter() -> None:
    before, after = scored(NOISE[0]), scored(NOISE[0] + 0.1 * NOISE[1])
    assert compare(before, after, "rougeL", SETTINGS, 1) == compare(before[::-1], after, "rougeL", SETTINGS, 1)


def test_nothing_changed() -> None:
    found = compare(scored(NOISE[0]), scored(NOISE[0]), "rougeL", SETTINGS, 1)
    assert (found.effect, found.low, found.high, found.p, found.smallest) == (0, 0, 0, 1, 0)


def test_the_smallest_difference_is_found_with_the_power_asked_for() -> None:
    smallest = compare(scored(0 * NOISE[0]), scored(NOISE[0]), "rougeL", SETTINGS, 1).smallest
    drawn = np.random.default_rng(1).normal(smallest, NOISE[0].std(ddof=1), size=(4000, 50))
    assert (ttest_1samp(drawn, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows[:-1],
            r"3 rows before and 2 after are not the same: 1 ids only before \['c'\], 0 only after",
        ),
        (lambda rows: [*rows[:-1], {**rows[-1], "id": "d"}], r"1 ids only before \['c'\], 1 only after \['d'\]"),
        (lambda rows: [{**row, "probabilities": [1, 0, 0, 0]} for row in rows], "3 classes before and 4 after"),
        (lambda rows: [{**rows[0], "label": 1}, *rows[1:]], "row a: label is 0 before and 1 after"),
        (lambda rows: [{**rows[0], "paper": "z"}, *rows[1:]], "row a: paper is 'p' before and 'z' after"),
    ],
)
def test_other_rows_are_told(change: Any, message: str) -> None:
    rows = [{"id": id_, "paper": "p", "label": 0, "prediction": 0, "probabilities": [1, 0, 0]} for id_ in "abc"]
    with pytest.raises(DataError, match=message):
        compare(rows, change(rows), "macro_f1", SETTINGS, 1)


def test_an_unknown_score_is_told() -> None:
    with pytest.raises(DataError, match="'f1' is no score of both; before there are rougeL, rouge1"):
        compare(scored(NOISE[0]), scored(NOISE[1]), "f1", SETTINGS, 1)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1, 1]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


def test_holm_keeps_the_family_at_its_level() -> None:
    p = np.random.default_rng(2).random((4000, 10))  # nothing is there to be found
    assert np.mean([min(holm(family)) <= 0.05 for family in p]) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(
    ("effect", "p_holm", "expected"),
    [
        (0.1, 0.01, "better"),
        (-0.1, 0.01, "worse"),
        (0.1, 0.2, "no difference seen (one test alone could have shown about 0.123)"),
    ],
)
def test_verdict(effect: float, p_holm: float, expected: str) -> None:
    assert verdict({"effect": effect, "p_holm": p_holm, "smallest": 0.1234}, 0.95) == expected


def test_rivals_do_the_same_on_the_same_data_from_another_encoder() -> None:
    run = make_run()
    trained = {
        "first": run,
        "other-data": replace(run, data="other", encoder="pretrained"),
        "other-head": replace(run, head="token_classification", encoder="pretrained"),
        "faster": replace(run, learning_rate=0.1),
        "pretrained": replace(run, encoder="pretrained"),
        "search": make_retriever(),
        "search-pretrained": make_retriever(encoder="pretrained"),
    }
    found = {name: rivals(name, trained) for name in trained}
    assert found == {
        **{name: [] for name in trained},
        "pretrained": ["first", "faster"],
        "search-pretrained": ["search"],
    }


def test_all_are_compared_as_one_family() -> None:
    good, better = scored(NOISE[0]), scored(NOISE[0] + 1)
    tables = {
        "first": {"test": {"model": good, "lead": good, "oracle": better}},
        "second": {"test": {"model": better, "lead": good, "oracle": better}},
    }
    trained = {"first": make_run(), "second": make_run(encoder="pretrained")}
    found = compare_all(tables, trained, SETTINGS, 1)
    assert {name: set(views["test"]) for name, views in found.items()} == {
        "first": {"lead"},  # what has seen the answer is no opponent
        "second": {"lead", "first"},
    }
    numbers = found["second"]["test"]["first"]["rougeL"]
    assert numbers["effect"] == pytest.approx(1)
    assert numbers["p_holm"] == pytest.approx(3 * numbers["p"])
    assert found["first"]["test"]["lead"]["rougeL"]["p_holm"] == 1
