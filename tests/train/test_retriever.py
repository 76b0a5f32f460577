"""Fine-tuning of retrievers: loss, best epoch, training texts, metrics, what is saved."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer, set_seed

from papertrail.core.errors import ParamsError
from papertrail.core.params import Retriever
from papertrail.core.records import Row
from papertrail.metrics.ranking import mean_scores, retrieval_scores
from papertrail.models.ranking import bm25_ranking, fuse, top
from papertrail.models.search_systems import SYSTEMS, read_system
from papertrail.models.sentence_encoder import document_text, embed, load_encoder
from papertrail.train.checkpoints import save_model
from papertrail.train.kinds import Trained
from papertrail.train.retriever import RetrieverTrainer, fit
from papertrail.train.search_validation import SearchEvaluator
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import make_settings
from tests.fixtures.tiny_search import make_collection, make_queries, make_query, make_retriever


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_bert(tmp_path_factory.mktemp("encoder")))


def run_training(checkpoints: Path, model: Retriever, train_rows: list[Row] | None = None) -> Trained:
    """Train on the rows that every test here uses."""
    set_seed(1)
    splits = {"train": train_rows or make_queries(40), "validation": make_queries(20, seed=1)}
    return fit(model, splits, make_collection(), make_settings(checkpoints))


def vector_ranking(encoder: Any, rows: list[Row]) -> Any:
    """Return the positions of the documents of the collection, (queries, documents), by cosine."""
    texts = [document_text(document, ["title", "abstract"]) for document in make_collection()]
    return top(embed(encoder, [row["query"] for row in rows], 8) @ embed(encoder, texts, 8).T, len(texts))[0]


def ndcg_of(best: Any, rows: list[Row]) -> float:
    """Return nDCG@10 of a ranking of the collection without the paper of each query."""
    ids = [document["id"] for document in make_collection()]
    ranked = {
        row["id"]: [ids[i] for i in positions if i >= 0 and ids[i] != row["own"]]
        for row, positions in zip(rows, best, strict=True)
    }
    qrels = {row["id"]: dict.fromkeys(row["relevant"], 1) for row in rows}
    return mean_scores(retrieval_scores(qrels, ranked))["ndcg@10"]


def first_loss(trained: Trained) -> float:
    return next(entry["loss"] for entry in trained.history if "loss" in entry)


# --- loss and score ---


@pytest.mark.parametrize("changes", [{}, {"mini_batch_size": 3}, {"hard_negatives": "encoder"}])
def test_a_retriever_learns_and_keeps_the_best_epoch(changes: dict[str, Any], folder: str, tmp_path: Path) -> None:
    validation = make_queries(20, seed=1)
    before = ndcg_of(vector_ranking(load_encoder(Path(folder), 32, "cpu"), validation), validation)
    trained = run_training(tmp_path, make_retriever(base_model=folder, epochs=12, **changes))
    score = trained.metrics["validation"]["model"]["ndcg@10"]
    assert before < 0.5 < 0.8 < score
    assert score == pytest.approx(ndcg_of(vector_ranking(trained.network, validation), validation))
    scores = [entry["eval_score"] for entry in trained.history if "eval_score" in entry]
    assert scores[0] == trained.metrics["validation"]["untuned"]["ndcg@10"] == pytest.approx(before)
    assert score == max(scores) == scores[trained.metrics["best_epoch"]]
    assert trained.metrics["epochs"] == len(scores) - 1 == 12


def test_the_base_model_is_kept_if_no_epoch_is_better(folder: str, tmp_path: Path) -> None:
    good = run_training(tmp_path / "good", make_retriever(base_model=folder, epochs=12))
    save_model(tmp_path / "base", *good.savers)
    worse = make_retriever(base_model=str(tmp_path / "base"), epochs=2, learning_rate=0.5)
    trained = run_training(tmp_path / "worse", worse)
    scores = [entry["eval_score"] for entry in trained.history if "eval_score" in entry]
    assert trained.metrics["best_epoch"] == 0 and max(scores[1:]) < scores[0]
    assert trained.metrics["validation"]["model"] == trained.metrics["validation"]["untuned"]
    for key, weight in load_encoder(tmp_path / "base", 32, "cpu").state_dict().items():
        torch.testing.assert_close(trained.network.state_dict()[key], weight, rtol=0, atol=0)


def test_the_best_system_on_validation_answers(folder: str, tmp_path: Path) -> None:
    rows = make_queries(20, seed=1)
    trained = run_training(tmp_path / "checkpoints", make_retriever(base_model=folder, epochs=2))
    texts = [document_text(document, ["title", "abstract"]) for document in make_collection()]
    bm25 = bm25_ranking([row["query"] for row in rows], texts, len(texts))
    hybrid = fuse([bm25, vector_ranking(trained.network, rows)], 60, len(texts), len(texts))[0]
    systems = {system: scores["ndcg@10"] for system, scores in trained.metrics["validation"].items()}
    assert systems["bm25"] == pytest.approx(ndcg_of(bm25, rows))
    assert systems["hybrid"] == pytest.approx(ndcg_of(hybrid, rows))
    best = trained.metrics["answers_with"]
    assert trained.metrics["validation_score"] == systems[best] == max(systems[name] for name in SYSTEMS)
    save_model(tmp_path / "model", *trained.savers)
    assert read_system(tmp_path / "model") == best


@pytest.mark.parametrize("validation", [make_queries(20, seed=1), []], ids=["validation", "no validation"])
@pytest.mark.parametrize("train", [make_queries(40), []], ids=["train", "no train"])
def test_no_epochs_keep_the_base_model(train: list[Row], validation: list[Row], folder: str, tmp_path: Path) -> None:
    model = make_retriever(base_model=folder, epochs=0, hard_negatives="bm25")
    splits = {"train": train, "validation": validation}
    trained = fit(model, splits, make_collection(), make_settings(tmp_path / "checkpoints"))
    for key, weight in load_encoder(Path(folder), 32, "cpu").state_dict().items():
        torch.testing.assert_close(trained.network.state_dict()[key], weight, rtol=0, atol=0)
    assert {name: trained.metrics[name] for name in ("epochs", "best_epoch", "steps")} == {
        "epochs": 0,
        "best_epoch": 0,
        "steps": 0,
    }
    assert not (tmp_path / "checkpoints").exists()
    save_model(tmp_path / "model", *trained.savers)
    assert read_system(tmp_path / "model") == trained.metrics["answers_with"]
    if not validation:
        assert (trained.metrics["answers_with"], trained.history) == ("hybrid", [])
        assert not {"validation", "validation_score"} & trained.metrics.keys()
        return
    scores = {system: values["ndcg@10"] for system, values in trained.metrics["validation"].items()}
    assert scores["model"] == scores["untuned"] == trained.history[0]["eval_score"]
    assert trained.metrics["validation_score"] == max(scores.values()) == scores[trained.metrics["answers_with"]]


def test_without_validation_the_last_epoch_is_kept(folder: str, tmp_path: Path) -> None:
    model = make_retriever(base_model=folder, epochs=2)
    splits: dict[str, list[Row]] = {"train": make_queries(40), "validation": []}
    set_seed(1)
    trained = fit(model, splits, make_collection(), make_settings(tmp_path / "a"))
    assert trained.metrics["answers_with"] == "hybrid"
    assert (trained.metrics["best_epoch"], trained.metrics["epochs"], trained.metrics["steps"]) == (2, 2, 12)
    last = SentenceTransformer(str(tmp_path / "a/checkpoint-12"), device="cpu").state_dict()
    assert last.keys() == trained.network.state_dict().keys()
    for key, weight in last.items():
        torch.testing.assert_close(trained.network.state_dict()[key], weight, rtol=0, atol=0)


def test_epochs_without_training_queries_are_an_error(folder: str, tmp_path: Path) -> None:
    model = make_retriever(base_model=folder, epochs=2)
    with pytest.raises(ParamsError, match=r"data set tiny_search has no training query; expected 0, .* \(got 2\)"):
        fit(model, {"train": [], "validation": []}, make_collection(), make_settings(tmp_path))


def test_validation_counts_gains(folder: str, tmp_path: Path) -> None:
    rows = make_queries(5, seed=1)
    texts = {document["id"]: document["title"] for document in make_collection()}
    graded = [{**row, "gains": [3, 1][: len(row["relevant"])]} for row in rows]  # the last has two relevant documents
    ranked = np.tile([list(texts).index(id_) for id_ in reversed(rows[-1]["relevant"])], (5, 1))
    plain, with_gains = (
        SearchEvaluator(queries, texts, make_retriever(base_model=folder), 42).score(ranked)
        for queries in (rows, graded)
    )
    log3 = np.log2(3)
    assert plain - with_gains == pytest.approx((1 - (1 + 3 / log3) / (3 + 1 / log3)) / 5)


def test_validation_searches_so_many_documents(folder: str, tmp_path: Path) -> None:
    rows, texts = make_queries(4, seed=1), {d["id"]: d["title"] for d in make_collection()}
    relevant = {id_ for row in rows for id_ in row["relevant"]}
    model = make_retriever(base_model=folder, validation_documents=len(relevant) + 2)
    evaluator = SearchEvaluator(rows, texts, model, 42)
    assert len(evaluator.ids) == len(relevant) + 2 and relevant < set(evaluator.ids)
    assert evaluator.ids == SearchEvaluator(rows, texts, model, 42).ids
    assert SearchEvaluator(rows, texts, replace(model, validation_documents=1), 42).ids == [
        id_ for id_ in texts if id_ in relevant
    ]


def test_the_cached_loss_equals_the_plain_loss(folder: str, tmp_path: Path) -> None:
    losses = []
    for size in (None, 3, 8):
        model = make_retriever(base_model=folder, mini_batch_size=size, learning_rate=1e-6)
        losses.append(first_loss(run_training(tmp_path / str(size), model)))
    np.testing.assert_allclose(losses, losses[0], rtol=1e-4)


def test_the_scale_multiplies_the_cosine(folder: str, tmp_path: Path) -> None:
    model = make_retriever(base_model=folder, learning_rate=1e-6, scale=1e-6)
    loss = first_loss(run_training(tmp_path, model))
    assert loss == pytest.approx(np.log(8), rel=1e-3)  # all eight documents have the same logit


def test_an_epoch_has_all_batches(folder: str, tmp_path: Path) -> None:
    trained = run_training(tmp_path, make_retriever(base_model=folder, epochs=2))
    assert trained.metrics["steps"] == 2 * 6  # 48 pairs in batches of 8
    assert trained.history[-1]["epoch"] == 2


def test_pairs_left_out_of_the_first_epoch_are_counted(folder: str, tmp_path: Path) -> None:
    rows = [*make_queries(40), *(make_query(f"{i}", f"the {i}", "tail0", "tail1") for i in range(9))]
    trained = run_training(tmp_path, make_retriever(base_model=folder), train_rows=rows)
    assert trained.metrics["pairs"] == 48 + 18
    assert trained.metrics["pairs_left_out_in_first_epoch"] >= 9  # at most one of 18 in each of nine batches


def test_pairs_without_a_hard_negative_are_dropped_and_counted(folder: str, tmp_path: Path) -> None:
    ids = [document["id"] for document in make_collection()]
    rows = [*make_queries(20), make_query("all", "the graph", *ids)]  # every document is relevant to the last
    model = make_retriever(base_model=folder, hard_negatives="bm25", hard_negative_ranks=[1, 24])
    metrics = run_training(tmp_path, model, train_rows=rows).metrics
    assert metrics["pairs"] == sum(len(row["relevant"]) for row in rows[:-1])
    assert metrics["pairs_dropped_for_lack_of_a_hard_negative"] == len(ids)


def test_pairs_that_are_not_drawn_are_counted(folder: str, tmp_path: Path) -> None:
    metrics = run_training(tmp_path, make_retriever(base_model=folder, positives_per_query=1)).metrics
    assert (metrics["pairs"], metrics["pairs_not_drawn"]) == (40, 8)
    assert metrics["pairs_dropped_for_lack_of_a_hard_negative"] == 0


# --- training texts ---


@pytest.fixture
def training_rows(monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """Return a list that is filled with the rows of the next training."""
    rows: list[Row] = []
    original = RetrieverTrainer.train

    def train(trainer: RetrieverTrainer, **arguments: Any) -> Any:
        rows.extend(trainer.train_dataset.to_list())
        return original(trainer, **arguments)

    monkeypatch.setattr(RetrieverTrainer, "train", train)
    return rows


@pytest.mark.parametrize("inputs", [["title", "abstract"], ["abstract", "title"]])
def test_a_title_query_does_not_see_its_title_in_documents(
    inputs: list[str], folder: str, tmp_path: Path, training_rows: list[Row]
) -> None:
    documents = [document for document in make_collection() if document["abstract"]]
    rows = [make_query(document["id"], document["title"], document["id"]) for document in documents]
    run_training(tmp_path, make_retriever(base_model=folder, inputs=inputs), train_rows=rows)
    found = [(row["anchor"], row["positive"]) for row in training_rows]
    assert found == [(document["title"], document["abstract"]) for document in documents]


def test_documents_of_other_queries_keep_their_title(folder: str, tmp_path: Path, training_rows: list[Row]) -> None:
    run_training(tmp_path, make_retriever(base_model=folder, hard_negatives="bm25"))
    texts = {d["id"]: document_text(d, ["title", "abstract"]) for d in make_collection()}
    expected = {(row["query"], texts[document]) for row in make_queries(40) for document in row["relevant"]}
    assert {(row["anchor"], row["positive"]) for row in training_rows} == expected
    assert {row["negative"] for row in training_rows} <= set(texts.values())


# --- saving ---


def test_a_saved_model_is_loaded_by_the_libraries_alone(folder: str, tmp_path: Path) -> None:
    trained = run_training(tmp_path / "checkpoints", make_retriever(base_model=folder))
    saved = tmp_path / "model"
    save_model(saved, *trained.savers)
    names = {path.name for path in saved.rglob("*")}
    assert {"modules.json", "model.safetensors", "config.json", "tokenizer.json"} <= names
    # the library's model card would quote training sentences
    assert not [name for name in names if name.lower().endswith((".md", ".bin", ".pt"))]

    texts = ["we rank", "the graph of the table " * 20, ""]
    expected = embed(trained.network, texts, 8)
    set_seed(99)
    np.testing.assert_array_equal(embed(load_encoder(saved, 32, "cpu"), texts, 8), expected)
    alone = SentenceTransformer(str(saved), device="cpu")
    assert alone.max_seq_length == 32
    np.testing.assert_allclose(alone.encode(texts, batch_size=8), expected, atol=1e-6)  # it pads nothing
    transformer, tokenizer = AutoModel.from_pretrained(saved), AutoTokenizer.from_pretrained(saved)
    for text, vector in zip(texts, expected, strict=True):
        with torch.no_grad():
            inputs = tokenizer(text, truncation=True, max_length=32, return_tensors="pt")
            mean = transformer(**inputs).last_hidden_state[0].mean(dim=0)  # (tokens, dimension) -> (dimension,)
        np.testing.assert_allclose(mean / mean.norm(), vector, atol=1e-5)


def test_training_makes_no_network_request(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[str] = []

    def get_model_info(name: str) -> None:
        requests.append(name)
        raise OSError("no network")

    monkeypatch.setattr("sentence_transformers.base.model_card.get_model_info", get_model_info)
    run_training(tmp_path, make_retriever(base_model=folder))
    assert requests == []


# --- errors ---


def test_an_unreadable_best_checkpoint_is_an_error(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("unreadable")

    monkeypatch.setattr(RetrieverTrainer, "_load_from_checkpoint", fail)
    with pytest.raises(OSError, match="unreadable"):
        run_training(tmp_path, make_retriever(base_model=folder))


def test_hard_negative_ranks_beyond_the_collection_are_an_error(folder: str, tmp_path: Path) -> None:
    model = make_retriever(base_model=folder, hard_negatives="bm25", hard_negative_ranks=[50, 60])
    with pytest.raises(ParamsError, match="hard_negative_ranks"):
        run_training(tmp_path, model)
