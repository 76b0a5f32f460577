"""Model cards and provenance of a small experiment: hashes of every file, scores beside baselines, the same bytes."""

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from tests.fixtures.commands import ROOT, run_stage
from tests.fixtures.tiny_runs import PRETRAINING, make_classifier, write_experiment

SCORES = {"accuracy": 0.75, "macro_f1": 0.5, "approach": {"f1": 0.25}}
METRICS = {
    "evaluate/intent.json": {"test": {"model": SCORES, "tfidf": {"accuracy": 0.8, "macro_f1": 0.6}, "examples": 12}},
    "pretrain.json": {"before": {"mlm_loss": 9.5}, "after": {"mlm_loss": 7.5}, "steps": 2},
}
CODE = {"finetune/intent": {"papertrail/train/classifier.py": "aa"}, "evaluate/intent": {}, "pretrain": {}}
LICENCE = {"licence": "CC BY 4.0", "files": {"a": "0" * 64}, "unpack": None, "convert": None}
SOURCE = {**LICENCE, "providers": [{"kind": "local", "folder": "none"}]}


def write(folder: Path) -> Path:
    """Write everything that stage cards reads, as if every earlier stage had run."""
    datasets = {
        "tiny_text": {"task": "pretraining", "source": "papers"},
        "tiny": {"task": "citation_intent", "source": "papers"},
    }
    models = {"intent": make_classifier(task="citation_intent", base_model="data/raw/base")}
    sources = {"papers": SOURCE, "base": {**SOURCE, "licence": "Apache-2.0"}}
    pretraining = {**PRETRAINING, "base_model": "data/raw/base"}
    write_experiment(folder, models, datasets=datasets, sources=sources, pretraining=pretraining)
    (folder / "dvc.yaml").symlink_to(ROOT / "dvc.yaml")
    files = {f"metrics/{name}": json.dumps(value) for name, value in METRICS.items()}
    files |= {f"code/{name}.json": json.dumps(value) for name, value in CODE.items()}
    files |= {f"models/{name}/model.safetensors": name for name in ("intent", "pretrained")}
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


def test_every_file_that_a_stage_reads_has_its_sha256(experiment: Path) -> None:
    provenance = read_provenance(experiment, "intent")
    assert provenance["files"] == {"models/intent/model.safetensors": sha256(b"intent").hexdigest()}
    assert list(provenance["stages"]) == ["evaluate@intent", "finetune@intent"]
    reads = provenance["stages"]["finetune@intent"]["reads"]
    data = [f"data/prepared/citation_intent/tiny/{split}.parquet" for split in ("train", "validation")]
    assert reads.keys() == {"data/raw/base/config.json", *data}
    assert reads == {path: sha256((experiment / path).read_bytes()).hexdigest() for path in reads}
    evaluation = provenance["stages"]["evaluate@intent"]["reads"]
    assert {"models/intent/model.safetensors", "data/test/citation_intent/tiny/test.parquet"} < evaluation.keys()


def test_code_is_what_stage_code_recorded(experiment: Path) -> None:
    stages = read_provenance(experiment, "intent")["stages"]
    assert stages["finetune@intent"]["code"] == {"papertrail/train/classifier.py": "aa"}
    assert stages["evaluate@intent"]["code"] == {}


def test_command_parameters_and_pinned_packages_are_recorded(experiment: Path) -> None:
    provenance = read_provenance(experiment, "intent")
    stage = provenance["stages"]["finetune@intent"]
    assert stage["command"] == "python -m stages.finetune intent"
    assert stage["parameters"]["seed"] == 7
    assert stage["parameters"]["models.intent"]["learning_rate"] == 0.003
    assert provenance["packages"] == {"torch": "2.13.0"}
    pretrain = read_provenance(experiment, "pretrained")["stages"]["pretrain"]
    assert pretrain["parameters"]["pretraining"]["epochs"] == 1


def test_the_hub_s_library_reads_the_card(experiment: Path) -> None:
    card = ModelCard.load(experiment / "cards/intent/README.md")
    assert card.data.license == "apache-2.0"  # of the base model
    assert (card.data.pipeline_tag, card.data.library_name) == ("text-classification", "transformers")
    assert {r.metric_type: r.metric_value for r in card.data.eval_results} == {"accuracy": 0.75, "macro_f1": 0.5}
    for line in (
        "| model    | 0.750      | 0.500      |",
        "| tfidf    | 0.800      | 0.600      |",
        "| tiny       | citation_intent | human    | CC BY 4.0 |",
        "- Labels come from annotators;",
        "$ dvc repro finetune@intent",
    ):
        assert line in card.text
    pretrained = ModelCard.load(experiment / "cards/pretrained/README.md")
    assert [(r.metric_type, r.metric_value) for r in pretrained.data.eval_results] == [("mlm_loss", 7.5)]
    assert pretrained.data.eval_results[0].dataset_split == "validation"


def test_another_environment_gives_the_same_bytes(experiment: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "another folder")
    assert run_stage(other, "cards", PYTHONHASHSEED="7", TZ="Pacific/Chatham", LC_ALL="C").returncode == 0
    first, second = (
        {file.relative_to(folder): file.read_bytes() for file in (folder / "cards").rglob("*") if file.is_file()}
        for folder in (experiment, other)
    )
    assert first == second
    assert len(first) == 4


@pytest.mark.parametrize("missing", ["metrics/evaluate/intent.json", "models/intent", "code/finetune/intent.json"])
def test_a_missing_input_is_an_error(missing: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "cards")
    shutil.rmtree(folder / missing, ignore_errors=True)
    (folder / missing).unlink(missing_ok=True)
    done = run_stage(folder, "cards")
    assert done.returncode == 1
    assert f"error: {missing}: no such file" in done.stderr
    assert not (folder / "cards").exists()
