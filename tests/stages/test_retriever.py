"""The stages of search, started as a user starts them: what they write, in what form, the same bytes each time."""

import csv
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import faiss
import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from scholar.errors import ParamsError
from scholar.index import load_index
from scholar.ranking import MEASURES, mean_scores, retrieval_scores
from scholar.records import read_rows
from scholar.samples import SEARCH
from scholar.trainer import MARK, ROOT
from stages import evaluate_retriever, finetune_retriever, index
from tests.fixtures.tiny_runs import finish, read_files, start_python
from tests.fixtures.tiny_search import INDEX, OWN, make_collection, make_queries, make_retriever, write_search

NAME = "tiny-search"
RETRIEVERS = {NAME: make_retriever(epochs=2, hidden_dropout=0.1, hard_negatives="bm25")}
INDEXES = {"papers": INDEX, "cells": {**INDEX, "factory": "IVF4,SQ8"}}
SYSTEMS = ["model", "untuned", "bm25", "hybrid"]
STAGES = [("finetune_retriever", NAME), ("evaluate_retriever", NAME), ("index", "papers"), ("index", "cells")]

# several stages in one process, each started as -m does: loading torch takes longer than all of them
ALL = """
import runpy, sys
for stage, name in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    sys.argv = [stage, name]
    runpy.run_module(f"stages.{stage}", run_name="__main__")
"""
# training that kills itself in the second epoch
KILLED = f"""
import os, runpy, signal, sys
import stages  # sets the machine up before torch is loaded
from scholar.trainer import EpochEnd

def die(self, args, state, control, **_):
    if state.epoch > 1:
        os.kill(os.getpid(), signal.SIGKILL)

EpochEnd.on_step_end = die
sys.argv = ["finetune_retriever", "{NAME}"]
runpy.run_module("stages.finetune_retriever", run_name="__main__")
"""


