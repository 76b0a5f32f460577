"""Trackers: curves in build/logs when asked for, and the same model with and without."""

from pathlib import Path

import pytest
import torch

from scholar.heads import sequence_classification
from scholar.trackers import LOGS, tracker_callbacks
from scholar.trainer import Settings
from scholar.training import finetune
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import PURPOSES, RUNTIME, make_rows, make_run


def test_nothing_is_made_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert tracker_callbacks("tiny", []) == []
    assert not LOGS.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what the two packages import
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_curves_are_logged_and_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny_bert(tmp_path / "encoder")
    head = "sequence_classification"
    splits = {"train": make_rows(head, 16), "validation": make_rows(head, 8, 1)}
    weights = []
    for trackers in ([], ["tensorboard", "dvclive"]):
        settings = Settings(
            runtime=RUNTIME,
            seed=1,
            checkpoints=tmp_path / "-".join(["checkpoints", *trackers]),
            resume_from=None,
            trackers=tracker_callbacks("tiny", trackers),
        )
        torch.manual_seed(1)  # the new head is drawn from it
        trained = finetune(make_run(epochs=2), sequence_classification, PURPOSES, splits, settings)
        weights.append(trained.model.classifier.weight.tolist())
    assert list((LOGS / "tensorboard/tiny").glob("events.out.tfevents.*"))
    curve = (LOGS / "dvclive/tiny/plots/metrics/eval/loss.tsv").read_text(encoding="utf-8").splitlines()
    assert len(curve) == 1 + 2  # a head, and a row per epoch
    assert weights[0] == weights[1]
