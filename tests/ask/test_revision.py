"""A model of another git revision, through DVC's cache."""

import json
import shutil
from pathlib import Path

import pytest

from scholar.ask.answers import intent, search
from scholar.ask.models import load
from scholar.ask.revision import fetch_model
from scholar.errors import DataError, ParamsError, ScholarError
from tests.fixtures.tiny_models import write_models
from tests.fixtures.tiny_runs import start_python
from tests.fixtures.two_branches import call


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tag `old` with all models; afterwards they and the runs are gone."""
    folder = tmp_path / "repository"
    folder.mkdir()
    write_models(folder)
    call(folder, "git", "init", "-q")
    call(folder, "dvc", "init", "-q")
    call(folder, "dvc", "add", "-q", "models/intent", "models/tiny-search", "data/index/papers")
    for path in ("encoder", "data/prepared", "models/ner-first", "models/summary"):
        shutil.rmtree(folder / path)
    call(folder, "git", "add", "params.yaml", "metrics", "models/*.dvc", "data/index/*.dvc", "**/.gitignore")
    call(folder, "git", "commit", "-q", "-m", "models")
    call(folder, "git", "tag", "old")
    for path in ("models", "data", "metrics", "params.yaml"):
        shutil.rmtree(folder / path) if (folder / path).is_dir() else (folder / path).unlink()
    monkeypatch.chdir(folder)
    return folder


def test_a_model_of_a_revision_answers_under_its_parameters(repository: Path, tmp_path: Path) -> None:
    params = fetch_model("old", "citation_intent", None, tmp_path / "there")
    model = load(params, "citation_intent", None, tmp_path / "there", "old")
    assert model.revision == "old" and intent(model, ["tree"])[0]["label"] in model.labels
    assert not (tmp_path / "there/models/tiny-search").exists()  # only what is asked for


def test_the_command_sets_the_caps_of_the_revision_before_numpy_is_loaded(repository: Path) -> None:
    process = start_python(repository, "-m", "scholar", "intent", "tree", "--rev", "old", "--json")
    told, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert json.loads(told)["run"] == "intent" and said == ""


def test_search_brings_its_index(repository: Path, tmp_path: Path) -> None:
    params = fetch_model("old", "semantic_search", None, tmp_path / "there")
    model = load(params, "semantic_search", None, tmp_path / "there", "old")
    assert len(search(model, ["tree"], 2)[0]["hits"]) == 2


def test_what_cannot_be_had_is_told(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ScholarError, match="unknown revision 'nowhere'"):
        fetch_model("nowhere", "ner", None, tmp_path / "a")
    with pytest.raises(ParamsError, match="did you mean 'intent'"):
        fetch_model("old", "citation_intent", "intnet", tmp_path / "b")
    with pytest.raises(DataError, match="models/ner-first of revision 'old' could not be had"):
        fetch_model("old", "ner", "ner-first", tmp_path / "c")  # never added to DVC
    shutil.rmtree(repository / ".dvc/cache")
    with pytest.raises(DataError, match="`dvc fetch --all-commits` brings it"):
        fetch_model("old", "citation_intent", None, tmp_path / "d")


def test_parameters_that_this_code_cannot_read_are_told(repository: Path, tmp_path: Path) -> None:
    (repository / "params.yaml").write_text("seed: 1\n", encoding="utf-8")
    call(repository, "git", "add", "params.yaml")
    call(repository, "git", "commit", "-q", "-m", "odd")
    with pytest.raises(ParamsError, match="this code cannot read its parameters; check that revision out"):
        fetch_model("HEAD", "ner", None, tmp_path / "e")
