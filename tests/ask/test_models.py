"""Which model is taken, what is told about it, and what is told when it is not there."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from scholar.ask.models import about, describe_revision, load, pick
from scholar.errors import DataError, ParamsError
from scholar.params import Params
from scholar.records import write_json
from tests.fixtures.tiny_models import TASKS, write_models, write_questions
from tests.fixtures.two_branches import call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    return folder


@pytest.fixture
def params(tmp_path: Path) -> Params:
    return write_questions(tmp_path)


def write_scores(folder: Path, key: str = "validation_score", **scores: float) -> None:
    for name, score in scores.items():
        write_json({key: score, "epochs": 1}, folder / "metrics/finetune" / f"{name.replace('_', '-')}.json")


def test_the_best_on_validation_is_taken(tmp_path: Path, params: Params) -> None:
    write_scores(tmp_path, ner_first=0.7, ner_second=0.6)
    name, index, why = pick(params, "ner", None, tmp_path)
    assert (name, index) == ("ner-first", None)
    assert why == "the best of 2 on tiny_ner by validation score (0.700)"


def test_of_losses_the_lowest_is_the_best(tmp_path: Path, params: Params) -> None:
    rivals = dict.fromkeys(("summary-a", "summary-b"), params.summarizers["summary"])
    write_scores(tmp_path, "validation_loss", summary_a=3.0, summary_b=2.0)
    assert pick(replace(params, summarizers=rivals), "summarization", None, tmp_path)[0] == "summary-b"


def test_scores_on_other_data_do_not_compete(tmp_path: Path, params: Params) -> None:
    runs = {**params.runs, "ner-second": replace(params.runs["ner-second"], data="tiny_paper_category")}
    write_scores(tmp_path, ner_first=0.1, ner_second=0.9)
    assert pick(replace(params, runs=runs), "ner", None, tmp_path)[::2] == ("ner-first", "the only one on tiny_ner")


def test_without_scores_the_first_is_taken_and_that_is_told(tmp_path: Path, params: Params) -> None:
    name, _, why = pick(params, "ner", None, tmp_path)
    assert name == "ner-first" and "none has metrics/finetune" in why


def test_a_misspelt_run_is_hinted_at(tmp_path: Path, params: Params) -> None:
    with pytest.raises(ParamsError, match="'ner-frist'; did you mean 'ner-first'"):
        pick(params, "ner", "ner-frist", tmp_path)
    with pytest.raises(ParamsError, match="unknown model of task ner 'intent'"):  # known, but of another task
        pick(params, "ner", "intent", tmp_path)
    with pytest.raises(ParamsError, match="unknown model of task ner ''"):  # a variable of a shell that is not set
        pick(params, "ner", "", tmp_path)


def test_search_takes_an_index_or_its_retriever(tmp_path: Path, params: Params) -> None:
    assert pick(params, "semantic_search", None, tmp_path)[:2] == ("tiny-search", "papers")
    two = replace(params, indexes={**params.indexes, "others": params.indexes["papers"]})
    assert pick(two, "semantic_search", "others", tmp_path)[:2] == ("tiny-search", "others")
    assert pick(two, "semantic_search", "tiny-search", tmp_path)[:2] == ("tiny-search", "papers")
    with pytest.raises(ParamsError, match=r"'paper'; did you mean 'papers'\? \(known: tiny-search, papers, others\)"):
        pick(two, "semantic_search", "paper", tmp_path)
    with pytest.raises(ParamsError, match="add an index under `indexes`"):
        pick(replace(params, indexes={}), "semantic_search", None, tmp_path)


@pytest.mark.parametrize(
    ("task", "stage"),
    [("ner", "finetune@ner-first"), ("semantic_search", "finetune_retriever@tiny-search"),
     ("summarization", "finetune_summarizer@summary")],
)  # fmt: skip
def test_a_missing_model_tells_what_makes_it(tmp_path: Path, params: Params, task: str, stage: str) -> None:
    with pytest.raises(DataError, match=f"`dvc repro {stage}` trains it, `dvc pull {stage}`"):
        load(params, task, None, tmp_path)


@pytest.mark.parametrize(
    ("task", "run", "stage"),
    [("ner", "ner-first", "finetune"), ("semantic_search", "tiny-search", "finetune_retriever"),
     ("summarization", "summary", "finetune_summarizer")],
)  # fmt: skip
@pytest.mark.parametrize(
    ("name", "kept"),
    [("model.safetensors", 1000), ("model.safetensors", 4), ("model.safetensors", None), ("config.json", 20)],
)
def test_a_broken_model_tells_what_brings_it_back(
    folder: Path, tmp_path: Path, task: str, run: str, stage: str, name: str, kept: int | None
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "models" / run / name
    start = file.read_bytes()[:kept]
    file.unlink()
    if kept is not None:
        file.write_bytes(start)
    told = f"models/{run}: cannot be loaded .*; `dvc checkout --force .*/models/{run}` .* `dvc repro {stage}@{run}`"
    with pytest.raises(DataError, match=told):
        load(write_questions(tmp_path), task, run, tmp_path)


def test_a_missing_index_tells_what_makes_it(tmp_path: Path) -> None:
    params = write_models(tmp_path)
    shutil.rmtree(tmp_path / "data/index")
    with pytest.raises(DataError, match="`dvc repro index` builds the index"):
        load(params, "semantic_search", None, tmp_path)


def test_each_task_loads_with_its_labels(folder: Path) -> None:
    params = write_questions(folder)
    for name, (task, _, _, labels, _) in TASKS.items():
        model = load(params, task, name, folder)
        assert (model.name, model.labels, model.index) == (name, labels, None)
        assert not model.network.training
    assert load(params, "summarization", None, folder).labels == []
    searcher = load(params, "semantic_search", None, folder)
    assert searcher.index is not None and len(searcher.index.documents) == searcher.index.vectors.ntotal


def test_what_answered_is_told_with_its_score_and_interval(folder: Path) -> None:
    model = load(write_questions(folder), "ner", None, folder, revision="v1")
    told = about(model)
    assert told["run"] == "ner-second" and told["revision"] == "v1" and "best of 2" in told["chosen"]
    numbers = {"value": 0.7, "low": 0.6, "high": 0.8, "level": 0.95}
    assert told["scores"] == [{"view": "test", "score": "f1", "name": "entity F1", **numbers}]
    assert about(load(write_questions(folder), "ner", "ner-first", folder))["scores"] == []  # not evaluated


def test_metrics_that_are_no_json_are_told(tmp_path: Path, params: Params) -> None:
    (tmp_path / "metrics/finetune").mkdir(parents=True)
    (tmp_path / "metrics/finetune/ner-first.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"ner-first\.json: not valid JSON"):
        pick(params, "ner", None, tmp_path)


def test_the_workspace_is_described_by_git(tmp_path: Path) -> None:
    assert describe_revision(tmp_path) is None
    call(tmp_path, "git", "init", "-q")
    (tmp_path / "file").write_text("a", encoding="utf-8")
    call(tmp_path, "git", "add", "file")
    call(tmp_path, "git", "commit", "-q", "-m", "first")
    call(tmp_path, "git", "tag", "v1")
    assert describe_revision(tmp_path) == "v1"
    (tmp_path / "file").write_text("b", encoding="utf-8")
    assert describe_revision(tmp_path) == "v1-dirty"
