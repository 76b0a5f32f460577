"""Stages finetune and evaluate for a tiny extractor: the files they write, and the same bytes on every run."""

import json
from pathlib import Path

import pytest

from papertrail.core.parquet import read_kind, read_rows
from papertrail.evaluate.results import EXAMPLES
from papertrail.models.extractor import join, load_extractor
from tests.fixtures.tiny_generators import make_extractor, make_papers, write_papers
from tests.fixtures.tiny_runs import finish, read_files, start_python, write_experiment

NAME = "extract"
SYSTEMS = ["model", "lead", "lexrank", "oracle"]

# both stages in one process, because importing torch takes longer than running them
ALL = f"""
import runpy, sys
sys.argv = ["stage", "{NAME}"]
for stage in ("finetune", "evaluate"):
    runpy.run_module(f"stages.{{stage}}", run_name="__main__")
"""


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same experiment in two folders, run in two processes with different hash seeds."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    processes = []
    for number, folder in enumerate(folders):
        write_experiment(folder, {NAME: make_extractor()})
        write_papers(folder)
        processes.append(start_python(folder, "-c", ALL, hash_seed=number))
    for process in processes:
        finish(process)
    return folders


def test_two_runs_write_the_same_bytes(experiments: list[Path]) -> None:
    first, second = (read_files(folder, "models", "predictions", "metrics", "checkpoints") for folder in experiments)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert {path for path in first if "/encoder/" not in path} == {
        f"models/{NAME}/model.safetensors",
        f"models/{NAME}/extractor.json",
        f"predictions/{NAME}/test.parquet",
        f"predictions/{NAME}/{EXAMPLES}",
        f"metrics/evaluate/{NAME}.json",
        f"metrics/finetune/{NAME}.json",
        f"metrics/plots/training/{NAME}.csv",
        f"metrics/plots/validation/{NAME}.csv",
    }
    assert f"models/{NAME}/encoder/config.json" in first


def test_every_system_summarizes_every_test_paper(experiments: list[Path]) -> None:
    folder = experiments[0]
    file = folder / "predictions" / NAME / "test.parquet"
    rows = read_rows(file).to_list()
    papers = make_papers(4, seed=2)
    assert read_kind(file) == "summaries"
    assert [(row["system"], row["id"]) for row in rows] == [(s, paper["id"]) for s in SYSTEMS for paper in papers]
    positions = load_extractor(folder / "models" / NAME, "cpu").eval().extract(papers, 8)
    expected = [join(paper["source"], own) for paper, own in zip(papers, positions, strict=True)]
    assert [row["text"] for row in rows if row["system"] == "model"] == expected
    assert all(row["content_words_in_source"] == row["content_words"] for row in rows)  # of extracts
    examples = read_rows(folder / "predictions" / NAME / EXAMPLES).to_list()
    assert [row["fields"][-1] for row in examples] == [{"name": "model", "text": text} for text in expected]


def test_baselines_have_the_length_of_the_model(experiments: list[Path]) -> None:
    found = json.loads((experiments[0] / "metrics/evaluate" / f"{NAME}.json").read_text(encoding="utf-8"))["test"]
    assert found.keys() == {*SYSTEMS, "papers", "papers_without_title", "words_of_extracts", "sentences"}
    trained = json.loads((experiments[0] / "metrics/finetune" / f"{NAME}.json").read_text(encoding="utf-8"))
    assert found["words_of_extracts"] == trained["words"]
    assert (found["papers"], found["papers_without_title"]) == (4, 0)
    for system in SYSTEMS:
        assert found[system]["rougeL_low"] <= found[system]["rougeL"] <= found[system]["rougeL_high"]
