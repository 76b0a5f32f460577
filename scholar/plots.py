"""Small CSV files that `dvc plots` draws; numbers and labels, never text of papers."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

Cell = float | int | str


def write_csv(rows: Sequence[Mapping[str, Cell]], path: Path, columns: Sequence[str]) -> None:
    """Write rows as CSV, beside and then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)


def write_learning_curves(history: list[dict[str, float]], name: str, folder: Path) -> None:
    """training/<name>.csv, a row per logged step, and validation/<name>.csv, a row per epoch, from the log history."""
    training = [
        {"step": int(entry["step"]), "loss": entry["loss"], "learning_rate": entry["learning_rate"]}
        for entry in history
        if "loss" in entry
    ]
    validation = [
        {"epoch": round(entry["epoch"]), "loss": entry["eval_loss"], "score": entry["eval_score"]}
        for entry in history
        if "eval_score" in entry
    ]
    write_csv(training, folder / "training" / f"{name}.csv", ("step", "loss", "learning_rate"))
    if validation:
        write_csv(validation, folder / "validation" / f"{name}.csv", ("epoch", "loss", "score"))
