"""Line charts as coordinates. templates/report.html.jinja draws them as SVG."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT = 360, 240  # of the view box; the picture scales with the page
LEFT, RIGHT, TOP, BOTTOM = 46, 350, 8, 200  # edges of the plot area
MAX_TICKS = 6
MAX_DOTS = 12  # a line with more points has no dots

Points = Sequence[tuple[float, float]]
Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A named line: `path` is the points attribute of a polyline, `dots` are its marked points."""

    name: str
    path: str
    dots: list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over two axes. A tick is its position and its label; `diagonal` draws x = y."""

    title: str
    x: str
    y: str
    lines: list[Line]
    x_ticks: list[tuple[str, str]]
    y_ticks: list[tuple[str, str]]
    diagonal: bool = False


def read_points(file: Path, x: str, y: str) -> list[tuple[float, float]]:
    """Return two columns of a CSV file."""
    with file.open(encoding="utf-8", newline="") as stream:
        return [(float(row[x]), float(row[y])) for row in csv.DictReader(stream)]


def draw(title: str, series: Mapping[str, Points], x: str, y: str, shares: bool = False) -> Chart:
    """Return a chart of named series; axes of `shares` go from 0 to 1."""
    points = [point for line in series.values() for point in line]
    x_range, y_range = (
        ((0.0, 1.0), (0.0, 1.0)) if shares else (_range(p[0] for p in points), _range(p[1] for p in points))
    )
    whole = all(value == int(value) for value, _ in points) and not shares  # steps, epochs, ranks
    placed = {
        name: [(_scale(a, x_range, (LEFT, RIGHT)), _scale(b, y_range, (BOTTOM, TOP))) for a, b in line]
        for name, line in series.items()
    }
    return Chart(
        title=title,
        x=x,
        y=y,
        lines=[
            Line(name=name, path=" ".join(map(",".join, line)), dots=line if len(line) <= MAX_DOTS else [])
            for name, line in placed.items()
        ],
        x_ticks=[(_scale(tick, x_range, (LEFT, RIGHT)), f"{tick:g}") for tick in find_ticks(x_range, whole)],
        y_ticks=[(_scale(tick, y_range, (BOTTOM, TOP)), f"{tick:g}") for tick in find_ticks(y_range)],
    )


def find_ticks(limits: Range, whole: bool = False) -> list[float]:
    """Return at most MAX_TICKS multiples of 1, 2 or 5 times a power of ten within the limits."""
    low, high = limits
    power = 10.0 ** math.floor(math.log10((high - low) / MAX_TICKS))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if (high - low) / (power * factor) < MAX_TICKS - 1e-9)
    step = max(step, 1) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _range(values: Iterable[float]) -> Range:
    found = list(values)
    low, high = min(found), max(found)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _scale(value: float, limits: Range, edges: tuple[int, int]) -> str:
    share = (value - limits[0]) / (limits[1] - limits[0])
    return f"{edges[0] + share * (edges[1] - edges[0]):.1f}"