def start_all(folder: Path, hash_seed: int) -> subprocess.Popen[str]:
    return start_python(folder, "-c", ALL, *(word for stage in STAGES for word in stage), hash_seed=hash_seed)


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same experiment in two folders: left alone, and killed and started again under another hash seed."""
    whole, cut = (write_search(tmp_path_factory.mktemp(name), RETRIEVERS, INDEXES) for name in ("whole", "cut"))
    alone = start_all(whole, hash_seed=1)
    killed = start_python(cut, "-c", KILLED, hash_seed=2)
    _, said = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, said
    assert list(cut.glob(f"{ROOT}/{NAME}/*/*/{MARK}"))
    assert not (cut / "models").exists()
    assert "going on from" in finish(start_all(cut, hash_seed=3))
    finish(alone)
    return [whole, cut]


@pytest.fixture(scope="module")
def whole(experiments: list[Path]) -> Path:
    return experiments[0]


def load_metrics(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / "metrics" / f"{name}.json").read_text(encoding="utf-8"))


def load_table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "metrics/plots" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, f"{path}.{key}")
    else:
        yield path, value


def test_killed_or_not_the_bytes_are_the_same(experiments: list[Path]) -> None:
    first, second = (read_files(folder, "models", "predictions", "metrics", "data/index") for folder in experiments)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_nothing_half_done_is_left(experiments: list[Path]) -> None:
    for folder in experiments:
        assert not list(folder.rglob("*.part"))
        assert not list(folder.glob(f"{ROOT}/*"))


def test_every_file_has_its_place(whole: Path) -> None:
    metrics = {
        f"metrics/{name}.json" for name in (f"evaluate/{NAME}", f"finetune/{NAME}", "index/papers", "index/cells")
    }
    plots = {f"metrics/plots/{plot}/{NAME}.csv" for plot in ("training", "validation", "recall")}
    assert read_files(whole, "metrics").keys() == metrics | plots
    assert read_files(whole, "predictions").keys() == {
        f"predictions/{NAME}/test.parquet",
        f"predictions/{NAME}/errors.md",
    }
    files = {"vectors.faiss", "documents.parquet", "manifest.json"}
    assert read_files(whole, "data/index").keys() == {f"data/index/{name}/{file}" for name in INDEXES for file in files}


def test_metrics_are_numbers(whole: Path) -> None:
    for file in (whole / "metrics").rglob("*.json"):
        for path, value in leaves(json.loads(file.read_text(encoding="utf-8"))):
            assert isinstance(value, float | int) and not isinstance(value, bool), f"{file}{path}"
            assert value >= 0, f"{file}{path}"


def test_predictions_have_a_row_per_query_and_system(whole: Path) -> None:
    rows = read_rows(whole / "predictions" / NAME / "test.parquet").to_list()
    test = make_queries(12, seed=2)
    assert [(row["system"], row["id"]) for row in rows] == [(s, query["id"]) for s in SYSTEMS for query in test]
    others = sorted(document["id"] for document in make_collection() if document["id"] != OWN)
    for row in rows:
        assert row.keys() == {"id", "paper", "system", "ranked", *MEASURES}
        ranked = sorted(
            row["ranked"]
        )  # fewer documents than the depth: each is ranked, once, but the query's own paper
        assert ranked == others if row["system"] != "bm25" else set(ranked) <= set(others)


def test_metrics_are_the_means_of_the_predictions(whole: Path) -> None:
    metrics = load_metrics(whole, f"evaluate/{NAME}")["test"]
    rows = read_rows(whole / "predictions" / NAME / "test.parquet").to_list()
    test = make_queries(12, seed=2)
    qrels = {query["id"]: dict.fromkeys(query["relevant"], 1) for query in test}
    for system in SYSTEMS:
        ranked = {row["id"]: row["ranked"] for row in rows if row["system"] == system}
        means = mean_scores(retrieval_scores(qrels, ranked))
        ends = {f"{score}_{end}" for score in SEARCH for end in ("low", "high")}
        assert metrics[system].keys() == means.keys() | ends
        assert metrics["seen"][system].keys() == means.keys()
        assert {name: metrics[system][name] for name in means} == means
        assert all(metrics[system][f"{s}_low"] <= metrics[system][s] <= metrics[system][f"{s}_high"] for s in SEARCH)
        for measure in MEASURES:
            mean = np.mean([row[measure] for row in rows if row["system"] == system])
            assert metrics[system][measure] == pytest.approx(mean)
    assert metrics["seen"]["model"]["queries"] == 12  # all that is asked for was asked for in training
    assert "unseen" not in metrics
    assert (metrics["documents"], metrics["documents_seen_in_training"], metrics["texts_cut"]) == (24, 20, 0)


def test_training_is_told_by_epoch(whole: Path) -> None:
    metrics, curve = load_metrics(whole, f"finetune/{NAME}"), load_table(whole, f"validation/{NAME}")
    assert [row["epoch"] for row in curve] == ["1", "2"]
    assert max(float(row["score"]) for row in curve) == metrics["validation_ndcg@10"]
    assert (metrics["epochs"], metrics["pairs"], metrics["steps"]) == (2, 48, 12)
    assert load_table(whole, f"training/{NAME}")[-1].keys() == {"step", "loss", "learning_rate"}
    assert load_table(whole, f"training/{NAME}")[-1]["step"] == "12"


def test_recall_grows_with_the_rank(whole: Path) -> None:
    table = load_table(whole, f"recall/{NAME}")
    assert list(table[0]) == ["rank", *SYSTEMS]
    scores = load_metrics(whole, f"evaluate/{NAME}")["test"]
    for system in SYSTEMS:
        recall = {row["rank"]: float(row[system]) for row in table}
        assert list(recall.values()) == sorted(recall.values())
        assert recall["100"] == 1.0 or system == "bm25"  # which leaves out what shares no word with the query
        assert recall["10"] == pytest.approx(scores[system]["recall@10"])


def test_the_worst_queries_are_told(whole: Path) -> None:
    text = (whole / "predictions" / NAME / "errors.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {NAME}: the queries that it answers worst\n")
    assert text.count("- query: ") == text.count("- cited: ") == text.count("- found first: ") == 3


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_answers_with_the_saved_model(name: str, whole: Path) -> None:
    loaded = load_index(whole / "data/index" / name, whole / "models" / NAME)
    assert sorted(document["id"] for document in loaded.documents) == sorted(d["id"] for d in make_collection())
    texts = [f"{d['title'].rstrip('.')}. {d['abstract']}" if d["abstract"] else d["title"] for d in loaded.documents]
    vectors = SentenceTransformer(str(whole / "models" / NAME), device="cpu").encode(texts)
    positions, cosines = loaded.search(vectors, 1)
    np.testing.assert_allclose(cosines[:, 0], 1, atol=0.02)  # each finds itself, or one that says the same
    np.testing.assert_allclose((vectors * vectors[positions[:, 0]]).sum(axis=1), 1, atol=0.02)
    file = whole / "data/index" / name / "vectors.faiss"
    metrics = load_metrics(whole, f"index/{name}")
    assert faiss.read_index(str(file)).ntotal == metrics["count"] == 24
    assert (metrics["dimension"], metrics["queries"], metrics["bytes"]) == (32, 20, file.stat().st_size)


def test_exact_search_finds_all_of_exact_search(whole: Path) -> None:
    assert load_metrics(whole, "index/papers")["recall@10_of_exact"] == 1.0
    assert 0.5 < load_metrics(whole, "index/cells")["recall@10_of_exact"] <= 1.0


@pytest.mark.parametrize(
    ("stage", "name", "message"),
    [
        (
            finetune_retriever,
            "tiny-serch",
            r"unknown retriever 'tiny-serch'; did you mean 'tiny-search'\? \(known: tiny-s",
        ),
        (evaluate_retriever, "other", r"unknown retriever 'other' \(known: tiny-search\)"),
        (index, "paper", r"unknown index 'paper'; did you mean 'papers'\? \(known: papers, cells\)"),
    ],
)
def test_an_unknown_name_is_told(
    stage: ModuleType, name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_search(tmp_path, RETRIEVERS, INDEXES))
    monkeypatch.setattr("sys.argv", ["stage", name])
    with pytest.raises(ParamsError, match=message):
        stage.main()


def test_what_is_wrong_ends_a_stage_in_one_line(tmp_path: Path) -> None:
    folder = write_search(tmp_path, RETRIEVERS, INDEXES)
    process = start_python(folder, "-m", "stages.index", "paper")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert said == "error: unknown index 'paper'; did you mean 'papers'? (known: papers, cells)\n"
