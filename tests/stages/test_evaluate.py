"""Stages evaluate and compare for untrained classifiers: the files they write, and the same bytes on every run."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Features

from papertrail.core.errors import ParamsError
from papertrail.core.params import Classifier, Linear, Linker
from papertrail.core.parquet import read_kind, read_rows, write_rows
from papertrail.core.records import SPLITS
from papertrail.data.prepared import split_file
from papertrail.evaluate.results import EXAMPLES
from papertrail.models.batching import predict_logits
from papertrail.models.encoding import encode_rows, load_tokenizer
from papertrail.models.heads import load_head
from papertrail.models.linking import Fusion
from papertrail.models.sentence_encoder import load_encoder
from papertrail.train.checkpoints import save_model
from papertrail.train.classifier import build_model
from papertrail.train.linear import fit
from papertrail.train.retriever import saver
from stages import evaluate
from tests.fixtures.tiny_bert import write_model
from tests.fixtures.tiny_runs import (
    EVALUATION,
    FEATURES,
    finish,
    make_classifier,
    make_linear,
    make_linker,
    make_rows,
    read_files,
    start_python,
    write_experiment,
)

HEAD = "sequence_classification"
BOTH = ["title", "text"]
MODELS: dict[str, Classifier | Linear | Linker] = {
    "mentions": make_classifier("token_classification", dataset="tiny_mentions"),
    "purposes": make_classifier(dataset="tiny_purposes", inputs=BOTH, max_tokens=20),
    "purposes-other": make_classifier(dataset="tiny_purposes", inputs=BOTH, max_tokens=20, base_model="encoder/."),
    "links": make_classifier("pair_classification", dataset="tiny_links"),
    "relevant": make_classifier(dataset="tiny_relevant"),
    "purposes-linear": make_linear(dataset="tiny_purposes", inputs=BOTH, max_tokens=20),
    "relevant-linear": make_linear(dataset="tiny_relevant"),
    "linker": make_linker(),
}
BINARY = Features({**FEATURES[HEAD], "label": ClassLabel(names=["other", "relevant"])})
ABLATIONS = {"tiny_purposes": {"title": ["title"], "both": BOTH}}
VIEWS = {name: ["both", "title"] if model.inputs == BOTH else ["test"] for name, model in MODELS.items()}
SYSTEMS = {
    "mentions": ["model", "memorised", "window"],
    "purposes": ["model", "tfidf", "frozen", "majority"],
    "purposes-other": ["model", "tfidf", "frozen", "majority"],
    "links": ["model", "bm25"],
    "relevant": ["model", "tfidf", "frozen", "everything"],
    "purposes-linear": ["model", "tfidf", "frozen", "majority"],
    "relevant-linear": ["model", "tfidf", "frozen", "everything"],
    "linker": ["model", "encoder", "untuned", "bm25"],
}
KINDS = {
    "mentions": "entities",
    "purposes": "classes",
    "purposes-other": "classes",
    "links": "pairs",
    "relevant": "screening",
    "purposes-linear": "classes",
    "relevant-linear": "screening",
    "linker": "pairs",
}
PLOTS = {
    "confusion": "actual,predicted",
    "reliability": "confidence,accuracy,count",
    "precision_recall": "recall,precision",
}

# all stages in one process, because importing torch takes longer than running them
ALL = """
import runpy, sys
for name in sys.argv[1:]:
    sys.argv = ["evaluate", name]
    runpy.run_module("stages.evaluate", run_name="__main__")
sys.argv = ["compare"]
runpy.run_module("stages.compare", run_name="__main__")
"""


def write_all(folder: Path, **classifier: Any) -> Path:
    """Write an experiment with all models; `classifier` replaces settings of evaluation.classifier."""
    settings = {**EVALUATION["classifier"], "input_ablations": ABLATIONS, **classifier}
    write_experiment(folder, MODELS, evaluation={**EVALUATION, "classifier": settings})
    for seed, split in enumerate(SPLITS):
        rows = [{**row, "label": int(row["label"] == 0)} for row in make_rows(HEAD, 12, seed)]
        write_rows(rows, BINARY, folder / split_file("tiny", "tiny_relevant", split))
    return folder


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same experiment in two folders, evaluated in two processes with different hash seeds."""
    folders = [write_all(tmp_path_factory.mktemp(name)) for name in ("first", "second")]
    processes = []
    for number, folder in enumerate(folders):
        for name, model in MODELS.items():
            write_untrained(model, folder, name)
        processes.append(start_python(folder, "-c", ALL, *MODELS, hash_seed=number))
    for process in processes:
        finish(process)
    return folders


