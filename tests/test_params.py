"""What a user can get wrong in params.yaml, and what he is told."""

import dataclasses
import json
from collections.abc import Callable
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from scholar.errors import ParamsError
from scholar.params import Params, RelativePath, choose, load_params, validate
from scholar.task import load_head, load_task
from tests.fixtures.commands import read_params, write_params

Change = Callable[[dict[str, Any]], None]


def problems(folder: Path, change: Change) -> list[str]:
    """The lines of the message that params.yaml, altered so, is refused with; without the file's name."""
    file = write_params(folder, change)
    with pytest.raises(ParamsError) as caught:
        load_params(file)
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{file}: ") for line in lines)
    return [line.removeprefix(f"{file}: ") for line in lines]


def put(path: str, value: object) -> Change:
    """A change that sets one dotted value."""

    def change(params: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        place: Any = params
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place[parent]
        place[last] = value

    return change


def load_text(folder: Path, text: str) -> Params:
    """params.yaml of exactly this text."""
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return load_params(folder / "params.yaml")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("seed", "42", 'seed: input should be a valid integer (got "42")'),
        ("seed", -1, "seed: input should be greater than or equal to 0 (got -1)"),
        ("seed", True, "seed: input should be a valid integer (got true)"),
        ("runs.ner-base.epochs", 0, "runs.ner-base.epochs: input should be greater than 0 (got 0)"),
        ("runs.ner-base.epochs", 2.0, "runs.ner-base.epochs: input should be a valid integer (got 2.0)"),
        ("runs.ner-base.learning_rate", 3, "runs.ner-base.learning_rate: input should be less than 1 (got 3)"),
        ("runs.ner-base.inputs", "tokens", 'runs.ner-base.inputs: input should be a valid array (got "tokens")'),
        ("runtime.level", "best", "runtime.level: input should be 'portable', 'amd64' or 'native' (got \"best\")"),
        ("runs.ner-base", None, "runs.ner-base: input should be an object (got null)"),
        ("runs", [], "runs: input should be an object (got [])"),
        ("training", 1, "training: input should be an object (got 1)"),
        ("pretraining.corpora", {}, None),
        ("sources.aclsum.files", {"../a": "0" * 64}, None),
        ("sources.aclsum.convert", "model.onnx", None),
        (
            "sources.minilm.files",
            {"vocab.txt": None},
            "sources.minilm.files.vocab.txt: null is for providers hub and local (got wheel)",
        ),
        ("sources.aclsum.providers", [{"kind": "ftp"}], None),
        ("retrievers.search-base.batch_size", 1, None),  # a query would have no other document to tell from its own
        ("retrievers.search-base.hard_negative_ranks", [10], None),
        ("summarizers.summary-base.prompt", "Write a summary.", None),  # no {source}
        ("summarizers.summary-base.lora.rank", 0, None),
    ],
)  # fmt: skip
def test_wrong_value_is_told_with_path_and_value(
    tmp_path: Path, path: str, value: object, expected: str | None
) -> None:
    told = problems(tmp_path, put(path, value))
    assert any(line == expected if expected else line.startswith(path) and "(got " in line for line in told), told


