"""Every problem in params.yaml is reported with its dotted path, its value and what was expected."""

import dataclasses
import json
from collections.abc import Callable
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from papertrail.core.errors import ParamsError
from papertrail.core.params import Classifier, Params, RelativePath, Retriever, choose, load_params, validate
from papertrail.data.task import load_task
from papertrail.models.heads import load_head
from tests.fixtures.commands import read_params, write_params

Change = Callable[[dict[str, Any]], None]
MISSING = "missing; params.yaml holds every value, the code has no defaults"


def problems(folder: Path, change: Change) -> list[str]:
    """Return the lines of the error of a changed params.yaml, without the name of the file."""
    file = write_params(folder, change)
    with pytest.raises(ParamsError) as caught:
        load_params(file)
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{file}: ") for line in lines)
    return [line.removeprefix(f"{file}: ") for line in lines]


def put(path: str, value: object) -> Change:
    """Return a change that sets one value at a dotted path."""

    def change(params: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        reduce(getitem, parents, params)[last] = value

    return change


def load_text(folder: Path, text: str) -> Params:
    """Load a params.yaml with this text."""
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return load_params(folder / "params.yaml")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("seed", "42", 'seed: input should be a valid integer (got "42")'),
        ("seed", -1, "seed: input should be greater than or equal to 0 (got -1)"),
        ("seed", True, "seed: input should be a valid integer (got true)"),
        ("models.ner-base.epochs", 0, "models.ner-base.epochs: input should be greater than 0 (got 0)"),
        (
            "models.search-base.epochs",  # 0 is no training
            -1,
            "models.search-base.epochs: input should be greater than or equal to 0 (got -1)",
        ),
        ("models.ner-base.epochs", 2.0, "models.ner-base.epochs: input should be a valid integer (got 2.0)"),
        ("models.ner-base.learning_rate", 3, "models.ner-base.learning_rate: input should be less than 1 (got 3)"),
        ("models.ner-base.inputs", "tokens", 'models.ner-base.inputs: input should be a valid array (got "tokens")'),
        ("runtime.level", "best", "runtime.level: input should be 'portable' or 'native' (got \"best\")"),
        ("models.ner-base", None, "models.ner-base: input should be an object (got null)"),
        ("models", [], "models: input should be an object (got [])"),
        ("defaults", 1, "defaults: input should be an object (got 1)"),
        ("pretraining.corpora", {}, None),
        ("sources.aclsum.files", {"../a": "0" * 64}, None),
        ("sources.aclsum.convert", "model.onnx", None),
        (
            "sources.minilm.files",
            {"vocab.txt": None},
            "sources.minilm.files.vocab.txt: null needs providers hub or local only (got wheel)",
        ),
        ("sources.aclsum.providers", [{"kind": "ftp"}], None),
        ("models.search-base.batch_size", 1, None),  # a batch of one pair has no negatives
        ("models.search-base.hard_negative_ranks", [10], None),
        ("models.summary-base.prompt", "Write a summary.", None),  # no {source}
        ("models.summary-base.lora.rank", 0, None),
    ],
)  # fmt: skip
def test_a_wrong_value_is_reported_with_path_and_value(
    tmp_path: Path, path: str, value: object, expected: str | None
) -> None:
    lines = problems(tmp_path, put(path, value))
    assert any(line == expected if expected else line.startswith(path) and "(got " in line for line in lines), lines


def test_names_are_in_the_form_of_the_data(tmp_path: Path) -> None:
    file = write_params(tmp_path)
    file.write_text(file.read_text(encoding="utf-8").replace('"challenge"', '"me\u0301thode"'), encoding="utf-8")
    assert load_params(file).datasets["aclsum_intent"]["labels"][0] == "m\u00e9thode"


