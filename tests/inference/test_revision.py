"""A model of another git revision, through DVC's cache."""

import json
import shutil
from pathlib import Path

import pytest

from papertrail.core.errors import DataError, PapertrailError, ParamsError
from papertrail.inference.hits import search
from papertrail.inference.labels import label_inputs
from papertrail.inference.load import load
from papertrail.inference.revision import fetch_model
from tests.fixtures.papertrail import PAPERTRAIL
from tests.fixtures.tiny_models import write_models
from tests.fixtures.tiny_runs import start_python
from tests.fixtures.two_branches import call


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with all models at tag `old`, and none of them in the workspace."""
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


def test_a_model_of_a_revision_answers_with_its_parameters(repository: Path, tmp_path: Path) -> None:
    params = fetch_model("old", "citation_intent", None, tmp_path / "there")
    model = load(params, "citation_intent", None, tmp_path / "there", "old")
    assert model.revision == "old" and label_inputs(model, ["tree"])[0]["label"] in model.labels
    assert not (tmp_path / "there/models/tiny-search").exists()  # only the files of this model


def test_the_command_sets_the_caps_of_the_revision_before_numpy_is_imported(repository: Path) -> None:
    process = start_python(repository, *PAPERTRAIL, "intent", "tree", "--rev", "old", "--json")
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["run"] == "intent" and stderr == ""


def test_a_retriever_comes_with_its_index(repository: Path, tmp_path: Path) -> None:
    params = fetch_model("old", "semantic_search", None, tmp_path / "there")
    model = load(params, "semantic_search", None, tmp_path / "there", "old")
    assert len(search(model, ["tree"], 2)[0]["hits"]) == 2


def test_unavailable_models_are_errors(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(PapertrailError, match="unknown revision 'nowhere'"):
        fetch_model("nowhere", "ner", None, tmp_path / "a")
    with pytest.raises(ParamsError, match="did you mean 'intent'"):
        fetch_model("old", "citation_intent", "intnet", tmp_path / "b")
    with pytest.raises(DataError, match="models/ner-first of revision 'old' is unavailable"):
        fetch_model("old", "ner", "ner-first", tmp_path / "c")  # never added to DVC
    shutil.rmtree(repository / ".dvc/cache")
    with pytest.raises(DataError, match="`dvc fetch --all-commits` downloads it"):
        fetch_model("old", "citation_intent", None, tmp_path / "d")


def test_parameters_that_this_code_cannot_read_are_an_error(repository: Path, tmp_path: Path) -> None:
    (repository / "params.yaml").write_text("seed: 1\n", encoding="utf-8")
    call(repository, "git", "add", "params.yaml")
    call(repository, "git", "commit", "-q", "-m", "invalid")
    with pytest.raises(ParamsError, match="this code cannot read its parameters; check out that revision"):
        fetch_model("HEAD", "ner", None, tmp_path / "e")
