"""Trackers: curves in build/logs if params.yaml has trackers, and the same model with and without them."""

import json
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto.wandb_internal_pb2 import Record

from papertrail.core.errors import MachineError
from papertrail.train.checkpoints import Settings
from papertrail.train.classifier import fit
from papertrail.train.trackers import LOGS, WANDB, Memory, tracker_callbacks
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import (
    PURPOSES,
    RUNTIME,
    finish,
    make_classifier,
    make_rows,
    read_files,
    start_python,
    write_experiment,
)


def test_without_trackers_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    weights, histories = [], []
    for trackers in ([], ["tensorboard", "dvclive"]):
        settings = Settings(
            runtime=RUNTIME,
            seed=1,
            checkpoints=tmp_path / "-".join(["checkpoints", *trackers]),
            resume_from=None,
            trackers=tracker_callbacks("tiny", trackers),
        )
        torch.manual_seed(1)  # the new head has random weights
        trained = fit(make_classifier(epochs=2), PURPOSES, splits, settings)
        weights.append(trained.network.classifier.weight.tolist())
        histories.append(
            [{k: v for k, v in entry.items() if "_per_" not in k and "time" not in k} for entry in trained.history]
        )
    assert list((LOGS / "tensorboard/tiny").glob("events.out.tfevents.*"))
    curve = (LOGS / "dvclive/tiny/plots/metrics/eval/loss.tsv").read_text(encoding="utf-8").splitlines()
    assert len(curve) == 1 + 2  # a header, and a row per epoch
    assert weights[0] == weights[1]
    assert histories[0] == histories[1]  # the history has no values of trackers
    events = EventAccumulator(str(LOGS / "tensorboard/tiny"))
    events.Reload()
    for name in ("loss", "learning_rate", "peak_memory_mib"):
        points = (LOGS / f"dvclive/tiny/plots/metrics/{name}.tsv").read_text(encoding="utf-8").splitlines()
        assert len(points) >= 1 + 2, name
        assert len(events.Scalars(f"train/{name}")) >= 2


def test_memory_is_in_mebibytes() -> None:
    logs = {"loss": 1.0}
    Memory().on_log(None, None, None, logs=logs)  # type: ignore[arg-type]
    assert 10 < logs["peak_memory_mib"] < 1_000_000


def test_wandb_writes_offline_and_changes_nothing(tmp_path: Path) -> None:
    models = []
    for trackers in ([], ["wandb"]):
        folder = write_experiment(tmp_path / str(len(trackers)), {"tiny": make_classifier()}, trackers=trackers)
        homes = {name: str(tmp_path / "home") for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR")}
        # port 9 accepts no connection, so going online would fail
        finish(start_python(folder, "-m", "stages.finetune", "tiny", WANDB_BASE_URL="http://127.0.0.1:9", **homes))
        models.append(read_files(folder, "models", "metrics"))
    assert models[0] == models[1]
    (log,) = folder.glob("build/logs/wandb/tiny/wandb/offline-run-*/run-*.wandb")
    points = read_history(log)
    curve = (folder / "metrics/plots/training/tiny.csv").read_text(encoding="utf-8").splitlines()[1:]
    losses = [float(line.split(",")[1]) for line in curve]
    assert [point["train/loss"] for point in points if "train/loss" in point] == losses
    assert all(
        {"train/learning_rate", "train/peak_memory_mib"} < point.keys() for point in points if "train/loss" in point
    )


def read_history(log: Path) -> list[dict[str, float]]:
    """Return the points of a wandb log: LevelDB format, blocks of 32,768 bytes, record headers of 7 bytes."""
    content, position, record, points = log.read_bytes(), 7, b"", []
    while position < len(content):
        left = 32768 - position % 32768
        if left < 7:  # too small for another record
            position += left
            continue
        size, kind = int.from_bytes(content[position + 4 : position + 6], "little"), content[position + 6]
        record += content[position + 7 : position + 7 + size]
        position += 7 + size
        if kind in (1, 4):  # a full record, or its last part
            history = Record.FromString(record).history
            record = b""
            points.append({"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in history.item})
    return [point for point in points if point]


def test_a_missing_wandb_is_an_error(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MachineError, match=rf"^params\.yaml: trackers: wandb is not installed; pip install {WANDB}$"):
        tracker_callbacks("tiny", ["wandb"])
    assert list(tmp_path.iterdir()) == []
    assert f'"{WANDB}"' in (repo / "pyproject.toml").read_text(encoding="utf-8")
