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
    """Training loss per logged step and validation per epoch, from the log history.

    The files are training/<name>.csv and validation/<name>.csv, or validation_loss/<name>.csv if there is no score.
    """
    training = [
        {"step": int(entry["step"]), "loss": entry["loss"], "learning_rate": entry["learning_rate"]}
        for entry in history
        if "loss" in entry
    ]
    measured = [key for key in ("loss", "score") if any(f"eval_{key}" in entry for entry in history)]
    validation = [
        {"epoch": _shorten(entry["epoch"]), **{key: entry[f"eval_{key}"] for key in measured}}
        for entry in history
        if any(f"eval_{key}" in entry for key in measured)
    ]
    write_csv(training, folder / "training" / f"{name}.csv", ("step", "loss", "learning_rate"))
    if validation:
        kind = "validation" if "score" in measured else "validation_loss"
        write_csv(validation, folder / kind / f"{name}.csv", ("epoch", *measured))


def _shorten(epoch: float) -> float:
    """A whole number where an epoch ended, three digits in the midst of one."""
    return round(epoch) if round(epoch, 3).is_integer() else round(epoch, 3)
