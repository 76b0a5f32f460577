"""Problems that a stage would refuse are found before DVC removes anything."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import ParamsError
from papertrail.core.params import load_params
from papertrail.experiments.check import check
from tests.fixtures.beir import add_search_example
from tests.fixtures.commands import run_python, write_params

RUN = (
    "import argparse, sys; from papertrail.core.process import run_cli; from papertrail.experiments.check import run; "
)
COMMAND = RUN + "run_cli(lambda: run(argparse.Namespace()))"


def put(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Return a change that sets the value at a dotted path."""

    def change(params: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            params = params[parent]
        params[last] = value

    return change


BASE_MODEL = "base_model: unknown base model 'data/raw/minilmm'; did you mean "


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "datasets.aclsum_ner.examples.train",
            -5,
            "datasets.aclsum_ner: examples.train: input should be greater than 0",
        ),
        ("datasets.aclsum_ner.format", "xml", "datasets.aclsum_ner: format: expected one of 's2orc', 'conll'"),
        (
            "datasets.aclsum_category.venues",
            {"a": ["acl"], "b": ["emnlp", "("]},
            "datasets.aclsum_category: venues.b: not a regular expression: missing )",
        ),
        (
            "datasets.aclsum_ner.source",
            "aclsun",
            "datasets.aclsum_ner.source: unknown source 'aclsun'; did you mean 'acl",
        ),
        (
            "models.ner-base.head",
            "token_clasification",
            "models.ner-base.head: unknown head 'token_clasification'; did you mean 'token_classification'?",
        ),
        (
            "models.ner-base.inputs",
            ["tokns"],
            "models.ner-base.inputs: unknown column of aclsum_ner 'tokns'; did you mean 'tokens'?",
        ),
        (
            "pretraining.corpora",
            {"aclsum_ner": 1.0},
            "pretraining.corpora: 'aclsum_ner' is of task ner; expected a data set of task pretraining (aclsum_text)",
        ),
        *(
            (f"{place}.base_model", "data/raw/minilmm", f"{place}.{BASE_MODEL}")
            for place in ("models.ner-base", "models.search-base", "models.summary-extract", "pretraining")
        ),
    ],
)
def test_a_problem_names_its_place(tmp_path: Path, path: str, value: object, expected: str) -> None:
    file = write_params(tmp_path, put(path, value))
    with pytest.raises(ParamsError) as caught:
        check(load_params(file), file)
    assert str(caught.value).startswith(f"{file}: {expected}")
    assert "\n" not in str(caught.value)


