"""Tables that dvc draws: their lines, and what of the Trainer's history goes into the learning curves."""

from pathlib import Path

import pytest

from scholar.plots import write_csv, write_learning_curves

HISTORY = [
    {"loss": 1.5, "grad_norm": 2.0, "learning_rate": 0.001, "epoch": 0.5, "step": 5},
    {"loss": 1.25, "grad_norm": 2.0, "learning_rate": 5e-05, "epoch": 1.0, "step": 10},
    {"eval_loss": 1.4, "eval_score": 0.5, "eval_runtime": 3.2, "epoch": 1.0, "step": 10},
    {"eval_loss": 1.3, "eval_score": 1 / 3, "eval_runtime": 3.1, "epoch": 1.9999, "step": 20},
    {"train_runtime": 9.0, "train_loss": 1.375, "epoch": 2.0, "step": 20},
]


def test_learning_curves_hold_losses_and_scores_but_no_times(tmp_path: Path) -> None:
    write_learning_curves(HISTORY, "tiny", tmp_path)
    training, validation = ((tmp_path / name / "tiny.csv").read_bytes() for name in ("training", "validation"))
    assert training == b"step,loss,learning_rate\n5,1.5,0.001\n10,1.25,5e-05\n"
    assert validation == b"epoch,loss,score\n1,1.4,0.5\n2,1.3,0.3333333333333333\n"


def test_a_history_without_validation_writes_no_curve_of_it(tmp_path: Path) -> None:
    write_learning_curves(HISTORY[:2], "tiny", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["training"]


def test_a_curve_shows_what_was_measured_on_validation(tmp_path: Path) -> None:
    for left_out in ("eval_score", "eval_loss"):
        history = [{key: value for key, value in entry.items() if key != left_out} for entry in HISTORY]
        write_learning_curves(history, left_out, tmp_path)
    assert (tmp_path / "validation_loss/eval_score.csv").read_bytes() == b"epoch,loss\n1,1.4\n2,1.3\n"
    assert (tmp_path / "validation/eval_loss.csv").read_bytes() == b"epoch,score\n1,0.5\n2,0.3333333333333333\n"


def test_a_table_replaces_the_one_before_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.csv"
    write_csv([{"actual": 'a "b", c', "predicted": "é"}] * 3, path, ("actual", "predicted"))
    with pytest.raises(ValueError, match="other"):
        write_csv([{"actual": "x", "other": 1}], path, ("actual", "predicted"))
    assert path.read_text(encoding="utf-8") == "actual,predicted\n" + '"a ""b"", c",é\n' * 3
    write_csv([], path, ("actual",))
    assert path.read_text(encoding="utf-8") == "actual\n"
    assert list(path.parent.iterdir()) == [path]
