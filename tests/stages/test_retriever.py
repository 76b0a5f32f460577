"""The stages of search, started by a user: the files they write, and the same bytes after an interruption."""

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

from papertrail.core.errors import ParamsError
from papertrail.core.parquet import read_kind, read_rows
from papertrail.evaluate.results import EXAMPLES
from papertrail.evaluate.stats.samples import SCORES
from papertrail.metrics.ranking import MEASURES, mean_scores, retrieval_scores
from papertrail.models.embeddings import STORE
from papertrail.models.index import load_index
from papertrail.models.search_systems import SYSTEMS as SEARCH_SYSTEMS
from papertrail.train.checkpoints import MARK, ROOT
from stages import evaluate, finetune, index
from tests.fixtures.tiny_runs import EVALUATION, finish, read_files, start_python
from tests.fixtures.tiny_search import INDEX, OWN, make_collection, make_queries, make_retriever, write_search

NAME = "tiny-search"
MODELS = {NAME: make_retriever(epochs=2, hidden_dropout=0.1, hard_negatives="bm25")}
INDEXES = {"papers": INDEX, "cells": {**INDEX, "factory": "IVF4,SQ8"}}
SYSTEMS = ["model", "untuned", "bm25", "hybrid"]
STAGES = [("finetune", NAME), ("evaluate", NAME), ("index", "papers"), ("index", "cells")]

# all stages in one process, because importing torch takes longer than running them
ALL = """
import runpy, sys
for stage, name in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    sys.argv = [stage, name]
    runpy.run_module(f"stages.{stage}", run_name="__main__")
"""
# a training that kills itself in the second epoch
KILLED = f"""
import os, runpy, signal, sys
import stages  # sets the instruction caps before torch is imported
from papertrail.train.checkpoints import EpochEnd

def kill(self, args, state, control, **_):
    if state.epoch > 1:
        os.kill(os.getpid(), signal.SIGKILL)

EpochEnd.on_step_end = kill
sys.argv = ["finetune", "{NAME}"]
runpy.run_module("stages.finetune", run_name="__main__")
"""


