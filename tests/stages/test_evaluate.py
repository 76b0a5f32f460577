"""Stage evaluate on models that know nothing: which files it writes, in what form, the same bytes each time."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scholar.batching import predict_logits
from scholar.encoding import encode_rows, load_tokenizer
from scholar.errors import ParamsError
from scholar.params import Run
from scholar.records import read_rows
from scholar.task import load_head
from scholar.trainer import save_model
from scholar.training import build_model
from stages import evaluate
from tests.fixtures.tiny_bert import write_model
from tests.fixtures.tiny_runs import EVALUATION, FEATURES, finish, make_run, read_files, start_python, write_experiment

RUNS = {
    "mentions": make_run("token_classification", data="tiny_mentions"),
    "purposes": make_run(data="tiny_purposes", inputs=["title", "text"], max_tokens=20),
    "purposes-again": make_run(data="tiny_purposes", inputs=["title", "text"], max_tokens=20, encoder="encoder/."),
    "links": make_run("pair_classification", data="tiny_links"),
}
VIEWS = {"tiny_purposes": {"title": ["title"], "both": ["title", "text"]}}
VIEWS_OF = {
    "mentions": ["test"],
    "purposes": ["both", "title"],
    "purposes-again": ["both", "title"],
    "links": ["test"],
}

# several runs in one process, each started as -m does: loading torch takes longer than all of them
ALL = """
import runpy, sys
for name in sys.argv[1:]:
    sys.argv = ["evaluate", name]
    runpy.run_module("stages.evaluate", run_name="__main__")
