"""Line charts as coordinates: scholar/report.html.jinja writes them as SVG, escapes their words and colours them."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT = 360, 240  # units of the picture, which grows and shrinks with the page
LEFT, RIGHT, TOP, BOTTOM = 46, 350, 8, 200  # edges of the plotted area
MOST_TICKS = 6
MOST_DOTS = 12  # points of a line that are marked one by one

Points = Sequence[tuple[float, float]]
Ends = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A named line: `path` is the points attribute of a polyline, `dots` are points to be marked."""

    name: str
    path: str
    dots: list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over two axes; a tick is its place and its number. `diagonal` draws x = y."""

    title: str
    x: str
    y: str
    lines: list[Line]
    x_ticks: list[tuple[str, str]]
    y_ticks: list[tuple[str, str]]
    diagonal: bool = False


def read_points(file: Path, x: str, y: str) -> list[tuple[float, float]]:
    """Two columns of a CSV file."""
    with file.open(encoding="utf-8", newline="") as stream:
        return [(float(row[x]), float(row[y])) for row in csv.DictReader(stream)]


def draw(title: str, series: Mapping[str, Points], x: str, y: str, shares: bool = False) -> Chart:
    """A chart of named series; `shares` are drawn from 0 to 1."""
    points = [point for given in series.values() for point in given]
    across, up = ((0.0, 1.0), (0.0, 1.0)) if shares else (_ends(p[0] for p in points), _ends(p[1] for p in points))

    whole = all(x == int(x) for x, _ in points) and not shares  # steps, epochs, ranks

    def place(point: tuple[float, float]) -> tuple[str, str]:
        return _scale(point[0], across, (LEFT, RIGHT)), _scale(point[1], up, (BOTTOM, TOP))

    placed = {name: [place(point) for point in given] for name, given in series.items()}
    return Chart(
        title=title,
        x=x,
        y=y,
        lines=[
            Line(name=name, path=" ".join(map(",".join, given)), dots=given if len(given) <= MOST_DOTS else [])
            for name, given in placed.items()
        ],
        x_ticks=[(_scale(tick, across, (LEFT, RIGHT)), f"{tick:g}") for tick in round_numbers(across, whole)],
        y_ticks=[(_scale(tick, up, (BOTTOM, TOP)), f"{tick:g}") for tick in round_numbers(up)],
    )


def round_numbers(ends: Ends, whole: bool = False) -> list[float]:
    """At most six multiples of 1, 2 or 5 times a power of ten, from end to end."""
    low, high = ends
    power = 10.0 ** math.floor(math.log10((high - low) / MOST_TICKS))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if (high - low) / (power * factor) < MOST_TICKS - 1e-9)
    step = max(step, 1) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _ends(values: Iterable[float]) -> Ends:
    found = list(values)
    low, high = min(found), max(found)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _scale(value: float, ends: Ends, edges: tuple[int, int]) -> str:
    share = (value - ends[0]) / (ends[1] - ends[0])
    return f"{edges[0] + share * (edges[1] - edges[0]):.1f}"
