"""Profiles: overlays of params.yaml."""

import logging
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from scholar.errors import ParamsError, ScholarError
from scholar.params import load_params, read_yaml, validate
from scholar.profile import apply_overlay, copy_repository, main, read_profile
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
        (
            {"seed": 7, "runs": {"ner-base": {"head": "pairs"}}},
            r"params\.yaml: runs.ner-base.head: unknown head 'pairs'",
        ),
    ],
)
def test_a_bad_overlay_leaves_the_file_as_it_was(
    params: Path, overlay: dict[str, object], expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = params.read_bytes()
    with caplog.at_level(logging.INFO), pytest.raises(ParamsError, match=f"(?s){expected}"):
        apply_overlay(overlay, params)
    assert params.read_bytes() == before
    assert list(params.parent.iterdir()) == [params]
    assert caplog.messages == []  # nothing was changed


def test_an_interrupted_overlay_leaves_nothing_behind(params: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("scholar.profile.check", interrupt)
    with pytest.raises(KeyboardInterrupt):
        apply_overlay({"seed": 7}, params)
    assert list(params.parent.iterdir()) == [params]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("runs: 3", "runs: a mapping was expected, got 3"),
        ("datasets: [a]", "datasets: a mapping was expected, got ['a']"),
        ("pretraining: 3", "pretraining: a mapping was expected, got 3"),
        ("evaluation: {views: aclsum}", "evaluation.views: a mapping was expected, got 'aclsum'"),
    ],
)
def test_a_profile_of_a_wrong_type(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "zz.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        read_profile(file)
    assert str(caught.value) == f"{file}: {expected}"


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
  views: {aclsum_category: {title: [title]}}
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
    assert after.summarizers == {}
    assert after.evaluation.views == {"aclsum_category": {"title": ["title"]}}
    assert list(after.indexes) == ["other"]
    assert after.runs == {**before.runs, "other": before.runs["ner-base"]}
    assert after.datasets.keys() == before.datasets.keys() - {"aclsum_summary"} | {"other_text"}
    assert after.pretraining.corpora == {"aclsum_text": 0.5, "other_text": 2.0}
    assert after.leakage.max_readable.keys() == before.leakage.max_readable.keys() - {"venue_in_text"}
    assert (after.retrievers, after.seed) == (before.retrievers, 7)
    assert sorted(caplog.messages) == [
        "datasets.aclsum_summary: removed",
        "datasets.other_text: added",
        "evaluation.views.aclsum_category: added",
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


@pytest.mark.parametrize("returncode", [0, 1])
def test_a_run_takes_targets(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, returncode: int) -> None:
    commands = []

    def record(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        commands.append((command[1:], options.get("cwd")))
        failed = returncode if "scholar.warm" in command else 0
        return subprocess.CompletedProcess(command, failed, stdout=b"params.yaml\0")

    monkeypatch.chdir(repo)
    monkeypatch.setattr(subprocess, "run", record)
    monkeypatch.setattr(sys, "argv", ["profile", "smoke", "--run", str(tmp_path), "prepare", "evaluate@ner-base"])
    with pytest.raises(ScholarError, match="a stage failed") if returncode else nullcontext():
        main()
    assert commands[-2:] == [
        (["config", "--local", "cache.dir", str((repo / ".dvc/cache").resolve())], tmp_path),
        (["-m", "scholar.warm", "prepare", "evaluate@ner-base"], tmp_path),
    ]
    assert read_yaml(tmp_path / "params.yaml")["generation"]["max_new_tokens"] == 16


FILES = ("dvc.yaml", ".dvc/config", "dvc.lock", "metrics/a.json", "metrics/seeds/a.json", "scholar/old.py", "new.py")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small repository; git tracks its files but new.py, and ignores out/."""
    folder = tmp_path / "here"
    write_files(folder, *FILES, "out/model")
    (folder / ".gitignore").write_text("/out/\n", encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", ".gitignore", *FILES[:-1])
    return folder


def write_files(folder: Path, *names: str) -> None:
    """Files that hold the name of their folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(folder.name, encoding="utf-8")


def list_files(folder: Path) -> set[str]:
    """The files of a folder but git's own."""
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in files if not name.startswith(".git/")}


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder."""
    subprocess.run(["git", *arguments], cwd=folder, check=True)


COPIED = {".gitignore", "dvc.yaml", ".dvc/config", "metrics/seeds/a.json", "scholar/old.py", "new.py"}


def test_a_copy_has_what_git_lists_and_no_results(repository: Path, tmp_path: Path) -> None:
    copy_repository(repository, tmp_path / "deep/copy")
    assert list_files(tmp_path / "deep/copy") == COPIED
    assert (tmp_path / "deep/copy/.git").is_dir()


def test_a_copy_made_again_loses_what_is_gone_and_keeps_results(repository: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    write_files(repository, "scholar/kept.py")
    copy_repository(repository, copy)
    built = {"out/model", "predictions/a", "dvc.lock", "metrics/a.json", "metrics/seeds/b.json"}
    write_files(copy, *built, "dvc.yaml")
    git(copy, "add", ".")
    git(copy, "-c", "user.name=a", "-c", "user.email=a", "commit", "-q", "-m", "built")
    write_files(copy, "scholar/new.py", "notes.py", "tried/notes.py")
    own = {"new.py", "notes.py", "tried/notes.py"}  # outside the folders of the repository, as a user's notes are
    (repository / "scholar/old.py").unlink()
    git(repository, "rm", "-q", "--cached", "new.py", "--ignore-unmatch")
    (repository / "new.py").unlink()
    for _ in range(2):  # the second time git still lists what is gone
        copy_repository(repository, copy)
        assert list_files(copy) == COPIED - {"scholar/old.py"} | {"scholar/kept.py"} | built | own
    assert (copy / "dvc.yaml").read_text(encoding="utf-8") == "here"
    assert {(copy / name).read_text(encoding="utf-8") for name in built} == {"copy"}


@pytest.mark.parametrize("names", [["README.md"], ["dvc.yaml", ".dvc/config"], ["dvc.yaml", ".git/config"]])
def test_a_folder_of_other_files_is_left_alone(repository: Path, tmp_path: Path, names: list[str]) -> None:
    folder = tmp_path / "mine"
    write_files(folder, *names)
    with pytest.raises(ScholarError, match=f"{folder} holds files and is no copy .*; name another folder"):
        copy_repository(repository, folder)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == set(names)
    assert {(folder / name).read_text(encoding="utf-8") for name in names} == {"mine"}


def test_the_repository_is_no_copy_of_itself(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    for folder in (Path(), repository):
        with pytest.raises(ScholarError, match="is the repository itself; name a folder for a copy"):
            copy_repository(Path(), folder)


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda file: file.stem)
def test_shipped_profiles_fit(params: Path, repo: Path, profile: Path) -> None:
    before = load_params(params)
    apply_overlay(read_yaml(profile), params)
    after = load_params(params)
    assert after != before
    for name, block in after.datasets.items():
        validate(load_task(block["task"]).settings, block, name)
