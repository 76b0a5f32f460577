"""Charts as coordinates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertrail.report.charts import BOTTOM, LEFT, MAX_TICKS, RIGHT, TOP, draw, find_ticks


def test_lines_reach_the_edges_of_the_plot_area() -> None:
    chart = draw("t", {"a": [(0, 2.0), (10, 4.0)], "b": [(5, 3.0)]}, "step", "loss")
    first, second = chart.lines
    assert first.path == f"{LEFT:.1f},{BOTTOM:.1f} {RIGHT:.1f},{TOP:.1f}"
    assert second.dots == [(f"{(LEFT + RIGHT) / 2:.1f}", f"{(TOP + BOTTOM) / 2:.1f}")]
    assert [label for _, label in chart.x_ticks] == ["0", "2", "4", "6", "8", "10"]
    assert chart.x_ticks[-1][0] == f"{RIGHT:.1f}"


def test_ticks_of_epochs_are_whole() -> None:
    assert [label for _, label in draw("t", {"a": [(1, 0.0), (2, 1.0)]}, "epoch", "score").x_ticks] == ["1", "2"]


def test_axes_of_shares_go_from_0_to_1() -> None:
    chart = draw("t", {"a": [(0.4, 0.5), (0.6, 0.5)]}, "recall", "precision", shares=True)
    middle = (TOP + BOTTOM) / 2
    assert chart.lines[0].path.startswith(f"{LEFT + 0.4 * (RIGHT - LEFT):.1f},{middle:.1f} ")


def test_a_constant_has_an_axis() -> None:
    assert draw("t", {"a": [(1, 3.0), (2, 3.0)]}, "epoch", "loss").y_ticks


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6))
def test_ticks_are_few_and_within_the_limits(low: float, span: float) -> None:
    high = low + span
    ticks = find_ticks((low, high))
    assert 2 <= len(ticks) <= MAX_TICKS
    assert ticks == sorted(set(ticks))
    assert ticks[0] >= low - span * 1e-6
    assert ticks[-1] <= high + span * 1e-6


@pytest.mark.parametrize(
    ("limits", "expected"),
    [((0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]), ((1, 2), [1, 1.2, 1.4, 1.6, 1.8, 2]), ((3, 180), [50, 100, 150])],
)
def test_ticks_are_round_numbers(limits: tuple[float, float], expected: list[float]) -> None:
    assert find_ticks(limits) == expected