def test_all_problems_in_one_message(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        put("seed", "x")(params)
        put("evaluation.batch_size", 0)(params)
        put("runs.ner-base.epochs", -2)(params)
        put("runs.intent-base.learning_rate", None)(params)

    assert sorted(problems(tmp_path, change)) == [
        "evaluation.batch_size: input should be greater than 0 (got 0)",
        "runs.intent-base.learning_rate: input should be a valid number (got null)",
        "runs.ner-base.epochs: input should be greater than 0 (got -2)",
        'seed: input should be a valid integer (got "x")',
    ]


def test_misspelt_key_names_the_missing_one(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        run = params["runs"]["ner-base"]
        run["epoks"] = run.pop("epochs")
        params["runtime"]["colour"] = "blue"

    assert sorted(problems(tmp_path, change)) == [
        "runs.ner-base.epochs: missing; every value stands in the file, there are no defaults",
        "runs.ner-base.epoks: unknown key; did you mean 'epochs'?",
        "runtime.colour: unknown key",
    ]


@pytest.mark.parametrize("key", ["seed", "runtime", "evaluation", "datasets", "retrievers", "summarizers", "search"])
def test_missing_key(tmp_path: Path, key: str) -> None:
    assert problems(tmp_path, lambda params: params.pop(key)) == [
        f"{key}: missing; every value stands in the file, there are no defaults"
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [("training.batch_size", 0), ("training.class_weights", "some"), ("training.input_dropout", {"title": 2})],
)
def test_shared_value_is_told_once(tmp_path: Path, path: str, value: object) -> None:
    (told,) = problems(tmp_path, put(path, value))
    assert told.startswith(f"{path}")


def test_own_value_wins_over_the_shared_one(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        params["training"]["batch_size"] = 7
        params["runs"]["ner-base"]["batch_size"] = 3

    runs = load_params(write_params(tmp_path, change)).runs
    assert runs["ner-base"].batch_size == 3
    assert runs["intent-base"].batch_size == 7
    assert runs["ner-base"].input_dropout == {}


def test_own_seed_wins_over_that_of_the_pipeline(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        params["seed"] = 42
        params["runs"]["ner-base"]["seed"] = 0
        params["retrievers"]["search-base"]["seed"] = 5

    params = load_params(write_params(tmp_path, change))
    seeds = {name: params.seed_of(given) for name, given in params.trained.items()}
    assert (seeds.pop("ner-base"), seeds.pop("search-base")) == (0, 5)
    assert set(seeds.values()) == {42}


def test_wrong_own_value_is_told_of_its_run(tmp_path: Path) -> None:
    assert problems(tmp_path, put("runs.ner-base.batch_size", -3)) == [
        "runs.ner-base.batch_size: input should be greater than 0 (got -3)"
    ]


def test_numbers_and_words_are_those_of_yaml_1_2(tmp_path: Path, repo: Path) -> None:
    text = (repo / "params.yaml").read_text(encoding="utf-8")
    rate = f"learning_rate: {read_params()['pretraining']['learning_rate']}"
    assert rate in text and "mask_text: " in text
    params = load_text(
        tmp_path, text.replace(rate, "learning_rate: 2e-5", 1).replace("mask_text: ", "mask_text: no #", 1)
    )
    assert params.pretraining.learning_rate == 0.00002
    assert params.datasets["aclsum_linking"]["mask_text"] == "no"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed: [1", "not valid YAML: while parsing a flow sequence"),
        ("seed: 1\nseed: 2", 'found duplicate key "seed"'),
        ("a: !!python/object:os.system x", "not valid YAML: could not determine a constructor"),
        ("- seed", "a mapping was expected, got list"),
        ("", "a mapping was expected, got NoneType"),
        ("seed: 2020-01-01", "only text, numbers, lists and mappings"),
        ("? [1, 2]\n: 3", "only text, numbers, lists and mappings"),
    ],
)
def test_broken_file(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load_text(tmp_path, text)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="no such file; run from the root of the repository"):
        load_params(tmp_path / "params.yaml")


def test_file_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes("seed: 42 # für alle".encode("latin-1"))
    with pytest.raises(ParamsError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("path", ["", "..", "../a", "a/../b", "/a", "/"])
def test_path_that_leaves_its_folder(path: str) -> None:
    with pytest.raises(ValidationError, match="a path inside the folder"):
        TypeAdapter(RelativePath).validate_python(path)


@pytest.mark.parametrize("path", ["a", "a/b.txt", "a..b", ".hidden"])
def test_path_inside_its_folder(path: str) -> None:
    assert TypeAdapter(RelativePath).validate_python(path) == path


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("aclsum_nre", ["aclsum_ner", "other"], "'aclsum_nre'; did you mean 'aclsum_ner'? (known: aclsum_ner, other)"),
        ("zzz", ["aclsum_ner"], "'zzz' (known: aclsum_ner)"),
    ],
)
def test_unknown_name(name: str, known: list[str], expected: str) -> None:
    with pytest.raises(ParamsError) as caught:
        choose("data set", name, known)
    assert str(caught.value) == f"unknown data set {expected}"


def test_unknown_task_and_head() -> None:
    with pytest.raises(ParamsError, match=r"unknown task 'nre'; did you mean 'ner'\? \(known: citation_intent, "):
        load_task("nre")
    with pytest.raises(ParamsError, match=r"unknown head 'token_clasification'; did you mean 'token_classification'\?"):
        load_head("token_clasification")


def test_name_of_a_module_elsewhere_is_no_task() -> None:
    with pytest.raises(ParamsError, match=r"unknown task '\.\.params'"):
        load_task("..params")


def test_params_cannot_be_changed(repo: Path) -> None:
    params = load_params(repo / "params.yaml")
    with pytest.raises(dataclasses.FrozenInstanceError):
        params.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "section",
    ["sources", "datasets", "runs", "retrievers", "indexes", "summarizers", "evaluation.views.aclsum_category"],
)
@pytest.mark.parametrize("name", ["../ner", "ner base", "", ".", "-x", "a/b", "naïve", "a\n", "a;b"])
def test_a_name_that_is_no_word(tmp_path: Path, section: str, name: str) -> None:
    def add(params: dict[str, Any]) -> None:
        params["evaluation"]["views"] = {"aclsum_category": {"title": ["title"]}}
        place = reduce(getitem, section.split("."), params)
        place[name] = next(iter(place.values()))

    assert problems(tmp_path, add) == [
        f"{section}: value error, a name of letters a to z, digits, '_', '.' and '-' was expected, "
        f"a letter or digit first (got {json.dumps(name)})"
    ]


@pytest.mark.parametrize("name", ["1", "1.0", "true", "null"])
def test_a_name_that_is_no_text(tmp_path: Path, repo: Path, name: str) -> None:
    text = (repo / "params.yaml").read_text(encoding="utf-8")
    with pytest.raises(ParamsError, match=r"params\.yaml: runs\.\w+(\.0)?: only text is a key; use quotes"):
        load_text(tmp_path, text.replace("\n  ner-base:\n", f"\n  {name}:\n"))
    load_text(tmp_path, text.replace("\n  ner-base:\n", f'\n  "{name}":\n'))


@pytest.mark.parametrize("name", list(read_params()["datasets"]))
def test_every_data_set_fits_its_task(repo: Path, name: str) -> None:
    params = load_params(repo / "params.yaml")
    block = params.datasets[name]
    task = load_task(block["task"])
    settings = validate(task.settings, block, name)
    assert settings.source in params.sources
    assert task.group in task.features(settings)


def encoders(params: Params) -> set[str]:
    """The folders that a training may start from."""
    return {"models/pretrained", *(f"data/raw/{source}" for source in params.sources)}


@pytest.mark.parametrize("name", list(read_params()["runs"]))
def test_every_run_can_be_made(repo: Path, name: str) -> None:
    params = load_params(repo / "params.yaml")
    run = params.runs[name]
    block = params.datasets[run.data]
    assert block["task"] == run.task
    columns = load_task(run.task).features(validate(load_task(run.task).settings, block, name))
    assert {"encode", "decode"} <= set(dir(load_head(run.head)))  # heads that train by themselves are for no run
    assert set(run.inputs) <= set(columns)
    assert set(run.input_dropout) <= set(run.inputs)
    assert run.encoder in encoders(params)


@pytest.mark.parametrize("name", list(read_params()["retrievers"]))
def test_every_retriever_can_be_made(repo: Path, name: str) -> None:
    params = load_params(repo / "params.yaml")
    retriever = params.retrievers[name]
    task = load_task(retriever.task)
    settings = validate(task.settings, params.datasets[retriever.data], name)
    assert task.collection_features is not None
    assert set(retriever.inputs) <= set(task.collection_features(settings))
    assert retriever.encoder in encoders(params)


@pytest.mark.parametrize("name", list(read_params()["summarizers"]))
def test_every_summarizer_can_be_made(repo: Path, name: str) -> None:
    params = load_params(repo / "params.yaml")
    summarizer = params.summarizers[name]
    assert summarizer.task == "summarization"
    assert summarizer.encoder in encoders(params)


def test_shared_names_exist(repo: Path) -> None:
    params = load_params(repo / "params.yaml")
    assert all(params.datasets[name]["task"] == "pretraining" for name in params.pretraining.corpora)
    assert params.evaluation.views.keys() <= params.datasets.keys()
    for name, views in params.evaluation.views.items():
        task = load_task(params.datasets[name]["task"])
        columns = set(task.features(validate(task.settings, params.datasets[name], name)))
        assert all(set(inputs) <= columns for inputs in views.values())


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "runs.ner-base.data",
            "aclsum_nre",
            "runs.ner-base.data: unknown data set 'aclsum_nre'; did you mean 'aclsum_ner'",
        ),
        ("runs.ner-base.data", "aclsum_intent", "runs.ner-base.task: 'ner', but data set 'aclsum_intent' is of task"),
        ("runs.category-base.input_dropout", {"abstrat": 0.2}, "runs.category-base.input_dropout: 'abstrat' is not in"),
        ("runs.interest-base.input_dropout", {"title": 0.2}, "runs.interest-base.input_dropout: works with head"),
        (
            "evaluation.views.aclsum_category",
            {"title": ["titel"]},
            "evaluation.views.aclsum_category: 'titel' is not in",
        ),
        (
            "evaluation.views.aclsum_category",
            {"validation": ["title"]},
            "evaluation.views.aclsum_category: 'validation' names",
        ),
        ("evaluation.views.aclsum", {"title": ["title"]}, "evaluation.views: unknown data set 'aclsum'"),
        (
            "retrievers.search-base.data",
            "aclsum_serch",
            "retrievers.search-base.data: unknown data set 'aclsum_serch'; did you mean 'aclsum_search'?",
        ),
        (
            "summarizers.summary-base.data",
            "aclsum_text",
            "summarizers.summary-base.task: 'summarization', but data set 'aclsum_text' is of task 'pretraining'",
        ),
        (
            "indexes.papers.retriever",
            "serch-base",
            "indexes.papers.retriever: unknown retriever 'serch-base'; did you mean 'search-base'?",
        ),
        (
            "indexes.papers.data",
            "aclsum_text",
            "indexes.papers.data: 'aclsum_text' is no data set of task semantic_search",
        ),
        ("indexes.papers.data", "papers", "indexes.papers.data: 'papers' is no data set of task semantic_search"),
        (
            "retrievers.search-base.hard_negative_ranks",
            [50, 10],
            "retrievers.search-base.hard_negative_ranks: a first and a last rank were expected (got 50, 10)",
        ),
        ("generation.min_new_tokens", 100_000, "generation.min_new_tokens: more than max_new_tokens; lower it"),
    ],
)
def test_values_that_do_not_fit_each_other(tmp_path: Path, path: str, value: object, expected: str) -> None:
    (line,) = problems(tmp_path, put(path, value))
    assert line.startswith(expected)


def test_a_run_does_not_take_the_name_of_the_pretrained_encoder(tmp_path: Path) -> None:
    def rename(params: dict[str, Any]) -> None:
        params["runs"]["pretrained"] = params["runs"].pop("ner-base")

    (line,) = problems(tmp_path, rename)
    assert line.startswith("runs.pretrained: models/pretrained is the output of stage pretrain")


@pytest.mark.parametrize(
    ("first", "second"),
    [("runs.ner-base", "retrievers"), ("runs.ner-base", "summarizers"), ("retrievers.search-base", "summarizers")],
)
def test_a_name_is_that_of_one_model(tmp_path: Path, first: str, second: str) -> None:
    name = first.split(".")[1]

    def rename(params: dict[str, Any]) -> None:
        params[second][name] = next(iter(params[second].values()))

    (line,) = problems(tmp_path, rename)
    assert line == f"{second}.{name}: models/{name} is that of {first}; give it another name"
