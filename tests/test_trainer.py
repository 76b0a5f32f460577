"""Where a training goes on from, and that one killed and started again ends in the bytes of one left alone."""

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
from datasets import Features, List, Value
from safetensors.numpy import load_file
from transformers import BertConfig, T5Config

from scholar.errors import ParamsError
from scholar.params import Run, load_params
from scholar.records import write_rows
from scholar.trainer import MARK, ROOT, check_positions, find_checkpoint, fingerprint, resume_settings, save_model
from tests.fixtures.tiny_runs import (
    PRETRAINING,
    RUNTIME,
    finish,
    make_documents,
    make_run,
    read_files,
    start_python,
    write_experiment,
)

# a stage, started as -m starts it, that kills itself at the beginning of a step
KILLED = """
import os, runpy, signal, sys
import stages  # sets the machine up before torch is loaded
from scholar.trainer import EpochEnd
stage, step, *rest = sys.argv[1:]

def die(self, args, state, control, **_):
    if state.global_step == int(step):
        os.kill(os.getpid(), signal.SIGKILL)

EpochEnd.on_step_begin = die
sys.argv = [stage, *rest]
runpy.run_module(f"stages.{stage}", run_name="__main__")
"""


def make_checkpoint(folder: Path, step: int | str, whole: bool = True) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.safetensors").touch()
    if whole:
        (checkpoint / MARK).write_text("{}", encoding="utf-8")
    return checkpoint


# --- the checkpoint ---