def start_all(folder: Path, hash_seed: int) -> subprocess.Popen[str]:
    return start_python(folder, "-c", ALL, *(word for stage in STAGES for word in stage), hash_seed=hash_seed)


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same experiment in two folders: uninterrupted; killed and started again with another hash seed."""
    whole, resumed = (write_search(tmp_path_factory.mktemp(name), MODELS, INDEXES) for name in ("whole", "resumed"))
    uninterrupted = start_all(whole, hash_seed=1)
    killed = start_python(resumed, "-c", KILLED, hash_seed=2)
    _, stderr = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, stderr
    assert list(resumed.glob(f"{ROOT}/{NAME}/*/*/{MARK}"))
    assert not (resumed / "models").exists()
    assert "resuming from" in finish(start_all(resumed, hash_seed=3))
    finish(uninterrupted)
    return [whole, resumed]


@pytest.fixture(scope="module")
def whole(experiments: list[Path]) -> Path:
    return experiments[0]


def load_metrics(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / "metrics" / f"{name}.json").read_text(encoding="utf-8"))


def load_table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield the dotted path and value of each leaf of nested dicts."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, f"{path}.{key}")
    else:
        yield path, value


def test_an_interrupted_run_writes_the_same_bytes(experiments: list[Path]) -> None:
    first, second = (read_files(folder, "models", "predictions", "metrics", "data/index") for folder in experiments)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_no_temporary_file_is_left(experiments: list[Path]) -> None:
    for folder in experiments:
        assert not list(folder.rglob("*.part"))
        assert {path.name for path in folder.glob(f"{ROOT}/*")} <= {STORE.name}


def test_files_of_the_stages(whole: Path) -> None:
    metrics = {
        f"metrics/{name}.json" for name in (f"evaluate/{NAME}", f"finetune/{NAME}", "index/papers", "index/cells")
    }
    plots = {f"metrics/plots/{plot}/{NAME}.csv" for plot in ("training", "validation")}
    assert read_files(whole, "metrics").keys() == metrics | plots
    assert read_files(whole, "predictions").keys() == {
        f"predictions/{NAME}/test.parquet",
        f"predictions/{NAME}/{EXAMPLES}",
        f"predictions/{NAME}/plots/recall.csv",
        f"predictions/{NAME}/qrels.trec",
        f"predictions/{NAME}/run.trec",
    }
    files = {"vectors.faiss", "documents.parquet", "manifest.json"}
    assert read_files(whole, "data/index").keys() == {f"data/index/{name}/{file}" for name in INDEXES for file in files}


def test_metrics_are_numbers(whole: Path) -> None:
    for file in (whole / "metrics").rglob("*.json"):
        for path, value in leaves(json.loads(file.read_text(encoding="utf-8"))):
            if path == ".answers_with":
                assert value in SEARCH_SYSTEMS
                continue
            assert isinstance(value, float | int) and not isinstance(value, bool), f"{file}{path}"
            assert value >= 0, f"{file}{path}"


def test_predictions_have_a_row_per_query_and_system(whole: Path) -> None:
    file = whole / "predictions" / NAME / "test.parquet"
    assert read_kind(file) == "retrieval"
    rows = read_rows(file).to_list()
    test = make_queries(12, seed=2)
    assert [(row["system"], row["id"]) for row in rows] == [(s, query["id"]) for s in SYSTEMS for query in test]
    documents = sorted(document["id"] for document in make_collection() if document["id"] != OWN)
    for row in rows:
        assert row.keys() == {"id", "paper", "system", "ranked", *MEASURES}
        ranked = sorted(row["ranked"])  # the collection is smaller than the depth, so every document is ranked once
        assert ranked == documents if row["system"] != "bm25" else set(ranked) <= set(documents)


def test_metrics_are_means_of_the_predictions(whole: Path) -> None:
    metrics = load_metrics(whole, f"evaluate/{NAME}")["test"]
    rows = read_rows(whole / "predictions" / NAME / "test.parquet").to_list()
    test = make_queries(12, seed=2)
    qrels = {query["id"]: dict.fromkeys(query["relevant"], 1) for query in test}
    scores = SCORES["retrieval"]
    for system in SYSTEMS:
        ranked = {row["id"]: row["ranked"] for row in rows if row["system"] == system}
        means = mean_scores(retrieval_scores(qrels, ranked))
        ends = {f"{score}_{end}" for score in scores for end in ("low", "high")}
        assert metrics[system].keys() == means.keys() | ends
        assert metrics["seen"][system].keys() == means.keys()
        assert {name: metrics[system][name] for name in means} == means
        assert all(metrics[system][f"{s}_low"] <= metrics[system][s] <= metrics[system][f"{s}_high"] for s in scores)
        for measure in MEASURES:
            mean = np.mean([row[measure] for row in rows if row["system"] == system])
            assert metrics[system][measure] == pytest.approx(mean)
    assert metrics["seen"]["model"]["queries"] == 12  # every relevant test document is relevant in training
    assert "unseen" not in metrics
    assert metrics["validation_queries"] == 20
    assert (metrics["documents"], metrics["documents_seen_in_training"], metrics["texts_cut"]) == (24, 20, 0)


def test_training_metrics_and_curves(whole: Path) -> None:
    metrics = load_metrics(whole, f"finetune/{NAME}")
    training, validation = (
        load_table(whole / "metrics/plots" / plot / f"{NAME}.csv") for plot in ("training", "validation")
    )
    assert [row["epoch"] for row in validation] == ["0", "1", "2"]
    assert max(float(row["value"]) for row in validation) == metrics["validation"]["model"]["ndcg@10"]
    assert (metrics["epochs"], metrics["pairs"], metrics["steps"]) == (2, 48, 12)
    assert training[-1].keys() == {"step", "loss", "learning_rate"}
    assert training[-1]["step"] == "12"


def test_recall_increases_with_the_rank(whole: Path) -> None:
    table = load_table(whole / "predictions" / NAME / "plots/recall.csv")
    assert list(table[0]) == ["rank", *SYSTEMS]
    scores = load_metrics(whole, f"evaluate/{NAME}")["test"]
    for system in SYSTEMS:
        recall = {row["rank"]: float(row[system]) for row in table}
        assert list(recall.values()) == sorted(recall.values())
        assert recall["100"] == 1.0 or system == "bm25"  # which ranks only documents that share a word with the query
        assert recall["10"] == pytest.approx(scores[system]["recall@10"])


def test_examples_are_the_worst_queries(whole: Path) -> None:
    rows = read_rows(whole / "predictions" / NAME / EXAMPLES).to_list()
    assert len(rows) == EVALUATION["error_examples"]
    queries = {query["id"]: query["query"] for query in make_queries(12, seed=2)}
    for row in rows:
        assert row["view"] == "test"
        assert [text["name"] for text in row["fields"]] == ["query", "cited", "found first"]
        assert row["fields"][0]["text"] == queries[row["id"]]


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_has_the_vectors_of_the_saved_model(name: str, whole: Path) -> None:
    loaded = load_index(whole / "data/index" / name, whole / "models" / NAME, ["title", "abstract"])
    assert sorted(document["id"] for document in loaded.documents) == sorted(d["id"] for d in make_collection())
    texts = [f"{d['title'].rstrip('.')}. {d['abstract']}" if d["abstract"] else d["title"] for d in loaded.documents]
    vectors = SentenceTransformer(str(whole / "models" / NAME), device="cpu").encode(texts)
    positions, cosines = loaded.search(vectors, 1)
    np.testing.assert_allclose(cosines[:, 0], 1, atol=0.02)  # each document finds itself, or one with the same text
    np.testing.assert_allclose((vectors * vectors[positions[:, 0]]).sum(axis=1), 1, atol=0.02)
    file = whole / "data/index" / name / "vectors.faiss"
    metrics = load_metrics(whole, f"index/{name}")
    assert faiss.read_index(str(file)).ntotal == metrics["count"] == 24
    assert (metrics["dimension"], metrics["queries"], metrics["bytes"]) == (32, 20, file.stat().st_size)


def test_recall_of_exact_search(whole: Path) -> None:
    assert load_metrics(whole, "index/papers")["recall@10_of_exact"] == 1.0
    assert 0.5 < load_metrics(whole, "index/cells")["recall@10_of_exact"] <= 1.0


@pytest.mark.parametrize(
    ("stage", "name", "message"),
    [
        (finetune, "tiny-serch", r"unknown model 'tiny-serch'; did you mean 'tiny-search'\? \(known: tiny-search\)"),
        (evaluate, "other", r"unknown model 'other' \(known: tiny-search\)"),
        (index, "paper", r"unknown index 'paper'; did you mean 'papers'\? \(known: papers, cells\)"),
    ],
)
def test_an_unknown_name_is_an_error(
    stage: ModuleType, name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_search(tmp_path, MODELS, INDEXES))
    monkeypatch.setattr("sys.argv", ["stage", name])
    with pytest.raises(ParamsError, match=message):
        stage.main()


def test_an_error_is_one_line_on_stderr(tmp_path: Path) -> None:
    folder = write_search(tmp_path, MODELS, INDEXES)
    process = start_python(folder, "-m", "stages.index", "paper")
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert stderr == "error: unknown index 'paper'; did you mean 'papers'? (known: papers, cells)\n"
