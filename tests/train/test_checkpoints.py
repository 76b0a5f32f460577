"""Checkpoints: the one to resume from, the fingerprint of a configuration, saving, and killed stages."""

import hashlib
import json
import logging
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from papertrail.core.errors import DataError
from papertrail.core.params import Params, Retriever, Summarizer, load_params
from papertrail.train.checkpoints import (
    MARK,
    ROOT,
    find_checkpoint,
    fingerprint,
    resume_settings,
    save_model,
)
from tests.fixtures.tiny_runs import (
    PRETRAINING,
    finish,
    make_classifier,
    read_files,
    start_python,
    write_corpus,
    write_experiment,
)

# a stage that kills itself at the beginning of a step
KILLED = """
import os, runpy, signal, sys
import stages  # sets the instruction caps before torch is imported
from papertrail.train.checkpoints import EpochEnd
stage, step, *rest = sys.argv[1:]

def kill(self, args, state, control, **_):
    if state.global_step == int(step):
        os.kill(os.getpid(), signal.SIGKILL)

EpochEnd.on_step_begin = kill
sys.argv = [stage, *rest]
runpy.run_module(f"stages.{stage}", run_name="__main__")
"""


def make_checkpoint(folder: Path, step: int | str, complete: bool = True) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.safetensors").touch()
    if complete:
        (checkpoint / MARK).write_text("{}", encoding="utf-8")
    return checkpoint


# --- the checkpoint to resume from ---