def test_the_newest_checkpoint_has_the_highest_step(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for step in (9500, 10000, 500):
        make_checkpoint(tmp_path, step)
    with caplog.at_level(logging.INFO):
        assert find_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10000")
    assert caplog.messages == [f"going on from {tmp_path / 'checkpoint-10000'}"]


def test_checkpoints_that_were_cut_off_are_removed_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = make_checkpoint(tmp_path, 10)
    cut = make_checkpoint(tmp_path, 20, whole=False)
    begun = make_checkpoint(tmp_path, 30)
    (begun / MARK).write_text('{"epoch": 3', encoding="utf-8")
    beside = make_checkpoint(tmp_path, "20.tmp")
    with caplog.at_level(logging.INFO):
        assert find_checkpoint(tmp_path) == str(whole)
    assert sorted(tmp_path.iterdir()) == [whole]
    for path in (cut, begun, beside):
        assert f"{path} was cut off while it was written; it is removed" in caplog.messages


@pytest.mark.parametrize("exists", [False, True])
def test_without_a_whole_checkpoint_it_starts_anew(exists: bool, tmp_path: Path) -> None:
    if exists:
        make_checkpoint(tmp_path / "new", 3, whole=False)
    assert find_checkpoint(tmp_path / "new") is None


# --- the fingerprint ---


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Input files of which some share a name, in a working directory with pinned requirements."""
    monkeypatch.chdir(tmp_path)
    return write_inputs(tmp_path, "here")


def write_inputs(folder: Path, name: str) -> list[Path]:
    (folder / "requirements.txt").write_text("torch==2.13.0\n", encoding="utf-8")
    files = [folder / name / corpus / "train.parquet" for corpus in "abcd"] + [folder / name / "config.json"]
    for number, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"content {number}", encoding="utf-8")
    return files


def test_fingerprint_does_not_depend_on_order_or_folder(inputs: list[Path], tmp_path: Path) -> None:
    first = fingerprint(["settings"], inputs)
    assert fingerprint(["settings"], reversed(inputs)) == first
    for number in range(20):  # other folders, other hashes of the paths, other orders of a set
        assert fingerprint(["settings"], write_inputs(tmp_path, f"elsewhere {number}")) == first


def change_file(inputs: list[Path]) -> list[Path]:
    inputs[2].write_text("other", encoding="utf-8")
    return inputs


def change_requirements(inputs: list[Path]) -> list[Path]:
    Path("requirements.txt").write_text("torch==2.14.0\n", encoding="utf-8")
    return inputs


def rename_file(inputs: list[Path]) -> list[Path]:
    return [*inputs[:-1], inputs[-1].rename(inputs[-1].with_name("other.json"))]


@pytest.mark.parametrize(
    "change", [change_file, change_requirements, rename_file, lambda inputs: inputs[:-1]], ids=["a", "b", "c", "d"]
)
def test_fingerprint_changes_with_every_input(change: Callable[[list[Path]], list[Path]], inputs: list[Path]) -> None:
    before = fingerprint(["settings"], inputs)
    assert fingerprint(["settings"], change(inputs)) != before


def test_fingerprint_changes_with_the_code(inputs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(["settings"], inputs)
    other = Path("training.py")
    other.write_text("# another way to train\n", encoding="utf-8")
    monkeypatch.setattr("scholar.trainer.__file__", str(other))
    assert fingerprint(["settings"], inputs) != before


def test_a_checkpoint_of_another_configuration_is_not_used(inputs: list[Path]) -> None:
    run = make_run()
    settings = resume_settings("tiny", run, RUNTIME, 7, inputs)
    assert settings.resume_from is None
    checkpoint = make_checkpoint(settings.checkpoints, 3)
    assert settings.checkpoints.parent == ROOT / "tiny"
    assert resume_settings("tiny", run, RUNTIME, 7, inputs).resume_from == str(checkpoint)

    others: list[tuple[Run, object, int]] = [
        (replace(run, learning_rate=0.1), RUNTIME, 7),
        (replace(run, input_dropout={"text": 0.1}), RUNTIME, 7),
        (run, replace(RUNTIME, threads=2), 7),
        (run, RUNTIME, 8),
    ]
    for other in others:
        assert resume_settings("tiny", *other, inputs).resume_from is None
    assert resume_settings("tiny", run, RUNTIME, 7, change_file(inputs)).resume_from is None
    assert checkpoint.exists()


def test_a_value_inside_a_block_is_part_of_the_configuration(inputs: list[Path], repo: Path) -> None:
    summarizer = load_params(repo / "params.yaml").summarizers["summary-base"]
    assert summarizer.lora is not None
    other = replace(summarizer, lora=replace(summarizer.lora, rank=summarizer.lora.rank + 1))
    one, two, none = (
        resume_settings("tiny", schedule, RUNTIME, 7, inputs).checkpoints
        for schedule in (summarizer, other, replace(summarizer, lora=None))
    )
    assert len({one, two, none}) == 3


# --- the model ---


def test_a_model_is_put_in_place_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = make_checkpoint(ROOT / "tiny" / "abc", 3)
    of_another = make_checkpoint(ROOT / "other" / "abc", 3)

    def save(folder: str) -> None:
        Path(folder).mkdir(parents=True)
        Path(folder, "weights").write_text("new", encoding="utf-8")

    def fail(folder: str) -> None:
        raise OSError("no space")

    earlier = Path("models/tiny/old")
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    with pytest.raises(OSError, match="no space"):
        save_model(Path("models/tiny"), save, fail)
    assert [path.name for path in Path("models/tiny").iterdir()] == ["old"]
    assert checkpoint.exists()

    save_model(Path("models/tiny"), save, lambda folder: Path(folder, "vocabulary").touch())
    assert sorted(path.name for path in Path("models/tiny").iterdir()) == ["vocabulary", "weights"]
    assert [path.name for path in Path("models").iterdir()] == ["tiny"]
    assert not checkpoint.exists()
    assert of_another.exists()


def test_positions_of_an_encoder_are_its_limit() -> None:
    config = BertConfig(max_position_embeddings=128)
    check_positions("retrievers: max_tokens", 128, "encoder", config)
    with pytest.raises(ParamsError) as caught:
        check_positions("retrievers: max_tokens", 129, "encoder", config)
    assert str(caught.value) == "params.yaml: retrievers: max_tokens: 129, but encoder has 128 positions; lower it"
    check_positions("summarizers: max_tokens", 100_000, "encoder", T5Config())  # its positions are relative


# --- killed and started again ---


def start_stage(folder: Path, stage: str, *arguments: str, hash_seed: int) -> subprocess.Popen[str]:
    return start_python(folder, "-m", f"stages.{stage}", *arguments, hash_seed=hash_seed)


def kill_and_resume(whole: Path, stage: str, step: int, *arguments: str, name: str) -> list[str]:
    """Run a stage in a folder; in a copy of it, kill it at a step and start it again.

    Args:
        whole: a prepared folder.
        step: at its beginning the process is killed.
        name: what is trained; its checkpoints are looked at in between.

    Returns:
        What the stage said the second time, line by line.
    """
    folder = Path(shutil.copytree(whole, whole.with_name("killed")))
    alone = start_stage(whole, stage, *arguments, hash_seed=1)
    killed = start_python(folder, "-c", KILLED, stage, str(step), *arguments, hash_seed=2)
    _, said = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, said
    finish(alone)

    (checkpoints,) = (folder / ROOT / name).iterdir()
    assert list(checkpoints.glob(f"*/{MARK}"))
    assert not (folder / "models").exists()
    make_checkpoint(checkpoints, 999, whole=False)  # the next one, as if it had died while writing
    lines = finish(start_stage(folder, stage, *arguments, hash_seed=3)).splitlines()

    left_alone, resumed = (read_files(which, "models", "metrics") for which in (whole, folder))
    assert hashes(resumed) == hashes(left_alone)
    assert not list(folder.glob(f"{ROOT}/*"))
    assert not list(whole.glob(f"{ROOT}/*"))
    return lines


def hashes(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest()[:16] for name, content in files.items()}


def test_a_killed_finetuning_ends_in_the_same_bytes(tmp_path: Path) -> None:
    run = make_run(
        inputs=["title", "text"],
        input_dropout={"title": 0.3, "text": 0.2},
        hidden_dropout=0.2,
        attention_dropout=0.1,
        epochs=3,
        batch_size=4,
        gradient_accumulation=2,
        class_weights="balanced",
    )
    folder = write_experiment(tmp_path / "whole", {"tiny-run": run})
    # 24 rows are 3 steps an epoch: killed in the second one
    lines = kill_and_resume(folder, "finetune", 4, "tiny-run", name="tiny-run")
    checkpoints = next(line for line in lines if "going on from" in line).removeprefix("going on from ")
    assert Path(checkpoints).name == "checkpoint-3"
    assert any(line.endswith("checkpoint-999 was cut off while it was written; it is removed") for line in lines)

    files = read_files(folder, "models", "metrics")
    assert {"models/tiny-run/model.safetensors", "models/tiny-run/tokenizer.json"} < files.keys()
    metrics = json.loads(files["metrics/finetune/tiny-run.json"])
    assert (metrics["epochs"], metrics["steps"]) == (3, 9)
    training = files["metrics/plots/training/tiny-run.csv"].decode().splitlines()
    assert training[0] == "step,loss,learning_rate"
    assert [line.split(",")[0] for line in training[1:]] == ["3", "5", "6", "9"]  # every fifth, and where epochs end
    validation = files["metrics/plots/validation/tiny-run.csv"].decode().splitlines()
    assert [line.split(",")[0] for line in validation] == ["epoch", "1", "2", "3"]


def test_a_killed_pretraining_ends_in_the_same_bytes(tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "whole", {}, pretraining={**PRETRAINING, "epochs": 3, "pairs_per_epoch": 24})
    features = Features(id=Value("string"), sentences=List(Value("string")))
    for number, split in enumerate(("train", "validation")):
        rows = [{"id": str(i), "sentences": text} for i, text in enumerate(make_documents(12, seed=number))]
        write_rows(rows, features, folder / "data/prepared/pretraining/tiny_text" / f"{split}.parquet")
    # the tiny encoder drops a tenth of its hidden units, as BERT does: random state has to be restored
    lines = kill_and_resume(folder, "pretrain", 5, name="pretrained")
    assert any(line.startswith("going on from ") and line.endswith("checkpoint-3") for line in lines)
    metrics = json.loads((folder / "metrics/pretrain.json").read_text(encoding="utf-8"))
    assert metrics["steps"] == 9
    training = (folder / "metrics/plots/training/pretrained.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in training] == ["step", "3", "5", "6", "9"]
    assert not (folder / "metrics/plots/validation").exists()


def test_bf16_trains_and_reads_without_a_gpu(tmp_path: Path) -> None:
    runtime = {"level": "native", "threads": 1, "precision": "bf16"}
    folder = write_experiment(tmp_path, {"tiny-run": make_run()}, runtime=runtime)
    for stage in ("finetune", "evaluate"):
        finish(start_python(folder, "-m", f"stages.{stage}", "tiny-run"))
    weights = load_file(folder / "models/tiny-run/model.safetensors")
    assert {tensor.dtype.name for tensor in weights.values()} == {"float32"}
    assert (folder / "metrics/evaluate/tiny-run.json").exists()