def write_untrained(model: Classifier | Linear | Linker, folder: Path, name: str) -> None:
    """Write a model whose weights are drawn from a fixed generator or of its base model; a linear model is fitted."""
    if isinstance(model, Linker):
        encoder = load_encoder(folder / model.base_model, model.max_tokens, "cpu")
        save_model(folder / "models" / name, saver(encoder), Fusion(weight=0.5, temperature=1.0).save)
        return
    head = load_head(model.head)
    encoder = folder / model.base_model
    features = BINARY if model.dataset == "tiny_relevant" else FEATURES[model.head]
    if isinstance(model, Linear):
        splits = {s: read_rows(folder / split_file("tiny", model.dataset, s)).to_list() for s in SPLITS}
        trained = fit(replace(model, base_model=str(encoder)), head.class_names(features), splits, "cpu")
        save_model(folder / "models" / name, *trained.savers)
        return
    network = build_model(head, head.class_names(features), make_classifier(model.head, base_model=str(encoder)))
    write_model(network, folder / "untrained")
    tokenizer = load_tokenizer(encoder, model.max_tokens)
    save_model(folder / "models" / name, network.save_pretrained, tokenizer.save_pretrained)


def load_predictions(folder: Path, name: str, view: str) -> list[dict[str, Any]]:
    return read_rows(folder / "predictions" / name / f"{view}.parquet").to_list()


def load_scores(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / "metrics/evaluate" / f"{name}.json").read_text(encoding="utf-8"))


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield the dotted path and value of each leaf of nested dicts."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, f"{path}.{key}")
    else:
        yield path, value


def test_two_runs_write_the_same_bytes(experiments: list[Path]) -> None:
    first, second = (read_files(folder, "predictions", "metrics") for folder in experiments)
    assert first == second
    predictions = {f"{name}/{view}.parquet" for name, views in VIEWS.items() for view in views}
    predictions |= {f"{name}/{EXAMPLES}" for name in MODELS}
    predictions |= {f"{name}/plots/{plot}.csv" for name in MODELS for plot in PLOTS}
    # a threshold is chosen on validation
    predictions |= {f"{name}/validation.parquet" for name in ("links", "relevant", "relevant-linear")}
    predictions |= {f"{name}/false_positives.csv" for name in ("relevant", "relevant-linear")}
    assert first.keys() == {
        *(f"predictions/{file}" for file in predictions),
        *(f"metrics/evaluate/{name}.json" for name in MODELS),
        "metrics/comparisons.json",
    }


@pytest.mark.parametrize("name", MODELS)
def test_predictions_have_a_row_per_example_and_system(name: str, experiments: list[Path]) -> None:
    model = MODELS[name]
    test = read_rows(experiments[0] / split_file(model.task, model.dataset, "test")).to_list()
    for view in VIEWS[name]:
        predictions = load_predictions(experiments[0], name, view)
        found = [(prediction["system"], prediction["id"]) for prediction in predictions]
        assert found == [(system, row["id"]) for system in SYSTEMS[name] for row in test]
        assert read_kind(experiments[0] / "predictions" / name / f"{view}.parquet") == KINDS[name]


@pytest.mark.parametrize("name", MODELS)
def test_metrics_are_numbers_by_view_and_system(name: str, experiments: list[Path]) -> None:
    metrics = load_scores(experiments[0], name)
    assert sorted(metrics) == sorted(VIEWS[name])
    for path, value in leaves(metrics):
        assert isinstance(value, float | int) and not isinstance(value, bool), path  # DVC shows nothing else
        assert value >= (-0.05 if path.endswith("wss@95") else 0), path
    for scores in metrics.values():
        assert scores["examples"] == 12
        cut = "texts_cut" if name == "linker" else "examples_cut"
        assert scores.keys() == {*SYSTEMS[name], "examples", cut}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("plot", PLOTS)
def test_plots_are_tables(name: str, plot: str, experiments: list[Path]) -> None:
    file = experiments[0] / "predictions" / name / "plots" / f"{plot}.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0] == PLOTS[plot]
    assert len(lines) > 1


@pytest.mark.parametrize("name", MODELS)
def test_examples_of_every_view(name: str, experiments: list[Path]) -> None:
    rows = read_rows(experiments[0] / "predictions" / name / EXAMPLES).to_list()
    assert list(dict.fromkeys(row["view"] for row in rows)) == VIEWS[name]
    for view in VIEWS[name]:
        shown = [row for row in rows if row["view"] == view]
        assert 1 <= len(shown) <= EVALUATION["error_examples"]
        for row in shown:
            names = [text["name"] for text in row["fields"]]
            assert names == ["text", "predicted"] if name == "mentions" else ["text", "label", "predicted"]


