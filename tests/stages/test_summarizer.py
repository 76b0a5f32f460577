"""Stages finetune and evaluate for tiny summarizers: the files they write, and the same bytes on every run."""

import json
from pathlib import Path

import pandas as pd
import pytest

from papertrail.core.parquet import read_kind, read_rows
from papertrail.evaluate.results import EXAMPLES
from papertrail.evaluate.stats.samples import SCORES
from papertrail.metrics.rouge import score_summaries
from papertrail.models.language_model import load_model, load_tokenizer, write_summaries
from tests.fixtures.tiny_generators import (
    make_generation,
    make_lora,
    make_papers,
    make_summarizer,
    write_summary_experiment,
)
from tests.fixtures.tiny_runs import finish, read_files, start_python

MODELS = {
    "summary-joined": make_summarizer(lora=make_lora("llama", dropout=0.1), max_input_tokens=30),
    "summary-pair": make_summarizer(base_model="t5", epochs=2, gradient_accumulation=2),
}
SETTINGS = {"beams": 2, "min_new_tokens": 2, "repetition_penalty": 1.1}
GENERATION = make_generation(**SETTINGS)
COUNTS = ["papers", "papers_not_summarized", "words_of_extracts", "sentences", "sentences_left_out"]
SYSTEMS = ["model", "untuned", "lead", "lexrank", "oracle"]
COLUMNS = ["rouge1", "rouge2", "rougeL", "rougeLsum", "new_bigrams", "repeated_trigrams", "words"]
SUPPORT = ["content_words", "content_words_in_source", "numbers", "numbers_in_source"]

# all stages in one process, because importing torch takes longer than running them
ALL = """
import runpy, sys
for name in sys.argv[1:]:
    for stage in ("finetune", "evaluate"):
        sys.argv = [stage, name]
        runpy.run_module(f"stages.{stage}", run_name="__main__")
"""


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same experiment in two folders, run in two processes with different hash seeds and in another order."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    processes = []
    for number, folder in enumerate(folders):
        write_summary_experiment(folder, MODELS, SETTINGS)
        names = sorted(MODELS, reverse=bool(number))
        processes.append(start_python(folder, "-c", ALL, *names, hash_seed=number))
    for process in processes:
        finish(process)
    return folders


def load_predictions(folder: Path, name: str) -> pd.DataFrame:
    return read_rows(folder / "predictions" / name / "test.parquet").to_pandas()


def test_two_runs_write_the_same_bytes(experiments: list[Path]) -> None:
    first, second = (read_files(folder, "models", "predictions", "metrics", "checkpoints") for folder in experiments)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    for name in MODELS:
        files = {
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
        }
        assert {path.replace(name, "*") for path in first if name in path} == {
            *(f"models/*/{file}" for file in files),
            "predictions/*/test.parquet",
            f"predictions/*/{EXAMPLES}",
            "metrics/evaluate/*.json",
            "metrics/finetune/*.json",
            "metrics/plots/training/*.csv",
            "metrics/plots/validation/*.csv",
        }


@pytest.mark.parametrize("name", MODELS)
def test_predictions_have_a_row_per_paper_and_system(name: str, experiments: list[Path]) -> None:
    predictions = load_predictions(experiments[0], name)
    assert read_kind(experiments[0] / "predictions" / name / "test.parquet") == "summaries"
    assert list(predictions.columns) == ["id", "paper", "system", "text", *COLUMNS, *SUPPORT]
    papers = make_papers(4, seed=2)
    assert list(zip(predictions["system"], predictions["id"], strict=True)) == [
        (system, paper["id"]) for system in SYSTEMS for paper in papers
    ]
    for system, rows in predictions.groupby("system"):
        assert rows[COLUMNS].to_dict("records") == score_summaries(papers, list(rows["text"])), system


