"""Profiles: overlays of params.yaml."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scholar.errors import ParamsError
from scholar.params import load_params, read_yaml, validate
from scholar.profile import apply_overlay, main, read_profile
from scholar.task import load_task

SHIPPED = sorted((Path(__file__).parents[1] / "profiles").glob("*.yaml"))


@pytest.fixture
def params(tmp_path: Path, repo: Path) -> Path:
    file = tmp_path / "params.yaml"
    file.write_bytes((repo / "params.yaml").read_bytes())
    return file


def test_only_the_named_value_changes_and_comments_stay(params: Path) -> None:
    before = params.read_text(encoding="utf-8").splitlines()
    apply_overlay({"runs": {"ner-base": {"epochs": 7}}}, params)
    after = params.read_text(encoding="utf-8").splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [("    epochs: 2", "    epochs: 7")]


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        (
            {"runs": {"nre-base": {"epochs": 7}}},
            r"runs.nre-base.task: missing.*\nnew names are runs.nre-base; is one of",
        ),
        ({"runs": {"nre-base": None}}, "unknown name of runs in the profile: 'nre-base'; did you mean 'ner-base'"),
        ({"runs": {"ner-base": {"epoch": 7}}}, "key of runs.ner-base in the profile: 'epoch'; did you mean 'epochs'"),
        ({"sed": 1}, "key of params.yaml in the profile: 'sed'; did you mean 'seed'"),
        ({"training": {"epoch": 1}}, "unknown key of training in the profile: 'epoch'"),
        ({"seed": "seven"}, "params.yaml: seed: input should be a valid integer"),
        ({"seed": None}, "params.yaml: seed: input should be a valid integer"),
        (
            {"datasets": {"aclsum_ner": {"min_words": 0}}},
            "params.yaml: datasets.aclsum_ner: min_words: input should be",
        ),
        ({"datasets": {"new": {"task": "nre"}}}, r"unknown task 'nre'; did you mean 'ner'"),
        ({"sources": {"aclsum": None}, "seed": 1, "runs": None}, r"params\.yaml: runs: input should be"),
        ({"retrievers": {"search-base": None}}, "indexes.papers.retriever: unknown retriever"),
    ],
)
def test_a_bad_overlay_leaves_the_file_as_it_was(params: Path, overlay: dict[str, object], expected: str) -> None:
    before = params.read_bytes()
    with pytest.raises(ParamsError, match=f"(?s){expected}"):
        apply_overlay(overlay, params)
    assert params.read_bytes() == before
    assert list(params.parent.iterdir()) == [params]


OVERLAY = """
# a profile
indexes:
  papers: null
  other: # made anew
    retriever: search-base
    data: aclsum_search
    factory: HNSW32 # a graph
    train_vectors: 1000
    probes: 1
    batch_size: 8

summarizers: {summary-base: null}
datasets:
  aclsum_summary: null
pretraining:
  corpora: {other_text: 2.0, aclsum_text: 0.5}
evaluation:
  views: {aclsum_category: null}
leakage:
  max_readable:
    venue_in_text: null
runs:
  other: {task: ner, data: aclsum_ner, head: token_classification}
seed: 7
"""


@pytest.fixture
def overlay(tmp_path: Path, repo: Path) -> dict[str, Any]:
    """The overlay above, with what new blocks need besides."""
    file = tmp_path / "overlay.yaml"
    file.write_text(OVERLAY, encoding="utf-8")
    overlay = read_profile(file)
    file.unlink()
    known = read_yaml(repo / "params.yaml")
    overlay["datasets"]["other_text"] = known["datasets"]["aclsum_text"]
    overlay["runs"]["other"] = {**known["runs"]["ner-base"], **overlay["runs"]["other"]}
    return overlay


def test_names_are_added_and_removed(params: Path, overlay: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    before, text = load_params(params), params.read_text(encoding="utf-8")
    given = repr(overlay)
    with caplog.at_level(logging.INFO):
        apply_overlay(overlay, params)
    assert repr(overlay) == given
    after = load_params(params)
    assert after.summarizers == after.evaluation.views == {}
    assert list(after.indexes) == ["other"]
    assert after.runs == {**before.runs, "other": before.runs["ner-base"]}
    assert after.datasets.keys() == before.datasets.keys() - {"aclsum_summary"} | {"other_text"}
    assert after.pretraining.corpora == {"aclsum_text": 0.5, "other_text": 2.0}
    assert after.leakage.max_readable.keys() == before.leakage.max_readable.keys() - {"venue_in_text"}
    assert (after.retrievers, after.seed) == (before.retrievers, 7)
    assert sorted(caplog.messages) == [
        "datasets.aclsum_summary: removed",
        "datasets.other_text: added",
        "evaluation.views.aclsum_category: removed",
        "indexes.other: added",
        "indexes.papers: removed",
        "leakage.max_readable.venue_in_text: removed",
        "pretraining.corpora.aclsum_text: 1.0 -> 0.5",
        "pretraining.corpora.other_text: added",
        "runs.other: added",
        "seed: 42 -> 7",
        "summarizers.summary-base: removed",
    ]
    lines = params.read_text(encoding="utf-8").splitlines()
    assert "  other: # made anew" in lines
    assert "    factory: HNSW32 # a graph" in lines
    kept = [line for line in text.splitlines() if not line.startswith(" ")]  # sections, and lines between them
    assert [line.replace(" {}", "").split() for line in lines if not line.startswith(" ")] == [
        line.replace("seed: 42", "seed: 7").split() for line in kept
    ]


def test_comments_belong_to_the_block_below_them(params: Path) -> None:
    text = params.read_text(encoding="utf-8")
    start = text.index("  ner-pretrained:\n")
    end = text.index("  intent-base:\n")
    marked = f"{text[:start]}  # of the first\n{text[start:end]}\n  # of the second\n{text[end:]}"
    params.write_text(marked, encoding="utf-8")
    apply_overlay({"runs": {"ner-pretrained": None}}, params)
    assert params.read_text(encoding="utf-8") == f"{text[:start]}\n  # of the second\n{text[end:]}"


def test_what_was_removed_can_come_back(params: Path) -> None:
    block = read_yaml(params)["indexes"]["papers"]
    before = read_yaml(params)
    apply_overlay({"indexes": {"papers": None}}, params)
    apply_overlay({"indexes": {"papers": block, "more": block}}, params)
    after = read_yaml(params)
    assert after["indexes"].pop("more") == block
    assert after == before


def test_a_run_takes_targets(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def record(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        commands.append((command[1:], options["cwd"]))
        return subprocess.CompletedProcess(command, 0, stdout=b"params.yaml\0")

    monkeypatch.chdir(repo)
    monkeypatch.setattr(subprocess, "run", record)
    monkeypatch.setattr(sys, "argv", ["profile", "smoke", "--run", str(tmp_path), "prepare", "evaluate@ner-base"])
    (tmp_path / ".git").mkdir()
    main()
    assert commands[-1] == (["-m", "scholar.warm", "prepare", "evaluate@ner-base"], tmp_path)
    assert read_yaml(tmp_path / "params.yaml")["generation"]["max_new_tokens"] == 16


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda file: file.stem)
def test_shipped_profiles_fit(params: Path, repo: Path, profile: Path) -> None:
    before = load_params(params)
    apply_overlay(read_yaml(profile), params)
    after = load_params(params)
    assert after != before
    for name, block in after.datasets.items():
        validate(load_task(block["task"]).settings, block, name)
