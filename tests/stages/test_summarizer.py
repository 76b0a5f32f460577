"""Stages finetune_summarizer and evaluate_summarizer on models that know nothing: their files, the same bytes twice."""

import json
import re
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from scholar.errors import run
from scholar.heads.generation import load_model, load_tokenizer, write_summaries
from scholar.records import read_rows
from scholar.samples import SUMMARY
from scholar.summaries import score_summaries
from stages import evaluate_summarizer, finetune_summarizer
from tests.fixtures.tiny_generators import (
    make_generation,
    make_lora,
    make_papers,
    make_summarizer,
    write_summary_experiment,
)
from tests.fixtures.tiny_runs import finish, read_files, start_python

SUMMARIZERS = {
    "summary-joined": make_summarizer(lora=make_lora("llama", dropout=0.1), max_input_tokens=30),
    "summary-pair": make_summarizer(encoder="t5", epochs=2, gradient_accumulation=2),
}
GENERATION = make_generation(beams=2, min_new_tokens=2, repetition_penalty=1.1)
SYSTEMS = ["model", "untuned", "lead", "lexrank", "oracle"]
SCORES = ["rouge1", "rouge2", "rougeL", "rougeLsum", "new_bigrams", "repeated_trigrams", "words"]

# all in one process, each stage started as -m does: loading torch takes longer than all of them
ALL = """
import runpy, sys
for name in sys.argv[1:]:
    for stage in ("finetune_summarizer", "evaluate_summarizer"):
        sys.argv = [stage, name]
        runpy.run_module(f"stages.{stage}", run_name="__main__")
"""


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same experiment in two folders, run in two processes with other hashes and in another order."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    processes = []
    for number, folder in enumerate(folders):
        write_summary_experiment(folder, SUMMARIZERS, GENERATION)
        names = sorted(SUMMARIZERS, reverse=bool(number))
        processes.append(start_python(folder, "-c", ALL, *names, hash_seed=number))
    for process in processes:
        finish(process)
    return folders


def load_predictions(folder: Path, name: str) -> pd.DataFrame:
    return read_rows(folder / "predictions" / name / "test.parquet").to_pandas()


def test_both_times_the_same_bytes(experiments: list[Path]) -> None:
    first, second = (read_files(folder, "models", "predictions", "metrics", "checkpoints") for folder in experiments)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    for name in SUMMARIZERS:
        own = {path.replace(name, "*") for path in first if name in path}
        files = {
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
        }
        assert own == {
            *(f"models/*/{file}" for file in files),
            "predictions/*/test.parquet",
            "predictions/*/summaries.md",
            "metrics/evaluate/*.json",
            "metrics/finetune/*.json",
            "metrics/plots/training/*.csv",
            "metrics/plots/validation_loss/*.csv",
        }


@pytest.mark.parametrize("name", SUMMARIZERS)
def test_predictions_have_a_row_per_paper_and_system(name: str, experiments: list[Path]) -> None:
    predictions = load_predictions(experiments[0], name)
    assert list(predictions.columns) == ["id", "paper", "system", "text", *SCORES]
    papers = make_papers(4, seed=2)
    assert list(zip(predictions["system"], predictions["id"], strict=True)) == [
        (system, paper["id"]) for system in SYSTEMS for paper in papers
    ]
    for system, rows in predictions.groupby("system"):
        assert rows[SCORES].to_dict("records") == score_summaries(papers, list(rows["text"])), system


@pytest.mark.parametrize("name", SUMMARIZERS)
def test_texts_are_those_of_the_models(name: str, experiments: list[Path]) -> None:
    folder, summarizer = experiments[0], SUMMARIZERS[name]
    predictions = load_predictions(folder, name)
    texts = {}
    for system, weights in (("model", folder / "models" / name), ("untuned", folder / summarizer.encoder)):
        model, tokenizer = load_model(weights, "cpu"), load_tokenizer(weights)
        written = write_summaries(model, tokenizer, make_papers(4, seed=2), summarizer, GENERATION)
        texts[system] = [summary.text for summary in written]
        assert list(predictions["text"][predictions["system"] == system]) == texts[system]
    assert texts["model"] != texts["untuned"]