def test_a_retriever_needs_documents(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        params["models"]["search-base"] |= {"task": "ner", "dataset": "aclsum_ner"}

    file = write_params(tmp_path, change)
    with pytest.raises(ParamsError, match=r"search-base\.dataset: data set 'aclsum_ner' of task ner has no documents"):
        check(load_params(file), file)


def test_a_search_collection_and_its_untuned_retriever_are_accepted(tmp_path: Path) -> None:
    file = write_params(tmp_path, add_search_example)
    check(load_params(file), file)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"epochs": 1}, "mine-untuned.epochs: data set 'mine_search' has no training queries; 0 is no training"),
        ({"dataset": "mine_papers"}, "mine-untuned.dataset: data set 'mine_papers' has no test queries; a model of it"),
    ],
)
def test_a_retriever_needs_queries(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    def add(params: dict[str, Any]) -> None:
        add_search_example(params)
        params["models"]["mine-untuned"] |= change

    file = write_params(tmp_path, add)
    with pytest.raises(ParamsError, match=f"models.{expected}"):
        check(load_params(file), file)


def test_a_linear_model_needs_labels(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        params["models"]["intent-linear"] |= {"task": "ner", "dataset": "aclsum_ner", "inputs": ["tokens"]}

    file = write_params(tmp_path, change)
    with pytest.raises(ParamsError, match=r"intent-linear\.dataset: unknown column of aclsum_ner 'label'"):
        check(load_params(file), file)


def test_a_linear_model_is_no_base_model(tmp_path: Path) -> None:
    file = write_params(tmp_path, put("models.ner-base.base_model", "models/intent-linear"))
    with pytest.raises(ParamsError, match="unknown base model 'models/intent-linear'"):
        check(load_params(file), file)


def test_a_summarizer_needs_a_source_and_a_target(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        params["models"]["summary-extract"] |= {"task": "ner", "dataset": "aclsum_ner"}

    file = write_params(tmp_path, change)
    with pytest.raises(ParamsError, match=r"summary-extract\.dataset: unknown column of aclsum_ner 'source'"):
        check(load_params(file), file)


def test_an_index_needs_documents_and_a_retriever_of_its_task(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        params["indexes"]["papers"] |= {"task": "ner", "dataset": "aclsum_ner"}

    file = write_params(tmp_path, change)
    with pytest.raises(ParamsError) as caught:
        check(load_params(file), file)
    documents, retriever = str(caught.value).split("\n")
    assert documents.endswith("indexes.papers.dataset: data set 'aclsum_ner' of task ner has no documents to search")
    assert retriever.endswith("'search-base' is of task semantic_search, the index of task ner")


def test_all_problems_are_in_one_message(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        params["datasets"]["other"] = {"task": "nre"}
        put("datasets.aclsum_text.min_words", 0)(params)
        put("datasets.aclsum_ner.examples", {})(params)
        put("models.ner-base.head", "")(params)

    file = write_params(tmp_path, change)
    with pytest.raises(ParamsError) as caught:
        check(load_params(file), file)
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{file}: ") for line in lines)
    places = [line.removeprefix(f"{file}: ").partition(": ")[0] for line in lines]
    expected = ["datasets.aclsum_ner"] * 3
    expected += ["datasets.aclsum_text", "datasets.other.task", "models.ner-base.head"]
    assert places == expected


@pytest.mark.parametrize("folder", ["models/pretrained", "models/intent-base", "data/raw/minilm/onnx"])
def test_base_models_that_the_pipeline_makes(tmp_path: Path, folder: str) -> None:
    file = write_params(tmp_path, put("models.ner-base.base_model", folder))
    check(load_params(file), file)


def test_make_repro_checks_params_first(repo: Path) -> None:
    recipe = (repo / "Makefile").read_text(encoding="utf-8").partition("\nrepro:")[2].split("\n\n")[0].split("\n\t")
    assert [line.partition(" #")[0] for line in recipe[1:]] == ["papertrail check", "dvc repro"]


def test_the_command_ends_with_the_problem_and_exit_code_1(tmp_path: Path) -> None:
    write_params(tmp_path, put("datasets.aclsum_ner.examples.train", -5))
    done = run_python(tmp_path, "-c", COMMAND)
    assert done.returncode == 1
    assert done.stderr.startswith("error: params.yaml: datasets.aclsum_ner: examples.train: input should be")


def test_torch_is_not_imported(repo: Path) -> None:
    done = run_python(repo, "-c", f"{RUN}run(argparse.Namespace()); sys.exit('torch' in sys.modules)")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_machine_is_checked(tmp_path: Path) -> None:
    write_params(tmp_path, put("runtime.precision", "bf16"))
    done = run_python(tmp_path, "-c", COMMAND)
    assert (done.returncode, "bf16 needs runtime.level: native" in done.stderr) == (1, True)


@pytest.mark.parametrize("section", ["sources", "datasets", "models", "indexes"])
def test_a_name_with_a_dot_is_refused(tmp_path: Path, section: str) -> None:
    def add(params: dict[str, Any]) -> None:
        params[section]["my.roles"] = next(iter(params[section].values()))

    with pytest.raises(ParamsError) as caught:
        check(load_params(write_params(tmp_path, add)), Path("params.yaml"))
    assert str(caught.value) == (
        f"params.yaml: {section}.my.roles: a name with a dot cannot be used, because DVC reads it as a path of keys; "
        "rename it, such as to 'my_roles'"
    )


def test_the_leakage_limits_of_a_data_set_are_checked(tmp_path: Path) -> None:
    change = put("datasets.aclsum_ner.leakage", {"max_dropped": 0.5})
    check(load_params(write_params(tmp_path, change)), Path("params.yaml"))
    change = put("datasets.aclsum_ner.leakage", {"max_dropped": 5})
    with pytest.raises(ParamsError, match=r"aclsum_ner\.leakage: max_dropped: input should be less than or equal"):
        check(load_params(write_params(tmp_path, change)), Path("params.yaml"))