sys.argv = ["compare"]
runpy.run_module("stages.compare", run_name="__main__")
"""
SYSTEMS = {
    "mentions": ["model", "memorised", "window"],
    "purposes": ["model", "tfidf", "majority"],
    "purposes-again": ["model", "tfidf", "majority"],
    "links": ["model", "bm25"],
}


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same experiment in two folders, evaluated in two processes with other hashes."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    processes = []
    for number, folder in enumerate(folders):
        write_experiment(folder, RUNS, evaluation={**EVALUATION, "views": VIEWS})
        for name, run in RUNS.items():
            write_untrained(run, folder, name)
        processes.append(start_python(folder, "-c", ALL, *RUNS, hash_seed=number))
    for process in processes:
        finish(process)
    return folders


def write_untrained(run: Run, folder: Path, name: str) -> None:
    head = load_head(run.head)
    encoder = folder / run.encoder
    with_folder = make_run(run.head, encoder=str(encoder))
    model = build_model(head, head.class_names(FEATURES[run.head]), with_folder)
    write_model(model, folder / "drawn")  # weights that no random state decides
    tokenizer = load_tokenizer(encoder, run.max_tokens)
    save_model(folder / "models" / name, model.save_pretrained, tokenizer.save_pretrained)


def load_predictions(folder: Path, name: str, view: str) -> list[dict[str, Any]]:
    return read_rows(folder / "predictions" / name / f"{view}.parquet").to_list()


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, f"{path}.{key}")
    else:
        yield path, value


def test_both_times_the_same_bytes(experiments: list[Path]) -> None:
    first, second = (read_files(folder, "predictions", "metrics") for folder in experiments)
    assert first == second
    plots = {f"metrics/plots/{plot}/{name}.csv" for plot in PLOTS for name in RUNS}
    errors = {f"predictions/{name}/errors.md" for name in RUNS}
    parquet = {f"predictions/{name}/{view}.parquet" for name, views in VIEWS_OF.items() for view in views}
    parquet.add("predictions/links/validation.parquet")  # the threshold of pairs is chosen there
    assert first.keys() == {
        *plots,
        *errors,
        *parquet,
        "metrics/comparisons.json",
        *(f"metrics/evaluate/{name}.json" for name in RUNS),
    }


PLOTS = {
    "confusion": "actual,predicted",
    "reliability": "confidence,accuracy,count",
    "precision_recall": "recall,precision",
}


@pytest.mark.parametrize("name", RUNS)
def test_predictions_have_a_row_per_example(name: str, experiments: list[Path]) -> None:
    run = RUNS[name]
    test = read_rows(experiments[0] / "data/prepared" / run.task / run.data / "test.parquet").to_list()
    for view in VIEWS_OF[name]:
        predictions = load_predictions(experiments[0], name, view)
        found = [(prediction["system"], prediction["id"]) for prediction in predictions]
        assert found == [(system, row["id"]) for system in SYSTEMS[name] for row in test]


@pytest.mark.parametrize("name", RUNS)
def test_metrics_are_numbers_by_view_and_system(name: str, experiments: list[Path]) -> None:
    metrics = json.loads((experiments[0] / "metrics/evaluate" / f"{name}.json").read_text(encoding="utf-8"))
    assert sorted(metrics) == sorted(VIEWS_OF[name])
    for path, value in leaves(metrics):
        assert isinstance(value, float | int) and not isinstance(value, bool), path  # DVC shows nothing else
        assert value >= 0, path
    for scores in metrics.values():
        assert scores["examples"] == 12
        assert {"model", "examples", "examples_cut"} < scores.keys()


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("plot", PLOTS)
def test_plots_are_small_tables(name: str, plot: str, experiments: list[Path]) -> None:
    lines = (experiments[0] / "metrics/plots" / plot / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == PLOTS[plot]
    assert len(lines) > 1


@pytest.mark.parametrize("name", RUNS)
def test_mistakes_are_told_by_view(name: str, experiments: list[Path]) -> None:
    text = (experiments[0] / "predictions" / name / "errors.md").read_text(encoding="utf-8")
    titles = re.findall(r"^# (.*)$", text, re.MULTILINE)
    assert titles == [f"{name}, {view}: the worst mistakes" for view in VIEWS_OF[name]]
    for section in text.split("\n# "):
        assert 1 <= section.count("- id: ") <= EVALUATION["most_wrong"]
        assert section.count("- id: ") == section.count("- predicted: ")


def test_views_show_the_model_other_inputs(experiments: list[Path]) -> None:
    folder, run = experiments[0], RUNS["purposes"]
    head = load_head(run.head)
    model = head.AUTO_MODEL.from_pretrained(folder / "models/purposes")
    tokenizer = load_tokenizer(folder / "models/purposes", run.max_tokens)
    rows = read_rows(folder / "data/prepared/tiny/tiny_purposes/test.parquet").to_list()
    metrics = json.loads((folder / "metrics/evaluate/purposes.json").read_text(encoding="utf-8"))
    found = {}
    for view, left_out in (("title", frozenset({"text"})), ("both", frozenset())):
        items, cut = encode_rows(head, rows, tokenizer, run, left_out)
        logits = predict_logits(model, items, head.build_collator(tokenizer), batch_size=3)
        expected = head.decode(rows, items, logits, [])
        found[view] = [prediction["probabilities"] for prediction in load_predictions(folder, "purposes", view)][:12]
        for probabilities, prediction in zip(found[view], expected, strict=True):
            assert probabilities == pytest.approx(prediction["probabilities"], abs=1e-6)
        assert metrics[view]["examples_cut"] == cut
    assert found["title"] != found["both"]
    assert metrics["title"]["examples_cut"] == 0 < metrics["both"]["examples_cut"]
    assert metrics["title"]["tfidf"] != metrics["both"]["tfidf"]


def test_comparisons_are_numbers_from_predictions_alone(experiments: list[Path]) -> None:
    found = json.loads((experiments[0] / "metrics/comparisons.json").read_text(encoding="utf-8"))
    others = {name: {view: set(systems) for view, systems in views.items()} for name, views in found.items()}
    for name, views in others.items():
        opponents = {*SYSTEMS[name]} - {"model"} | ({"purposes"} if name == "purposes-again" else set())
        assert views == dict.fromkeys(VIEWS_OF[name], opponents)
    assert others.keys() == RUNS.keys()
    for name, views in found.items():
        metrics = json.loads((experiments[0] / "metrics/evaluate" / f"{name}.json").read_text(encoding="utf-8"))
        for view, systems in views.items():
            for other in systems.keys() - {"purposes"}:
                ((metric, numbers),) = systems[other].items()
                effect = metrics[view]["model"][metric] - metrics[view][other][metric]
                assert numbers["effect"] == pytest.approx(effect)
                assert numbers["low"] <= numbers["effect"] <= numbers["high"]
                assert 0 < numbers["p"] <= numbers["p_holm"] <= 1
    same = found["purposes-again"]["both"]["purposes"]["macro_f1"]
    assert (same["effect"], same["p"]) == (0, 1)  # the same weights, called another encoder


def test_a_temperature_is_fitted_on_validation(experiments: list[Path], tmp_path: Path) -> None:
    folder = write_experiment(tmp_path, RUNS, evaluation={**EVALUATION, "views": VIEWS, "temperature": "validation"})
    shutil.copytree(experiments[0] / "models", folder / "models")
    finish(start_python(folder, "-m", "stages.evaluate", "purposes"))
    scaled, plain = (
        json.loads((place / "metrics/evaluate/purposes.json").read_text(encoding="utf-8"))
        for place in (folder, experiments[0])
    )
    for view in VIEWS["tiny_purposes"]:
        assert scaled[view].pop("temperature") != 1
        calibration = [scores[view]["model"].pop("expected_calibration_error") for scores in (scaled, plain)]
        assert calibration[0] != calibration[1]
        assert scaled[view] == plain[view]  # nothing else


def test_an_unknown_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_experiment(tmp_path, RUNS))
    monkeypatch.setattr("sys.argv", ["evaluate", "mentons"])
    with pytest.raises(ParamsError, match=r"unknown run 'mentons'; did you mean 'mentions'\? \(known: mentions, purp"):
        evaluate.main()