def test_false_positives_are_listed_with_their_columns(experiments: list[Path]) -> None:
    lines = (experiments[0] / "predictions/relevant/false_positives.csv").read_text(encoding="utf-8").splitlines()
    rows = [row for row in load_predictions(experiments[0], "relevant", "test") if row["system"] == "model"]
    assert lines[0] == "probability,id,title,text"
    assert len(lines) - 1 == sum(row["prediction"] > row["label"] for row in rows)


def test_the_systems_of_a_linker(experiments: list[Path]) -> None:
    scores = load_scores(experiments[0], "linker")["test"]
    assert scores["encoder"] == scores["untuned"]  # it is not trained
    rows = load_predictions(experiments[0], "linker", "test")
    sums: dict[str, float] = {}
    for row in rows[:12]:
        assert row["system"] == "model"
        sums[row["query"]] = sums.get(row["query"], 0) + row["score"]
    assert list(sums.values()) == pytest.approx([1, 1, 1])  # probabilities over a bibliography


def test_a_view_hides_inputs_from_the_model(experiments: list[Path]) -> None:
    folder, model = experiments[0], MODELS["purposes"]
    assert isinstance(model, Classifier)
    head = load_head(model.head)
    network = head.AUTO_MODEL.from_pretrained(folder / "models/purposes")
    tokenizer = load_tokenizer(folder / "models/purposes", model.max_tokens)
    rows = read_rows(folder / split_file("tiny", "tiny_purposes", "test")).to_list()
    metrics = load_scores(folder, "purposes")
    found = {}
    for view, left_out in (("title", frozenset({"text"})), ("both", frozenset())):
        items, truncated = encode_rows(head, rows, tokenizer, model, left_out)
        logits = predict_logits(network, items, head.build_collator(tokenizer), batch_size=3)
        expected = head.decode(rows, items, logits, [])
        found[view] = [prediction["probabilities"] for prediction in load_predictions(folder, "purposes", view)][:12]
        for probabilities, prediction in zip(found[view], expected, strict=True):
            assert probabilities == pytest.approx(prediction["probabilities"], abs=1e-6)
        assert metrics[view]["examples_cut"] == truncated
    assert found["title"] != found["both"]
    assert metrics["title"]["examples_cut"] == 0 < metrics["both"]["examples_cut"]
    assert metrics["title"]["tfidf"] != metrics["both"]["tfidf"]


def test_comparisons_follow_from_the_predictions(experiments: list[Path]) -> None:
    found = json.loads((experiments[0] / "metrics/comparisons.json").read_text(encoding="utf-8"))
    compared = {name: {view: set(systems) for view, systems in views.items()} for name, views in found.items()}
    for name, views in compared.items():
        others = {*SYSTEMS[name]} - {"model"} | ({"purposes"} if name == "purposes-other" else set())
        assert views == dict.fromkeys(VIEWS[name], others)
    assert compared.keys() == MODELS.keys()
    for name, views in found.items():
        metrics = load_scores(experiments[0], name)
        for view, systems in views.items():
            for other in systems.keys() - {"purposes"}:
                ((metric, numbers),) = systems[other].items()
                effect = metrics[view]["model"][metric] - metrics[view][other][metric]
                assert numbers["effect"] == pytest.approx(effect)
                assert numbers["low"] <= numbers["effect"] <= numbers["high"]
                assert 0 < numbers["p"] <= numbers["p_holm"] <= 1
    same = found["purposes-other"]["both"]["purposes"]["macro_f1"]
    assert (same["effect"], same["p"]) == (0, 1)  # the same weights under another name of the base model


def test_the_temperature_changes_the_calibration_only(experiments: list[Path], tmp_path: Path) -> None:
    folder = write_all(tmp_path, temperature="validation")
    shutil.copytree(experiments[0] / "models", folder / "models")
    finish(start_python(folder, "-m", "stages.evaluate", "purposes"))
    scaled, plain = (load_scores(place, "purposes") for place in (folder, experiments[0]))
    for view in VIEWS["purposes"]:
        assert scaled[view].pop("temperature") != 1
        calibration = [scores[view]["model"].pop("expected_calibration_error") for scores in (scaled, plain)]
        assert calibration[0] != calibration[1]
        assert scaled[view] == plain[view]
    assert (folder / "predictions/purposes/validation_title.parquet").is_file()


def test_an_unknown_model_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_experiment(tmp_path, MODELS))
    monkeypatch.setattr("sys.argv", ["evaluate", "mentons"])
    with pytest.raises(
        ParamsError, match=r"unknown model 'mentons'; did you mean 'mentions'\? \(known: mentions, purp"
    ):
        evaluate.main()
