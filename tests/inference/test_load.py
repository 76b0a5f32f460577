"""The choice of a model, facts about it, and errors if it is missing or broken."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from papertrail.core.artifacts import write_json
from papertrail.core.errors import DataError, ParamsError
from papertrail.core.params import Params, Retriever
from papertrail.inference.load import about, describe_revision, load
from papertrail.models.choice import pick
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


def write_scores(folder: Path, **scores: float) -> None:
    for name, score in scores.items():
        metrics = {"validation_score": score, "epochs": 1}
        write_json(metrics, folder / "metrics/finetune" / f"{name.replace('_', '-')}.json")


def write_rows_of_training(folder: Path, **counts: int) -> None:
    for dataset, count in counts.items():
        write_json({"rows": {"train": {"all": count}}}, folder / "metrics/prepare" / f"{dataset}.json")


def test_the_best_on_validation_is_chosen(tmp_path: Path, params: Params) -> None:
    write_scores(tmp_path, ner_first=0.7, ner_second=0.6)
    choice = pick(params, "ner", None, tmp_path)
    assert (choice.name, choice.index) == ("ner-first", None)
    assert choice.reason == "the best of 2 on the validation split of tiny_ner (0.700)"


def test_the_order_of_params_decides_nothing(tmp_path: Path, params: Params) -> None:
    backwards = replace(params, models=dict(reversed(params.models.items())))
    for scores in ({"ner_first": 0.7, "ner_second": 0.7}, {"ner_first": 0.6, "ner_second": 0.7}):
        write_scores(tmp_path, **scores)
        assert pick(params, "ner", None, tmp_path) == pick(backwards, "ner", None, tmp_path)


def test_models_on_other_data_sets_do_not_compete(tmp_path: Path, params: Params) -> None:
    models = {**params.models, "ner-second": replace(params.models["ner-second"], dataset="tiny_paper_category")}
    write_scores(tmp_path, ner_first=0.1, ner_second=0.9)
    write_rows_of_training(tmp_path, tiny_ner=20, tiny_paper_category=10)
    choice = pick(replace(params, models=models), "ner", None, tmp_path)
    assert (choice.name, choice.reason) == ("ner-first", "the only one on tiny_ner")
    write_rows_of_training(tmp_path, tiny_paper_category=30)
    assert pick(replace(params, models=models), "ner", None, tmp_path).name == "ner-second"


def test_without_scores_the_first_by_name_is_chosen(tmp_path: Path, params: Params) -> None:
    choice = pick(params, "ner", None, tmp_path)
    assert choice.name == "ner-first" and "none has metrics/finetune" in choice.reason


def test_a_misspelt_name_gets_a_suggestion(tmp_path: Path, params: Params) -> None:
    with pytest.raises(ParamsError, match="'ner-frist'; did you mean 'ner-first'"):
        pick(params, "ner", "ner-frist", tmp_path)
    with pytest.raises(ParamsError, match="unknown model of task ner 'intent'"):  # a model of another task
        pick(params, "ner", "intent", tmp_path)
    with pytest.raises(ParamsError, match="unknown model of task ner ''"):  # an unset variable of a shell
        pick(params, "ner", "", tmp_path)
    with pytest.raises(ParamsError, match="no model of task tone; add a model"):
        pick(params, "tone", None, tmp_path)


def test_search_takes_an_index_or_its_retriever(tmp_path: Path, params: Params) -> None:
    def found(params: Params, name: str | None) -> tuple[str, str | None]:
        choice = pick(params, "semantic_search", name, tmp_path)
        return choice.name, choice.index

    assert found(params, None) == ("tiny-search", "papers")
    two = replace(params, indexes={**params.indexes, "others": params.indexes["papers"]})
    assert found(two, "others") == ("tiny-search", "others")
    assert found(two, "tiny-search") == ("tiny-search", "papers")
    with pytest.raises(ParamsError, match=r"'paper'; did you mean 'papers'\? \(known: tiny-search, papers, others\)"):
        found(two, "paper")
    with pytest.raises(ParamsError, match="add an index under `indexes`"):
        found(replace(params, indexes={}), None)


@pytest.mark.parametrize(
    ("task", "stage"),
    [("ner", "finetune@ner-first"), ("semantic_search", "finetune@tiny-search"), ("summarization", "finetune@summary")],
)
def test_the_error_of_a_missing_model_names_its_stage(tmp_path: Path, params: Params, task: str, stage: str) -> None:
    with pytest.raises(DataError, match=f"`dvc repro {stage}` trains it, `dvc pull {stage}`"):
        load(params, task, None, tmp_path)


@pytest.mark.parametrize(
    ("task", "model"), [("ner", "ner-first"), ("semantic_search", "tiny-search"), ("summarization", "summary")]
)
@pytest.mark.parametrize(
    ("name", "kept"),
    [("model.safetensors", 1000), ("model.safetensors", 4), ("model.safetensors", None), ("config.json", 20)],
)
def test_the_error_of_a_broken_model_says_how_to_restore_it(
    folder: Path, tmp_path: Path, task: str, model: str, name: str, kept: int | None
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "models" / model / name
    start = file.read_bytes()[:kept]
    file.unlink()
    if kept is not None:
        file.write_bytes(start)
    message = f"models/{model}: cannot be loaded .*; `dvc checkout --force .*/{model}` .* `dvc repro finetune@{model}`"
    with pytest.raises(DataError, match=message):
        load(write_questions(tmp_path), task, model, tmp_path)


def test_the_error_of_a_missing_index_names_its_stage(tmp_path: Path) -> None:
    params = write_models(tmp_path)
    shutil.rmtree(tmp_path / "data/index")
    with pytest.raises(DataError, match="`dvc repro index"):
        load(params, "semantic_search", None, tmp_path)


def test_each_kind_loads_with_its_labels(folder: Path) -> None:
    params = write_questions(folder)
    for name, (task, _, _, labels, _) in TASKS.items():
        model = load(params, task, name, folder)
        assert (model.name, model.labels, model.index) == (name, labels, None)
        assert not model.network.training
    assert load(params, "summarization", None, folder).labels == []
    retriever = load(params, "semantic_search", None, folder)
    assert retriever.index is not None and len(retriever.index.documents) == retriever.index.vectors.ntotal


def test_a_model_of_another_kind_is_refused(folder: Path) -> None:
    model = load(write_questions(folder), "citation_intent", None, folder)
    with pytest.raises(ParamsError, match=r"models\.intent\.kind: classifier, but only a retriever can answer"):
        model.settings_as(Retriever)


def test_facts_have_scores_with_intervals(folder: Path) -> None:
    model = load(write_questions(folder), "ner", None, folder, revision="v1")
    facts = about(model)
    assert facts["run"] == "ner-second" and facts["revision"] == "v1" and "best of 2" in facts["chosen"]
    numbers = {"value": 0.7, "low": 0.6, "high": 0.8, "level": 0.95}
    assert facts["scores"] == [{"view": "test", "score": "f1", "name": "F1", **numbers}]
    assert facts["cautions"] == []
    model.metrics["test"]["memorised"] = {"f1": 0.75}
    assert about(model)["cautions"] == ["memorised mentions scores higher on the test split: F1 0.750 against 0.700"]
    assert about(load(write_questions(folder), "ner", "ner-first", folder))["scores"] == []  # not evaluated


def test_metrics_that_are_not_json_are_an_error(tmp_path: Path, params: Params) -> None:
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
