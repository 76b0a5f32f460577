"""Learning curves: which entries of the Trainer's history they have, and their columns."""

from pathlib import Path

from papertrail.train.curves import write_learning_curves

HISTORY = [
    {"loss": 1.5, "grad_norm": 2.0, "learning_rate": 0.001, "epoch": 0.5, "step": 5},
    {"loss": 1.25, "grad_norm": 2.0, "learning_rate": 5e-05, "epoch": 1.0, "step": 10},
    {"eval_loss": 1.4, "eval_score": 0.5, "eval_runtime": 3.2, "epoch": 1.0, "step": 10},
    {"eval_loss": 1.3, "eval_score": 1 / 3, "eval_runtime": 3.1, "epoch": 1.9999, "step": 20},
    {"train_runtime": 9.0, "train_loss": 1.375, "epoch": 2.0, "step": 20},
]


def without(key: str) -> list[dict[str, float]]:
    return [{name: value for name, value in entry.items() if name != key} for entry in HISTORY]


def test_curves_have_losses_and_scores_but_no_times(tmp_path: Path) -> None:
    write_learning_curves(HISTORY, "tiny", tmp_path)
    training, validation = ((tmp_path / name / "tiny.csv").read_bytes() for name in ("training", "validation"))
    assert training == b"step,loss,learning_rate\n5,1.5,0.001\n10,1.25,5e-05\n"
    assert validation == b"epoch,value,loss\n1,0.5,1.4\n2,0.3333333333333333,1.3\n"


def test_the_value_is_the_score_or_else_the_loss(tmp_path: Path) -> None:
    write_learning_curves(without("eval_score"), "summarizer", tmp_path)
    write_learning_curves(without("eval_loss"), "retriever", tmp_path)
    assert (tmp_path / "validation/summarizer.csv").read_bytes() == b"epoch,value\n1,1.4\n2,1.3\n"
    assert (tmp_path / "validation/retriever.csv").read_bytes() == b"epoch,value\n1,0.5\n2,0.3333333333333333\n"


def test_a_training_without_steps_has_tables_without_rows(tmp_path: Path) -> None:
    write_learning_curves([], "linear", tmp_path)
    assert (tmp_path / "training/linear.csv").read_bytes() == b"step,loss,learning_rate\n"
    assert (tmp_path / "validation/linear.csv").read_bytes() == b"epoch,value\n"


def test_a_history_without_validation_has_no_validation_curve(tmp_path: Path) -> None:
    write_learning_curves(HISTORY[:2], "tiny", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["training"]
    write_learning_curves(HISTORY[:2], "tiny", tmp_path, has_validation=True)
    assert (tmp_path / "validation/tiny.csv").read_bytes() == b"epoch,value\n"
