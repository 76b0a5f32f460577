"""What cards tell of a tiny experiment: every file by its hash, scores beside baselines, and no fact of the machine."""

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from tests.fixtures.commands import ROOT, run_stage
from tests.fixtures.tiny_runs import PRETRAINING, make_run, write_experiment

SCORES = {"accuracy": 0.75, "macro_f1": 0.5, "approach": {"f1": 0.25}}
METRICS = {
    "evaluate/run-0.json": {"test": {"model": SCORES, "tfidf": {"accuracy": 0.8, "macro_f1": 0.6}, "examples": 12}},
    "pretrain.json": {"before": {"mlm_loss": 9.5}, "after": {"mlm_loss": 7.5}, "steps": 2},
}
LICENCE = {"licence": "CC BY 4.0", "files": {"a": "0" * 64}, "unpack": None, "convert": None}
SOURCE = {**LICENCE, "providers": [{"kind": "local", "folder": "none"}]}


def write(folder: Path) -> Path:
    """All that stage cards reads: as if everything had been trained and scored."""
    datasets = {
        "tiny_text": {"task": "pretraining", "source": "papers"},
        "tiny": {"task": "citation_intent", "source": "papers"},
    }
    runs = [make_run(task="citation_intent", encoder="data/raw/base")]
    sources = {"papers": SOURCE, "base": {**SOURCE, "licence": "Apache-2.0"}}
    pretraining = {**PRETRAINING, "encoder": "data/raw/base"}
    write_experiment(folder, runs, datasets=datasets, sources=sources, pretraining=pretraining)
    for name in ("dvc.yaml", "scholar", "stages"):
        (folder / name).symlink_to(ROOT / name)
    files = {f"metrics/{name}": json.dumps(value) for name, value in METRICS.items()}
    files |= {f"models/{name}/model.safetensors": name for name in ("run-0", "pretrained")}
    files |= {"data/raw/base/config.json": "{}", "data/prepared/pretraining/tiny_text/train.parquet": "rows"}
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write(tmp_path_factory.mktemp("cards"))
    done = run_stage(folder, "cards")
    assert done.returncode == 0, done.stderr
    return folder


def read_provenance(experiment: Path, model: str) -> dict[str, Any]:
    return json.loads((experiment / "cards" / model / "provenance.json").read_text(encoding="utf-8"))


def test_every_declared_file_is_told_by_its_sha256(experiment: Path) -> None:
    told = read_provenance(experiment, "run-0")
    assert told["files"] == {"models/run-0/model.safetensors": sha256(b"run-0").hexdigest()}
    assert list(told["stages"]) == ["evaluate@run-0", "finetune@run-0"]
    reads = told["stages"]["finetune@run-0"]["reads"]
    data = [f"data/prepared/citation_intent/tiny/{split}.parquet" for split in ("train", "validation")]
    assert {"requirements.txt", "scholar/heads/sequence_classification.py", "data/raw/base/config.json", *data} < set(
        reads
    )
    assert reads == {path: sha256((experiment / path).read_bytes()).hexdigest() for path in reads}
    assert "models/run-0/model.safetensors" in told["stages"]["evaluate@run-0"]["reads"]


def test_command_parameters_and_pins_are_told(experiment: Path) -> None:
    told = read_provenance(experiment, "run-0")
    stage = told["stages"]["finetune@run-0"]
    assert stage["command"] == "python -m stages.finetune run-0"
    assert stage["parameters"]["seed"] == 7
    assert stage["parameters"]["runs.run-0"]["learning_rate"] == 0.003
    assert told["packages"] == {"torch": "2.13.0"}
    assert read_provenance(experiment, "pretrained")["stages"]["pretrain"]["parameters"]["pretraining"]["epochs"] == 1


def test_the_card_is_read_by_the_hub_s_library(experiment: Path) -> None:
    card = ModelCard.load(experiment / "cards/run-0/README.md")
    assert card.data.license == "apache-2.0"  # of the weights it starts from
    assert {r.metric_type: r.metric_value for r in card.data.eval_results} == {"accuracy": 0.75, "macro_f1": 0.5}
    for line in (
        "| model    | 0.750      | 0.500      |",
        "| tfidf    | 0.800      | 0.600      |",
        "| tiny       | citation_intent | human    | CC BY 4.0 |",
        "- Labels are those of annotators",
        "$ dvc repro finetune@run-0",
    ):
        assert line in card.text
    pretrained = ModelCard.load(experiment / "cards/pretrained/README.md")
    assert [(r.metric_type, r.metric_value) for r in pretrained.data.eval_results] == [("mlm_loss", 7.5)]
    assert pretrained.data.eval_results[0].dataset_split == "validation"


def test_other_surroundings_give_the_same_bytes(experiment: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "another folder")
    assert run_stage(other, "cards", PYTHONHASHSEED="7", TZ="Pacific/Chatham", LC_ALL="C").returncode == 0
    first, second = (
        {file.relative_to(folder): file.read_bytes() for file in (folder / "cards").rglob("*") if file.is_file()}
        for folder in (experiment, other)
    )
    assert first == second
    assert len(first) == 4


@pytest.mark.parametrize("missing", ["metrics/evaluate/run-0.json", "models/run-0"])
def test_what_is_missing_is_told(missing: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "cards")
    shutil.rmtree(folder / missing, ignore_errors=True)
    (folder / missing).unlink(missing_ok=True)
    done = run_stage(folder, "cards")
    assert done.returncode == 1
    assert f"error: {missing}: no such file" in done.stderr
    assert not (folder / "cards").exists()
