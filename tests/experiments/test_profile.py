"""Profiles: overlays of params.yaml."""

import argparse
import logging
import subprocess
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import ParamsError
from papertrail.core.params import load_params, read_yaml, validate
from papertrail.data.task import load_task
from papertrail.experiments.profile import add_arguments, apply_overlay, read_profile, run
from tests.fixtures.commands import ROOT

SHIPPED = sorted((ROOT / "profiles").glob("*.yaml"))


@pytest.fixture
def params(tmp_path: Path, repo: Path) -> Path:
    """A copy of params.yaml."""
    file = tmp_path / "params.yaml"
    file.write_bytes((repo / "params.yaml").read_bytes())
    return file


def test_only_the_named_value_changes_and_comments_stay(params: Path) -> None:
    before = params.read_text(encoding="utf-8").splitlines()
    apply_overlay({"models": {"ner-base": {"epochs": 7}}}, params)
    after = params.read_text(encoding="utf-8").splitlines()
    [(old, new)] = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert old.startswith("    epochs: 2")
    assert new == old.replace("epochs: 2", "epochs: 7")


def test_a_block_may_override_a_default(params: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        apply_overlay({"models": {"ner-base": {"weight_decay": 0.5}}}, params)
    assert caplog.messages == ["models.ner-base.weight_decay: 0.5"]
    models = load_params(params).models
    assert (models["ner-base"].weight_decay, models["ner-pretrained"].weight_decay) == (0.5, 0.01)


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        (
            {"models": {"nre-base": {"epochs": 7}}},
            r"models.nre-base.kind: missing.*\nthe profile adds models.nre-base; check the spelling",
        ),
        ({"models": {"nre-base": None}}, "unknown name of models in the profile: 'nre-base'; did you mean 'ner-base'"),
        ({"models": {"ner-base": {"epoch": 7}}}, r"params\.yaml: models\.ner-base\.epoch: unknown key"),
        ({"sed": 1}, r"params\.yaml: sed: unknown key"),
        ({"runs": {"ner-base": {"epochs": 7}}}, r"params\.yaml: runs: renamed; use models"),
        ({"defaults": {"classifier": {"epoch": 1}}}, r"params\.yaml: defaults\.classifier\.epoch: unknown key"),
        ({"seed": "seven"}, r"params\.yaml: seed: input should be a valid integer"),
        ({"seed": None}, r"params\.yaml: seed: input should be a valid integer"),
        (
            {"datasets": {"aclsum_ner": {"min_words": 0}}},
            r"params\.yaml: datasets\.aclsum_ner: min_words: input should be",
        ),
        ({"datasets": {"new": {"task": "nre"}}}, r"unknown task 'nre'; did you mean 'ner'"),
        ({"sources": {"aclsum": None}, "seed": 1, "models": None}, r"params\.yaml: models: input should be"),
        ({"models": {"search-base": None}}, r"indexes\.papers\.retriever: unknown retriever"),
        (
            {"seed": 7, "models": {"ner-base": {"head": "pairs"}}},
            r"params\.yaml: models\.ner-base\.head: unknown head 'pairs'",
        ),
    ],
)
def test_an_invalid_overlay_leaves_the_file_unchanged(
    params: Path, overlay: dict[str, object], expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = params.read_bytes()
    with caplog.at_level(logging.INFO), pytest.raises(ParamsError, match=f"(?s){expected}"):
        apply_overlay(overlay, params)
    assert params.read_bytes() == before
    assert list(params.parent.iterdir()) == [params]
    assert caplog.messages == []


def test_an_interrupted_overlay_leaves_nothing_behind(params: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("papertrail.experiments.profile.check", interrupt)
    with pytest.raises(KeyboardInterrupt):
        apply_overlay({"seed": 7}, params)
    assert list(params.parent.iterdir()) == [params]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models: 3", "models: expected a mapping, got 3"),
        ("datasets: [a]", "datasets: expected a mapping, got ['a']"),
        ("pretraining: 3", "pretraining: expected a mapping, got 3"),
        (
            "evaluation: {classifier: {input_ablations: aclsum}}",
            "evaluation.classifier.input_ablations: expected a mapping, got 'aclsum'",
        ),
    ],
)
def test_a_section_of_a_profile_must_be_a_mapping(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "zz.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        read_profile(file)
    assert str(caught.value) == f"{file}: {expected}"


OVERLAY = """
# a profile
indexes:
  papers: null
  other: # a second index
    retriever: search-base
    task: semantic_search
    dataset: aclsum_search
    factory: HNSW32 # a graph
    train_vectors: 1000
    probes: 1
    batch_size: 8

models:
  summary-extract: null
  other: {task: ner, dataset: aclsum_ner, head: token_classification}
datasets:
  aclsum_summary: null
pretraining:
  corpora: {other_text: 2.0, aclsum_text: 0.5}
evaluation:
  classifier:
    input_ablations: {aclsum_category: {title: [title]}}
leakage:
  max_label_leakage:
    venue_in_text: null
seed: 7
"""


@pytest.fixture
def overlay(tmp_path: Path, repo: Path) -> dict[str, Any]:
    """The overlay above, with the other keys that new blocks need."""
    file = tmp_path / "overlay.yaml"
    file.write_text(OVERLAY, encoding="utf-8")
    overlay = read_profile(file)
    file.unlink()
    known = read_yaml(repo / "params.yaml")
    overlay["datasets"]["other_text"] = known["datasets"]["aclsum_text"]
    overlay["models"]["other"] = {**known["models"]["ner-base"], **overlay["models"]["other"]}
    return overlay


def test_names_are_added_and_removed(params: Path, overlay: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    before, text = load_params(params), params.read_text(encoding="utf-8")
    written = repr(overlay)
    with caplog.at_level(logging.INFO):
        apply_overlay(overlay, params)
    assert repr(overlay) == written
    after = load_params(params)
    assert after.evaluation.classifier.input_ablations == {"aclsum_category": {"title": ["title"]}}
    assert list(after.indexes) == ["other"]
    kept = {name: model for name, model in before.models.items() if not name.startswith("summary-")}
    assert after.models == {**kept, "other": before.models["ner-base"]}
    assert after.datasets.keys() == before.datasets.keys() - {"aclsum_summary"} | {"other_text"}
    assert after.pretraining.corpora == {"aclsum_text": 0.5, "other_text": 2.0}
    assert after.leakage.max_label_leakage.keys() == before.leakage.max_label_leakage.keys() - {"venue_in_text"}
    assert after.seed == 7
    assert sorted(caplog.messages) == [
        "datasets.aclsum_summary: removed",
        "datasets.other_text: added",
        "evaluation.classifier.input_ablations.aclsum_category: added",
        "indexes.other: added",
        "indexes.papers: removed",
        "leakage.max_label_leakage.venue_in_text: removed",
        "models.other: added",
        "models.summary-extract: removed",
        "pretraining.corpora.aclsum_text: 1.0 -> 0.5",
        "pretraining.corpora.other_text: added",
        "seed: 42 -> 7",
    ]
    lines = params.read_text(encoding="utf-8").splitlines()
    assert "  other: # a second index" in lines
    assert "    factory: HNSW32 # a graph" in lines
    unindented = [line for line in text.splitlines() if not line.startswith(" ")]  # sections, and lines between them
    assert [line.replace(" {}", "").split() for line in lines if not line.startswith(" ")] == [
        line.replace("seed: 42", "seed: 7").split() for line in unindented
    ]


def test_a_removed_block_can_be_added_again(params: Path) -> None:
    block = read_yaml(params)["indexes"]["papers"]
    before = read_yaml(params)
    apply_overlay({"indexes": {"papers": None}}, params)
    apply_overlay({"indexes": {"papers": block, "more": block}}, params)
    after = read_yaml(params)
    assert after["indexes"].pop("more") == block
    assert after == before


def test_a_run_leaves_params_yaml_unchanged(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[Path, list[str]]] = []
    monkeypatch.chdir(repo)
    monkeypatch.setattr("papertrail.experiments.profile.run_warm", lambda *arguments: started.append(arguments))
    before = (repo / "params.yaml").read_bytes()
    folder = tmp_path / "copy"
    (folder / ".dvc").mkdir(parents=True)
    for mark in ("dvc.yaml", ".dvc/config"):
        (folder / mark).write_bytes((repo / mark).read_bytes())
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args(["smoke", "--run", str(folder), "prepare", "evaluate@ner-base"]))
    assert started == [(folder, ["prepare", "evaluate@ner-base"])]
    assert (repo / "params.yaml").read_bytes() == before
    assert read_yaml(folder / "params.yaml")["models"]["search-base"]["batch_size"] == 16
    cache = (folder / ".dvc/config.local").read_text(encoding="utf-8")
    assert str((repo / ".dvc/cache").resolve()) in cache


def test_an_unknown_profile_is_an_error(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    with pytest.raises(ParamsError, match="unknown profile 'smok'; did you mean 'smoke'"):
        run(argparse.Namespace(name="smok", run=None))


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda file: file.stem)
def test_shipped_profiles_are_valid(params: Path, profile: Path) -> None:
    before = load_params(params)
    apply_overlay(read_yaml(profile), params)
    after = load_params(params)
    assert after != before
    for name, block in after.datasets.items():
        validate(load_task(block["task"]).settings, block, name)