def test_the_newest_checkpoint_has_the_highest_step(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for step in (9500, 10000, 500):
        make_checkpoint(tmp_path, step)
    with caplog.at_level(logging.INFO):
        assert find_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10000")
    assert caplog.messages == [f"resuming from {tmp_path / 'checkpoint-10000'}"]


def test_incomplete_checkpoints_are_removed_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    complete = make_checkpoint(tmp_path, 10)
    without_mark = make_checkpoint(tmp_path, 20, complete=False)
    partial_mark = make_checkpoint(tmp_path, 30)
    (partial_mark / MARK).write_text('{"epoch": 3', encoding="utf-8")
    temporary = make_checkpoint(tmp_path, "20.tmp")
    with caplog.at_level(logging.INFO):
        assert find_checkpoint(tmp_path) == str(complete)
    assert sorted(tmp_path.iterdir()) == [complete]
    for path in (without_mark, partial_mark, temporary):
        assert f"removing incomplete checkpoint {path}" in caplog.messages


@pytest.mark.parametrize("exists", [False, True])
def test_without_a_complete_checkpoint_training_starts_from_the_beginning(exists: bool, tmp_path: Path) -> None:
    if exists:
        make_checkpoint(tmp_path / "new", 3, complete=False)
    assert find_checkpoint(tmp_path / "new") is None


# --- the fingerprint ---


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Return input files, some with the same name."""
    return write_files(tmp_path / "first")


def write_files(folder: Path) -> list[Path]:
    files = [folder / corpus / "train.parquet" for corpus in "abcd"] + [folder / "code/finetune/tiny.json"]
    for number, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"content {number}", encoding="utf-8")
    return files


def test_a_fingerprint_does_not_depend_on_order_or_folder(files: list[Path], tmp_path: Path) -> None:
    first = fingerprint(["settings"], files)
    assert fingerprint(["settings"], reversed(files)) == first
    assert fingerprint(["settings"], write_files(tmp_path / "second")) == first


def change_rows(files: list[Path]) -> list[Path]:
    files[2].write_text("other", encoding="utf-8")
    return files


def change_code(files: list[Path]) -> list[Path]:
    files[-1].write_text("other", encoding="utf-8")
    return files


def rename_file(files: list[Path]) -> list[Path]:
    return [*files[:-1], files[-1].rename(files[-1].with_name("other.json"))]


@pytest.mark.parametrize("change", [change_rows, change_code, rename_file, lambda files: files[:-1]])
def test_a_fingerprint_changes_with_every_file(change: Callable[[list[Path]], list[Path]], files: list[Path]) -> None:
    before = fingerprint(["settings"], files)
    assert fingerprint(["settings"], change(files)) != before


def test_a_missing_file_is_an_error(files: list[Path]) -> None:
    files[-1].unlink()
    with pytest.raises(DataError, match=r"code/finetune/tiny\.json: no such file; `dvc repro` writes it"):
        fingerprint(["settings"], files)


@pytest.fixture
def params(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(tmp_path)
    return replace(load_params(repo / "params.yaml"), trackers=[])


def test_a_checkpoint_of_another_configuration_is_not_used(files: list[Path], params: Params) -> None:
    model = make_classifier()
    settings = resume_settings("tiny", model, params, files)
    assert settings.resume_from is None
    assert settings.checkpoints.parent == ROOT / "tiny"
    assert settings.seed == params.seed
    checkpoint = make_checkpoint(settings.checkpoints, 3)
    assert resume_settings("tiny", model, params, files).resume_from == str(checkpoint)

    for other_model, other_params in [
        (replace(model, learning_rate=0.1), params),
        (replace(model, input_dropout={"text": 0.1}), params),
        (replace(model, seed=params.seed + 1), params),
        (model, replace(params, runtime=replace(params.runtime, threads=params.runtime.threads + 1))),
        (model, replace(params, seed=params.seed + 1)),
    ]:
        assert resume_settings("tiny", other_model, other_params, files).resume_from is None
    assert resume_settings("tiny", model, params, change_rows(files)).resume_from is None
    assert checkpoint.exists()


def test_every_kind_of_training_has_its_own_configuration(files: list[Path], params: Params) -> None:
    trainings = [*params.models.values(), params.pretraining]
    for model in params.models.values():
        if isinstance(model, Summarizer) and model.lora is not None:
            trainings += [replace(model, lora=replace(model.lora, rank=1)), replace(model, lora=None)]
        if isinstance(model, Retriever):
            trainings.append(replace(model, hard_negative_ranks=[1, 2]))
    folders = [resume_settings("tiny", training, params, files).checkpoints for training in trainings]
    assert len(set(folders)) == len(folders)


# --- saving ---


def test_a_model_is_complete_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = make_checkpoint(ROOT / "tiny" / "abc", 3)
    of_another_model = make_checkpoint(ROOT / "other" / "abc", 3)

    def save(folder: str) -> None:
        Path(folder, "weights").write_text("new", encoding="utf-8")

    def fail(folder: str) -> None:
        raise OSError("no space")

    previous = Path("models/tiny/old")
    previous.parent.mkdir(parents=True)
    previous.touch()
    with pytest.raises(OSError, match="no space"):
        save_model(Path("models/tiny"), save, fail)
    assert [path.name for path in Path("models").rglob("*")] == ["tiny", "old"]
    assert checkpoint.exists()

    save_model(Path("models/tiny"), save, lambda folder: Path(folder, "vocabulary").touch())
    assert sorted(path.name for path in Path("models/tiny").iterdir()) == ["vocabulary", "weights"]
    assert [path.name for path in Path("models").iterdir()] == ["tiny"]
    assert not checkpoint.exists()
    assert of_another_model.exists()


def test_a_full_disk_is_an_os_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def fail(folder: str) -> None:  # as torch does
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 128 vs 22")

    with pytest.raises(OSError, match="No space left on device"):
        save_model(Path("models/tiny"), fail)


# --- killed and started again ---


def start_stage(folder: Path, stage: str, *arguments: str, hash_seed: int) -> subprocess.Popen[str]:
    return start_python(folder, "-m", f"stages.{stage}", *arguments, hash_seed=hash_seed)


def kill_and_resume(folder: Path, stage: str, step: int, *arguments: str, name: str) -> list[str]:
    """Run a stage; in a copy of the folder, kill it at a step and start it again; compare what both write.

    Args:
        folder: A prepared folder.
        stage: Name of the stage.
        step: The process is killed at its beginning.
        arguments: Arguments of the stage.
        name: Name of the model.

    Returns:
        The lines on stderr of the stage that was started again.
    """
    copy = Path(shutil.copytree(folder, folder.with_name("killed")))
    uninterrupted = start_stage(folder, stage, *arguments, hash_seed=1)
    killed = start_python(copy, "-c", KILLED, stage, str(step), *arguments, hash_seed=2)
    _, stderr = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, stderr
    finish(uninterrupted)

    (checkpoints,) = (copy / ROOT / name).iterdir()
    assert list(checkpoints.glob(f"*/{MARK}"))
    assert not (copy / "models").exists()
    make_checkpoint(checkpoints, 999, complete=False)  # like one of a process killed while writing
    lines = finish(start_stage(copy, stage, *arguments, hash_seed=3)).splitlines()

    expected, resumed = (read_files(each, "models", "metrics") for each in (folder, copy))
    assert hashes(resumed) == hashes(expected)
    for each in (folder, copy):
        assert not list(each.glob(f"{ROOT}/*"))
    return lines


def hashes(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest()[:16] for name, content in files.items()}


def test_a_killed_finetuning_ends_in_the_same_bytes(tmp_path: Path) -> None:
    model = make_classifier(hidden_dropout=0.2, epochs=3, batch_size=4, gradient_accumulation=2)
    folder = write_experiment(tmp_path / "uninterrupted", {"tiny": model})
    # 24 rows are 3 steps per epoch: killed in the second epoch
    lines = kill_and_resume(folder, "finetune", 4, "tiny", name="tiny")
    assert any(line.startswith("resuming from ") and line.endswith("checkpoint-3") for line in lines)
    assert any(line.startswith("removing incomplete ") and line.endswith("checkpoint-999") for line in lines)

    files = read_files(folder, "models", "metrics")
    assert {"models/tiny/model.safetensors", "models/tiny/tokenizer.json"} < files.keys()
    metrics = json.loads(files["metrics/finetune/tiny.json"])
    assert (metrics["epochs"], metrics["steps"]) == (3, 9)
    training = files["metrics/plots/training/tiny.csv"].decode().splitlines()
    assert training[0] == "step,loss,learning_rate"
    assert [line.split(",")[0] for line in training[1:]] == ["3", "5", "6", "9"]  # every fifth, and ends of epochs
    validation = files["metrics/plots/validation/tiny.csv"].decode().splitlines()
    assert [line.split(",")[0] for line in validation] == ["epoch", "1", "2", "3"]


def test_a_killed_pretraining_ends_in_the_same_bytes(tmp_path: Path) -> None:
    pretraining = {**PRETRAINING, "epochs": 3, "pairs_per_epoch": 24}
    folder = write_experiment(tmp_path / "uninterrupted", {}, pretraining=pretraining)
    write_corpus(folder)
    # the tiny encoder has dropout 0.1, so random state has to be restored
    lines = kill_and_resume(folder, "pretrain", 5, name="pretrained")
    assert any(line.startswith("resuming from ") and line.endswith("checkpoint-3") for line in lines)
    assert json.loads((folder / "metrics/pretrain.json").read_text(encoding="utf-8"))["steps"] == 9
    training = (folder / "metrics/plots/training/pretrained.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in training[1:]] == ["3", "5", "6", "9"]


def test_a_stage_without_its_code_file_is_an_error(tmp_path: Path) -> None:
    folder = write_experiment(tmp_path, {"tiny": make_classifier()})
    (folder / "code/finetune/tiny.json").unlink()
    process = start_stage(folder, "finetune", "tiny", hash_seed=0)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert stderr.splitlines()[-1] == "error: code/finetune/tiny.json: no such file; `dvc repro` writes it"


def test_bf16_without_a_gpu_trains_and_saves_fp32_weights(tmp_path: Path) -> None:
    runtime = {"level": "native", "threads": 1, "precision": "bf16"}
    folder = write_experiment(tmp_path, {"tiny": make_classifier()}, runtime=runtime)
    process = start_stage(folder, "finetune", "tiny", hash_seed=0)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    weights = load_file(folder / "models/tiny/model.safetensors")
    assert {tensor.dtype.name for tensor in weights.values()} == {"float32"}
