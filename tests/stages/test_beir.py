"""The example of docs/data.md, copied literally: from files of BEIR to scores, run files and answers."""

import json
from pathlib import Path
from typing import Any

import ir_measures
import pytest

from papertrail.core.parquet import read_rows
from papertrail.data.prepared import collection_file, split_file
from papertrail.models.index import load_index
from papertrail.models.search_systems import UNVALIDATED, read_system
from tests.fixtures.beir import PAPERS, add_search_example, write_collection
from tests.fixtures.commands import read_json, write_params
from tests.fixtures.papertrail import PAPERTRAIL
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import finish, start_python

MODEL = "mine-untuned"
STAGES = [
    ("fetch", "mine"),
    ("prepare", "mine_search"),
    ("prepare", "mine_papers"),
    ("finetune", MODEL),
    ("evaluate", MODEL),
    ("index", "mine"),
    ("index", "papers-of-mine"),
]
ALL = """
import runpy, sys
for stage, name in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    sys.argv = [stage, name]
    runpy.run_module(f"stages.{stage}", run_name="__main__")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all stages ran; `stderr` has what they logged."""
    top = tmp_path_factory.mktemp("beir")
    folder = top / "repository"
    write_collection(top / "my-collection")
    (top / "my-collection/papers.csv").write_text(PAPERS, encoding="utf-8")
    write_tiny_bert(folder / "data/raw/minilm")
    write_params(folder, add_search_example)
    (folder / "code/finetune").mkdir(parents=True)
    (folder / f"code/finetune/{MODEL}.json").write_text("{}", encoding="utf-8")
    words = (word for stage in STAGES for word in stage)
    (folder / "stderr").write_text(finish(start_python(folder, "-c", ALL, *words)), encoding="utf-8")
    return folder


def answer(folder: Path, *arguments: str) -> dict[str, Any]:
    """Return the answer of `papertrail search`."""
    process = start_python(folder, *PAPERTRAIL, "search", *arguments, "--json")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    found: dict[str, Any] = json.loads(stdout)
    return found


def test_queries_and_documents_are_prepared(folder: Path) -> None:
    task = "semantic_search"
    rows = read_rows(folder / split_file(task, "mine_search", "test")).to_list()
    assert [(row["id"], row["query"], row["relevant"], row["gains"]) for row in rows] == [
        ("q1", "graph of words", ["d1", "d4"], [2, 1]),
        ("q2", "tree", ["d2"], [1]),
    ]
    assert read_json(folder / "metrics/prepare/mine_search.json")["rows"] == {
        "train": {"all": 0},
        "validation": {"all": 0},
        "test": {"all": 2},
    }
    assert read_rows(folder / collection_file(task, "mine_papers")).to_list() == [
        {"id": "1", "title": "the model, new", "abstract": "we train a model", "year": 2019},
        {"id": "2", "title": "the paper", "abstract": "", "year": 0},
    ]


def test_the_base_model_is_kept_and_its_choice_is_not_validated(folder: Path) -> None:
    before, after = (folder / path / "model.safetensors" for path in ("data/raw/minilm", f"models/{MODEL}"))
    from safetensors.numpy import load_file

    weights, kept = load_file(before), load_file(after)
    assert kept and all((weights[name] == value).all() for name, value in kept.items())
    assert read_system(folder / "models" / MODEL) == UNVALIDATED == "hybrid"
    metrics = read_json(folder / f"metrics/finetune/{MODEL}.json")
    assert metrics == {"answers_with": "hybrid", "best_epoch": 0, "epochs": 0, "steps": 0, "texts_cut": 0}
    for plot in ("training", "validation"):
        assert len((folder / f"metrics/plots/{plot}/{MODEL}.csv").read_text(encoding="utf-8").splitlines()) == 1
    assert "no validation queries, so a search answers with hybrid" in (folder / "stderr").read_text(encoding="utf-8")


def test_other_tools_obtain_the_same_scores_from_the_run_file(folder: Path) -> None:
    scores = read_json(folder / f"metrics/evaluate/{MODEL}.json")["test"]
    run = list(ir_measures.read_trec_run(str(folder / "predictions" / MODEL / "run.trec")))
    qrels = list(ir_measures.read_trec_qrels(str(folder / "predictions" / MODEL / "qrels.trec")))
    measures = {"ndcg@10": "nDCG@10", "map@100": "AP@100", "recall@1": "R@1"}
    found = ir_measures.calc_aggregate([ir_measures.parse_measure(name) for name in measures.values()], qrels, run)
    for name, measure in measures.items():
        assert found[ir_measures.parse_measure(measure)] == pytest.approx(scores["model"][name])
    assert {(judgement.query_id, judgement.doc_id, judgement.relevance) for judgement in qrels} == {
        ("q1", "d1", 2),
        ("q1", "d4", 1),
        ("q2", "d2", 1),
    }
    assert scores["validation_queries"] == scores["documents_seen_in_training"] == 0
    assert scores["model"]["queries"] == 2
    assert not {"seen", "unseen"} & scores.keys()


def test_the_indexes_answer(folder: Path) -> None:
    metrics = read_json(folder / "metrics/index/papers-of-mine.json")
    assert metrics.keys() == {"bytes", "count", "dimension", "queries"}
    assert (metrics["count"], metrics["queries"]) == (2, 0)
    assert len(load_index(folder / "data/index/mine", folder / "models" / MODEL, ["title", "abstract"]).documents) == 4
    found = answer(folder, "--index", "papers-of-mine", "the model")
    assert found["hits"][0]["id"] == "1" and found["system"] == "BM25 + model"
    assert answer(folder, "--index", "mine", "graph of words")["hits"][0]["id"] == "d1"