@pytest.mark.parametrize("name", SUMMARIZERS)
def test_metrics_are_numbers_by_system(name: str, experiments: list[Path]) -> None:
    metrics = json.loads((experiments[0] / "metrics/evaluate" / f"{name}.json").read_text(encoding="utf-8"))
    assert list(metrics) == ["test"]
    assert metrics["test"].keys() == {*SYSTEMS, "papers", "words_of_extracts", "sentences", "sentences_left_out"}
    predictions = load_predictions(experiments[0], name)
    for system in SYSTEMS:
        found = metrics["test"][system]
        written = ["tokens", "share_at_token_cap"] if system in ("model", "untuned") else []
        ends = {f"{score}_{end}" for score in SUMMARY for end in ("low", "high")}
        assert found.keys() == {*SCORES, *written, *ends}
        assert all(found[f"{score}_low"] <= found[score] <= found[f"{score}_high"] for score in SUMMARY)
        for score, value in found.items():
            assert type(value) in (int, float), (system, score)  # DVC shows nothing else
        means = predictions[predictions["system"] == system][SCORES].mean()
        assert {score: found[score] for score in SCORES} == pytest.approx(means.to_dict())
        if written:
            assert GENERATION.min_new_tokens <= found["tokens"] <= GENERATION.max_new_tokens
            assert 0 <= found["share_at_token_cap"] <= 1
    lengths = [len(" ".join(paper["target"]).split()) for paper in make_papers(8)]
    assert (metrics["test"]["papers"], metrics["test"]["words_of_extracts"]) == (4, round(sum(lengths) / 8))


@pytest.mark.parametrize("name", SUMMARIZERS)
def test_summaries_are_shown_side_by_side(name: str, experiments: list[Path]) -> None:
    text = (experiments[0] / "predictions" / name / "summaries.md").read_text(encoding="utf-8")
    predictions = load_predictions(experiments[0], name).set_index(["system", "id"])["text"]
    title, *blocks = re.split(r"^## ", text, flags=re.MULTILINE)
    assert title.strip() == f"# {name}: summaries of the test papers"
    papers = make_papers(4, seed=2)
    assert len(blocks) == len(papers)
    for paper, block in zip(papers, blocks, strict=True):
        lines = [line for line in block.splitlines() if line]
        assert lines == [
            f"{paper['title']} ({paper['id']})",
            f"**source begins**: {' '.join(paper['source'][:3])}",
            f"**reference**: {' '.join(paper['target'])}",
            f"**untuned**: {predictions['untuned', paper['id']]}",
            f"**tuned**: {predictions['model', paper['id']]}",
        ]


@pytest.mark.parametrize(("name", "epochs", "steps"), [("summary-joined", 1, 2), ("summary-pair", 2, 2)])
def test_training_is_told_in_numbers_and_curves(name: str, epochs: int, steps: int, experiments: list[Path]) -> None:
    metrics = json.loads((experiments[0] / "metrics/finetune" / f"{name}.json").read_text(encoding="utf-8"))
    assert all(type(value) in (int, float) for value in metrics.values())
    assert (metrics["epochs"], metrics["steps"]) == (epochs, steps)  # 8 papers, 4 or 2 x 4 a step
    curves = {
        plot: (experiments[0] / "metrics/plots" / plot / f"{name}.csv").read_text(encoding="utf-8").splitlines()
        for plot in ("training", "validation_loss")
    }
    assert [line.split(",")[0] for line in curves["validation_loss"]] == ["epoch", *map(str, range(1, epochs + 1))]
    assert curves["training"][-1].split(",")[0] == str(steps)


@pytest.mark.parametrize("stage", [finetune_summarizer, evaluate_summarizer])
def test_an_unknown_name_is_told(stage: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_summary_experiment(tmp_path, SUMMARIZERS, GENERATION))
    monkeypatch.setattr("sys.argv", [stage.__name__, "summary-jointed"])
    with pytest.raises(SystemExit) as end:
        run(stage.main)
    assert end.value.code == (  # a text: python prints it on stderr, without a traceback, and exits with 1
        "error: unknown summarizer 'summary-jointed'; did you mean 'summary-joined'? "
        "(known: summary-joined, summary-pair)"
    )
