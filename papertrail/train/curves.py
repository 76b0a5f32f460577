"""Learning curves as CSV files for `dvc plots`; they hold numbers only."""

from pathlib import Path

from papertrail.core.artifacts import write_csv


def write_learning_curves(
    history: list[dict[str, float]], name: str, folder: Path, has_validation: bool = False
) -> None:
    """Write training/<name>.csv per logged step and, if the training was evaluated, validation/<name>.csv per epoch.

    Column `value` of the latter is the metric that selects the checkpoint: the validation score, or the loss for
    models without a score. With a score, column `loss` has the validation loss if it was computed. Both tables of a
    training without steps have no row.

    Args:
        history: Log entries of the Trainer.
        name: Name of the model.
        folder: Folder of both.
        has_validation: Write validation/<name>.csv in any case; without an evaluation it has no row.
    """
    training = [
        {"step": int(entry["step"]), "loss": entry["loss"], "learning_rate": entry["learning_rate"]}
        for entry in history
        if "loss" in entry
    ]
    write_csv(training, folder / "training" / f"{name}.csv", ("step", "loss", "learning_rate"))
    measured = [key for key in ("eval_score", "eval_loss") if any(key in entry for entry in history)]
    columns = dict(zip(measured, ("value", "loss"), strict=False))
    validation = [
        {"epoch": _shorten(entry["epoch"]), **{column: entry[key] for key, column in columns.items()}}
        for entry in history
        if any(key in entry for key in measured)
    ]
    if validation or has_validation or not history:
        write_csv(validation, folder / "validation" / f"{name}.csv", ("epoch", *(columns.values() or ["value"])))


def _shorten(epoch: float) -> float:
    """Return a whole number at the end of an epoch, otherwise three digits."""
    return round(epoch) if round(epoch, 3).is_integer() else round(epoch, 3)
