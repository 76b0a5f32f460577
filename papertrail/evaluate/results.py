"""The results of an evaluation and their files: predictions, plots and examples per model, and its metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Features, List, Value

from papertrail.core.artifacts import Cell, new_folder, write_csv, write_json, write_text
from papertrail.core.parquet import write_rows
from papertrail.core.records import Row

Table = Sequence[Mapping[str, Cell]]  # rows of a CSV file
EXAMPLES = "examples.parquet"
EXAMPLE_FEATURES = Features(
    view=Value("string"), id=Value("string"), fields=List({"name": Value("string"), "text": Value("string")})
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Predictions on one view of a split; `kind` is a key of papertrail.evaluate.stats.samples.SCORES.

    On the test split: rows of all systems, which can be scored. On validation: rows of the model from its head.
    """

    kind: str
    features: Features
    rows: list[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A row to show in the report: name of a text -> text, in display order."""

    view: str
    id: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The results of one model.

    Attributes:
        scores: Content of the metrics file: view -> system -> metric -> value, and counts.
        predictions: File stem -> predictions; the name of a view of the test split, or "validation" or
            "validation_<view>".
        plots: Kind of plot -> rows of its CSV file.
        examples: Errors of the model, the worst first; all generated texts of a summarizer.
        tables: File stem -> rows of a CSV file beside the predictions, and its columns.
        texts: File name -> content of a text file beside the predictions.
    """

    scores: dict[str, Any]
    predictions: dict[str, Predictions]
    plots: dict[str, Table] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    tables: dict[str, tuple[Table, Sequence[str]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)


def write_results(results: Results, folder: Path, metrics: Path) -> None:
    """Write predictions, plots, tables, texts and examples into `folder`, and the scores to `metrics`."""
    with new_folder(folder) as part:
        for stem, predictions in results.predictions.items():
            write_rows(predictions.rows, predictions.features, part / f"{stem}.parquet", kind=predictions.kind)
        for plot, rows in results.plots.items():
            write_csv(rows, part / "plots" / f"{plot}.csv", list(rows[0]))
        for stem, (rows, columns) in results.tables.items():
            write_csv(rows, part / f"{stem}.csv", columns)
        for name, text in results.texts.items():
            write_text(text, part / name)
        examples = [
            {"view": e.view, "id": e.id, "fields": [{"name": n, "text": t} for n, t in e.fields.items()]}
            for e in results.examples
        ]
        write_rows(examples, EXAMPLE_FEATURES, part / EXAMPLES)
    write_json(results.scores, metrics)