def test_all_problems_in_one_message(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        put("seed", "x")(params)
        put("evaluation.classifier.batch_size", 0)(params)
        put("models.ner-base.epochs", -2)(params)
        put("models.intent-base.learning_rate", None)(params)

    assert sorted(problems(tmp_path, change)) == [
        "evaluation.classifier.batch_size: input should be greater than 0 (got 0)",
        "models.intent-base.learning_rate: input should be a valid number (got null)",
        "models.ner-base.epochs: input should be greater than 0 (got -2)",
        'seed: input should be a valid integer (got "x")',
    ]


def test_misspelt_key_names_the_missing_one(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        model = params["models"]["ner-base"]
        model["epoks"] = model.pop("epochs")
        params["runtime"]["colour"] = "blue"

    assert sorted(problems(tmp_path, change)) == [
        f"models.ner-base.epochs: {MISSING}",
        "models.ner-base.epoks: unknown key; did you mean 'epochs'?",
        "runtime.colour: unknown key",
    ]


@pytest.mark.parametrize("key", ["seed", "runtime", "evaluation", "datasets", "models", "indexes"])
def test_missing_key(tmp_path: Path, key: str) -> None:
    assert problems(tmp_path, lambda params: params.pop(key)) == [f"{key}: {MISSING}"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("defaults.optimisation.batch_size", 0),
        ("defaults.classifier.class_weights", "some"),
        ("defaults.classifier.input_dropout", {"title": 2}),
    ],
)
def test_a_wrong_shared_value_is_reported_once(tmp_path: Path, path: str, value: object) -> None:
    (line,) = problems(tmp_path, put(path, value))
    assert line.startswith(path)


def test_a_value_of_a_model_overrides_the_shared_one(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        params["defaults"]["optimisation"] |= {"batch_size": 7, "weight_decay": 0.5}
        params["defaults"]["classifier"]["weight_decay"] = 0.25
        params["models"]["ner-base"]["batch_size"] = 3

    params = load_params(write_params(tmp_path, change))
    models = params.models
    assert (models["ner-base"].batch_size, models["intent-base"].batch_size) == (3, 7)
    assert models["ner-base"].weight_decay == 0.25  # of the kind, before that of all models
    assert models["search-base"].weight_decay == params.pretraining.weight_decay == 0.5
    assert isinstance(models["ner-base"], Classifier)
    assert models["ner-base"].input_dropout == {}


def test_a_seed_of_a_model_overrides_that_of_the_pipeline(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        params["seed"] = 42
        params["models"]["ner-base"]["seed"] = 0
        params["models"]["search-base"]["seed"] = 5

    params = load_params(write_params(tmp_path, change))
    seeds = {name: params.seed_of(model) for name, model in params.models.items()}
    assert (seeds.pop("ner-base"), seeds.pop("search-base")) == (0, 5)
    assert set(seeds.values()) == {42}


def test_a_wrong_value_of_a_model_is_reported_for_that_model(tmp_path: Path) -> None:
    assert problems(tmp_path, put("models.ner-base.batch_size", -3)) == [
        "models.ner-base.batch_size: input should be greater than 0 (got -3)"
    ]


def test_numbers_and_words_follow_yaml_1_2(tmp_path: Path, repo: Path) -> None:
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
        ("- seed", "expected a mapping, got list"),
        ("", "expected a mapping, got NoneType"),
        ("seed: 2020-01-01", "values must be text, numbers, lists or mappings"),
        ("? [1, 2]\n: 3", "values must be text, numbers, lists or mappings"),
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
def test_path_outside_its_folder(path: str) -> None:
    with pytest.raises(ValidationError, match=r"expected a relative path without '\.\.'"):
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


def test_a_module_outside_the_package_is_no_task() -> None:
    with pytest.raises(ParamsError, match=r"unknown task '\.\.params'"):
        load_task("..params")


def test_params_cannot_be_changed(repo: Path) -> None:
    params = load_params(repo / "params.yaml")
    with pytest.raises(dataclasses.FrozenInstanceError):
        params.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "section",
    ["sources", "datasets", "models", "indexes", "evaluation.classifier.input_ablations.aclsum_category"],
)
@pytest.mark.parametrize("name", ["../ner", "ner base", "", ".", "-x", "a/b", "naïve", "a\n", "a;b"])
def test_an_invalid_name(tmp_path: Path, section: str, name: str) -> None:
    def add(params: dict[str, Any]) -> None:
        params["evaluation"]["classifier"]["input_ablations"] = {"aclsum_category": {"title": ["title"]}}
        blocks = reduce(getitem, section.split("."), params)
        blocks[name] = next(iter(blocks.values()))

    assert problems(tmp_path, add) == [
        f"{section}: expected a name of letters (a-z), digits, '_', '.' and '-' that starts with a letter or a digit "
        f"(got {json.dumps(name)})"
    ]


@pytest.mark.parametrize("name", ["1", "1.0", "true", "null"])
def test_a_name_that_yaml_reads_as_another_type(tmp_path: Path, repo: Path, name: str) -> None:
    text = (repo / "params.yaml").read_text(encoding="utf-8")
    with pytest.raises(ParamsError, match=r"params\.yaml: models\.\w+(\.0)?: keys must be text; use quotes"):
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


def base_models(params: Params) -> set[str]:
    """Return the folders that a training may start from."""
    outputs = {f"models/{name}" for name in ("pretrained", *params.models)}
    return {*outputs, *(f"data/raw/{source}" for source in params.sources)}


@pytest.mark.parametrize("name", list(read_params()["models"]))
def test_every_model_can_be_trained(tmp_path: Path, name: str) -> None:
    params = load_params(write_params(tmp_path))
    model = params.models[name]
    task = load_task(model.task)
    settings = validate(task.settings, params.datasets[model.dataset], name)
    assert model.base_model in base_models(params)
    if isinstance(model, Classifier):
        assert {"encode", "decode"} <= set(dir(load_head(model.head)))
        assert set(model.inputs) <= set(task.features(settings))
        assert set(model.input_dropout) <= set(model.inputs)
    if isinstance(model, Retriever):
        assert task.collection_features is not None
        assert set(model.inputs) <= set(task.collection_features(settings))


def test_every_corpus_is_a_data_set_of_pretraining(repo: Path) -> None:
    params = load_params(repo / "params.yaml")
    assert all(params.datasets[name]["task"] == "pretraining" for name in params.pretraining.corpora)


def test_input_ablations_become_views(tmp_path: Path) -> None:
    ablations = {"aclsum_category": {"title": ["title"], "both": ["title", "abstract"]}}
    params = load_params(write_params(tmp_path, put("evaluation.classifier.input_ablations", ablations)))
    assert list(params.inputs_by_view(params.models["category-base"]).items()) == [
        ("both", ["title", "abstract"]),
        ("title", ["title"]),
    ]
    linear = params.inputs_by_view(params.models["category-linear"])
    assert linear == {"both": ["title", "abstract"], "title": ["title"]}
    assert params.inputs_by_view(params.models["ner-base"]) == {"test": ["tokens"]}
    assert params.inputs_by_view(params.models["search-base"]) == {"test": None}


ABLATIONS = "evaluation.classifier.input_ablations"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "models.ner-base.dataset",
            "aclsum_nre",
            "models.ner-base.dataset: unknown data set 'aclsum_nre'; did you mean 'aclsum_ner'?",
        ),
        (
            "models.ner-base.dataset",
            "aclsum_intent",
            "models.ner-base.task: 'ner', but data set 'aclsum_intent' has task 'citation_intent'",
        ),
        (
            "models.summary-base.dataset",
            "aclsum_text",
            "models.summary-base.task: 'summarization', but data set 'aclsum_text' has task 'pretraining'",
        ),
        (
            "models.category-base.input_dropout",
            {"abstrat": 0.2},
            "models.category-base.input_dropout: 'abstrat' is not in the inputs ['title', 'abstract']",
        ),
        (
            "models.interest-base.input_dropout",
            {"title": 0.2},
            "models.interest-base.input_dropout: needs head sequence_classification with several inputs",
        ),
        ("models.intent-linear.inputs", ["text", "label"], "models.intent-linear.inputs: 'label' is the label"),
        ("models.intent-linear.epochs", 2, "models.intent-linear.epochs: unknown key"),
        (
            f"{ABLATIONS}.aclsum_interest",
            {"title": ["title"]},
            f"{ABLATIONS}.aclsum_interest: needs head sequence_classification with several inputs",
        ),
        ("seed_studies", {"intent-linear": [1, 2]}, "seed_studies.intent-linear: a linear model draws nothing"),
        ("models.interest-base.head", "pair_classification", "models.interest-base.inputs: expected a pair such as"),
        (
            "models.linking-biencoder.inputs",
            ["context"],
            "models.linking-biencoder.inputs: list should have at least 2",
        ),
        (
            "models.linking-biencoder.inputs",
            ["context", "label"],
            "models.linking-biencoder.inputs: 'label' is the label, not an input",
        ),
        ("models.ner-base.inputs", ["tokens", "ner_tags"], "models.ner-base.inputs: 'ner_tags' is the label"),
        (f"{ABLATIONS}.aclsum_category", {"title": ["titel"]}, f"{ABLATIONS}.aclsum_category: 'titel' is not in"),
        (
            f"{ABLATIONS}.aclsum_category",
            {"validation": ["title"]},
            f"{ABLATIONS}.aclsum_category: 'validation' names the predictions on validation",
        ),
        (f"{ABLATIONS}.aclsum", {"title": ["title"]}, f"{ABLATIONS}: unknown data set 'aclsum'"),
        (
            "indexes.papers.retriever",
            "serch-base",
            "indexes.papers.retriever: unknown retriever 'serch-base'; did you mean 'search-base'?",
        ),
        (
            "indexes.papers.dataset",
            "aclsum_text",
            "indexes.papers.dataset: 'aclsum_text' is no data set of task semantic_search",
        ),
        (
            "indexes.papers.dataset",
            "aclsum_serch",
            "indexes.papers.dataset: 'aclsum_serch' is no data set of task semantic_search; did you mean",
        ),
        (
            "models.search-base.hard_negative_ranks",
            [50, 10],
            "models.search-base.hard_negative_ranks: expected the first and the last rank (got 50, 10)",
        ),
        (
            "evaluation.summarizer.min_new_tokens",
            100_000,
            "evaluation.summarizer.min_new_tokens: larger than max_new_tokens; lower it",
        ),
        ("pretraining.corpora", {"aclsum_txt": 1.0}, "pretraining.corpora: unknown data set 'aclsum_txt'"),
        ("seed_studies", {"intent": [1, 2]}, "seed_studies.intent: unknown model; did you mean 'intent-base'?"),
    ],
)
def test_contradictions(tmp_path: Path, path: str, value: object, expected: str) -> None:
    (line,) = problems(tmp_path, put(path, value))
    assert line.startswith(expected)


