"""Curves of every model in metrics/plots, as `dvc plots` and the report read them: training, validation and test."""

import csv
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from papertrail.core.artifacts import new_folder
from papertrail.core.parquet import read_kind
from papertrail.report import charts
from papertrail.report.charts import Chart
from papertrail.report.names import system_name

PLOTS = Path("metrics/plots")
DECLARED = ("confusion", "reliability", "precision_recall", "recall")  # folders that dvc.yaml names under `plots`
UNITS = {"entities": "tokens in a mention", "pairs": "sampled pairs"}  # kind of predictions -> what a confusion counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A kind of curve: a folder of metrics/plots with a CSV file per model, and two columns of it."""

    folder: str
    title: str
    x: str
    y: str
    shares: bool = False


CURVES = (
    Curve(folder="training", title="Training loss", x="step", y="loss"),
    Curve(folder="validation", title="Checkpoint selection on validation", x="epoch", y="value"),
    Curve(folder="test/reliability", title="Reliability diagram", x="confidence", y="accuracy", shares=True),
    Curve(folder="test/precision_recall", title="Precision-recall curve", x="recall", y="precision", shares=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """A confusion matrix; `counts` is (actual, predicted), `unit` is what it counts."""

    title: str
    unit: str
    actual: list[str]
    predicted: list[str]
    counts: list[list[int]]


def collect_plots(models: Sequence[str], predictions: Path, folder: Path) -> None:
    """Copy predictions/<model>/plots/<kind>.csv of all models to <folder>/<kind>/<model>.csv; replace the folder.

    Args:
        models: Names of the models.
        predictions: Folder with a folder per model.
        folder: Target; the folders that dvc.yaml names exist even if they are empty.
    """
    with new_folder(folder) as part:
        for kind in DECLARED:
            (part / kind).mkdir()
        for model in models:
            for file in sorted((predictions / model / "plots").glob("*.csv")):
                (part / file.stem).mkdir(exist_ok=True)
                shutil.copyfile(file, part / file.stem / f"{model}.csv")


def draw_curve(models: Sequence[str], curve: Curve) -> Chart | None:
    """Return a chart with a line per model, None if no line has two points."""
    files = {model: PLOTS / curve.folder / f"{model}.csv" for model in models}
    lines = {model: charts.read_points(file, curve.x, curve.y) for model, file in files.items() if file.is_file()}
    lines = {model: points for model, points in lines.items() if points}  # of a model trained without steps: none
    if all(len(points) < 2 for points in lines.values()):
        return None
    chart = charts.draw(curve.title, lines, curve.x, curve.y, curve.shares)
    return replace(chart, diagonal=curve.folder == "test/reliability")


def draw_recall(model: str) -> Chart | None:
    """Return recall by rank with a line per system, None for a model that does not rank a collection."""
    file = PLOTS / "test/recall" / f"{model}.csv"
    if not file.is_file():
        return None
    with file.open(encoding="utf-8", newline="") as stream:
        systems = [column for column in next(csv.reader(stream)) if column != "rank"]
    lines = {system_name(system): charts.read_points(file, "rank", system) for system in systems}
    return charts.draw(f"Recall by rank, {model}", lines, "rank", "recall")


def read_confusion(model: str, view: str) -> Confusion | None:
    """Return the confusion matrix of a model, None if it has none; `view` is the view that it was plotted for."""
    file = PLOTS / "test/confusion" / f"{model}.csv"
    if not file.is_file():
        return None
    with file.open(encoding="utf-8", newline="") as stream:
        pairs = Counter((row["actual"], row["predicted"]) for row in csv.DictReader(stream))
    actual, predicted = (sorted({pair[side] for pair in pairs}) for side in (0, 1))
    counts = [[pairs[a, p] for p in predicted] for a in actual]
    unit = UNITS.get(read_kind(Path("predictions", model, f"{view}.parquet")) or "", "test rows")
    return Confusion(title=model, unit=unit, actual=actual, predicted=predicted, counts=counts)