@pytest.mark.parametrize("name", MODELS)
def test_texts_are_those_of_the_models(name: str, experiments: list[Path]) -> None:
    folder, model = experiments[0], MODELS[name]
    predictions = load_predictions(folder, name)
    texts = {}
    for system, weights in (("model", folder / "models" / name), ("untuned", folder / model.base_model)):
        network, tokenizer = load_model(weights, "cpu"), load_tokenizer(weights)
        written = write_summaries(network, tokenizer, make_papers(4, seed=2), model, GENERATION)
        texts[system] = [summary.text for summary in written]
        assert list(predictions["text"][predictions["system"] == system]) == texts[system]
    assert texts["model"] != texts["untuned"]


@pytest.mark.parametrize("name", MODELS)
def test_metrics_are_numbers_by_system(name: str, experiments: list[Path]) -> None:
    metrics = json.loads((experiments[0] / "metrics/evaluate" / f"{name}.json").read_text(encoding="utf-8"))
    assert list(metrics) == ["test"]
    assert metrics["test"].keys() == {
        *SYSTEMS,
        *COUNTS,
    }
    predictions = load_predictions(experiments[0], name)
    scores = SCORES["summaries"]
    for system in SYSTEMS:
        found = metrics["test"][system]
        generated = ["tokens", "share_at_token_cap"] if system in ("model", "untuned") else []
        ends = {f"{score}_{end}" for score in scores for end in ("low", "high")}
        assert found.keys() - {"supported_numbers"} == {*COLUMNS, "supported_words", *generated, *ends}
        assert all(found[f"{score}_low"] <= found[score] <= found[f"{score}_high"] for score in scores)
        for score, value in found.items():
            assert type(value) in (int, float), (system, score)  # DVC shows nothing else
        means = predictions[predictions["system"] == system][COLUMNS].mean()
        assert {score: found[score] for score in COLUMNS} == pytest.approx(means.to_dict())
        if generated:
            assert GENERATION.min_new_tokens <= found["tokens"] <= GENERATION.max_new_tokens
            assert 0 <= found["share_at_token_cap"] <= 1
    lengths = [len(" ".join(paper["target"]).split()) for paper in make_papers(8)]
    assert (metrics["test"]["papers"], metrics["test"]["words_of_extracts"]) == (4, round(sum(lengths) / 8))


@pytest.mark.parametrize("name", MODELS)
def test_examples_are_the_summaries_of_every_paper(name: str, experiments: list[Path]) -> None:
    rows = read_rows(experiments[0] / "predictions" / name / EXAMPLES).to_list()
    predictions = load_predictions(experiments[0], name).set_index(["system", "id"])["text"]
    papers = make_papers(4, seed=2)
    assert [(row["view"], row["id"]) for row in rows] == [("test", paper["id"]) for paper in papers]
    for paper, row in zip(papers, rows, strict=True):
        assert [(text["name"], text["text"]) for text in row["fields"]] == [
            ("title", paper["title"]),
            ("source begins", " ".join(paper["source"][:3])),
            ("reference", " ".join(paper["target"])),
            ("untuned", predictions["untuned", paper["id"]]),
            ("tuned", predictions["model", paper["id"]]),
        ]


@pytest.mark.parametrize(("name", "epochs", "steps"), [("summary-joined", 1, 2), ("summary-pair", 2, 2)])
def test_training_metrics_and_curves(name: str, epochs: int, steps: int, experiments: list[Path]) -> None:
    metrics = json.loads((experiments[0] / "metrics/finetune" / f"{name}.json").read_text(encoding="utf-8"))
    assert all(type(value) in (int, float) for value in metrics.values())
    assert (metrics["epochs"], metrics["steps"]) == (epochs, steps)  # 8 papers, 4 or 2 x 4 per step
    training, validation = (
        (experiments[0] / "metrics/plots" / plot / f"{name}.csv").read_text(encoding="utf-8").splitlines()
        for plot in ("training", "validation")
    )
    assert validation[0] == "epoch,value"
    assert [line.split(",")[0] for line in validation[1:]] == [str(epoch) for epoch in range(1, epochs + 1)]
    assert training[-1].split(",")[0] == str(steps)