def test_no_model_is_named_like_the_pretrained_encoder(tmp_path: Path) -> None:
    def rename(params: dict[str, Any]) -> None:
        params["models"]["pretrained"] = params["models"].pop("ner-base")

    (line,) = problems(tmp_path, rename)
    assert line == "models.pretrained: models/pretrained is the output of stage pretrain; choose another name"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("runs", "models"),
        ("search", "evaluation.retriever"),
        ("models.ner-base.data", "dataset"),
        ("models.search-base.encoder", "base_model"),
        ("indexes.papers.data", "dataset"),
        ("pretraining.encoder", "pretraining.base_model"),
        ("leakage.max_readable", "leakage.max_label_leakage"),
        ("evaluation.swaps", "evaluation.permutations"),
        ("evaluation.views", "evaluation.classifier.input_ablations"),
        ("evaluation.retriever.fusion_constant", "defaults.retriever.fusion_constant"),
    ],
)
def test_a_key_of_an_older_version_names_the_new_key(tmp_path: Path, old: str, new: str) -> None:
    assert problems(tmp_path, put(old, {})) == [f"{old}: renamed; use {new}"]


def test_a_kind_is_required_and_known(tmp_path: Path) -> None:
    def remove(params: dict[str, Any]) -> None:
        del params["models"]["ner-base"]["kind"]

    assert problems(tmp_path, remove) == [
        "models.ner-base.kind: missing; it selects the other keys of this block",
    ]
    (line,) = problems(tmp_path, put("models.ner-base.kind", "tagger"))
    assert line.startswith("models.ner-base.kind: expected one of 'classifier', 'linear', 'retriever', 'linker', ")
    assert line.endswith('(got "tagger")')
