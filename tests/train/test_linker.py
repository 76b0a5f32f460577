"""Fine-tuning of linkers: batches, loss, the best epoch or the base model, the fusion, what is saved."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import set_seed

from papertrail.core.params import Linker
from papertrail.core.records import Row
from papertrail.metrics.ranking import ranking_scores
from papertrail.models.linking import FILE, cosine_similarities, group_citations, load_linker
from papertrail.models.sentence_encoder import embed, load_encoder
from papertrail.train.checkpoints import save_model
from papertrail.train.curves import write_learning_curves
from papertrail.train.kinds import Trained
from papertrail.train.linker import Collator, Example, PaperBatches, fit, make_examples
from papertrail.train.linker_fusion import WEIGHTS, Validation, fit_fusion, fit_temperature
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import make_linker, make_rows, make_settings

INPUTS = ["context", "candidate"]
VALIDATION = make_rows("pair_classification", 80, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_bert(tmp_path_factory.mktemp("encoder")))


def run_training(checkpoints: Path, model: Linker) -> Trained:
    """Train on the rows that every test here uses."""
    set_seed(1)
    splits = {"train": make_rows("pair_classification", 160), "validation": VALIDATION}
    return fit(model, splits, make_settings(checkpoints))


def mrr_of(encoder: Any) -> float:
    """Return the MRR on validation, from one product per pair."""
    contexts, entries = (embed(encoder, [row[name] for row in VALIDATION], 8) for name in INPUTS)
    queries, labels = ([row[name] for row in VALIDATION] for name in ("query", "label"))
    return ranking_scores(queries, labels, (contexts * entries).sum(axis=1))["mrr"]


# --- training ---


def test_a_linker_learns_and_keeps_the_best_epoch(folder: str, tmp_path: Path) -> None:
    before = mrr_of(load_encoder(Path(folder), 32, "cpu"))
    trained = run_training(tmp_path, make_linker(base_model=folder, epochs=6, learning_rate=0.01))
    scores = [entry["eval_score"] for entry in trained.history if "eval_score" in entry]
    metrics = trained.metrics
    assert len(scores) == 7 and metrics["epochs"] == 6
    assert scores[0] == metrics["validation_mrr_untuned"] == pytest.approx(before)
    assert metrics["best_epoch"] == scores.index(max(scores)) > 0
    assert metrics["validation_mrr_encoder"] == pytest.approx(mrr_of(trained.network)) == pytest.approx(max(scores))
    assert metrics["validation_mrr_encoder"] > before + 0.1
    assert metrics["validation_score"] >= max(metrics["validation_mrr_encoder"], metrics["validation_mrr_bm25"])


def test_the_learning_curve_begins_with_the_base_model(folder: str, tmp_path: Path) -> None:
    trained = run_training(tmp_path, make_linker(base_model=folder, epochs=2))
    write_learning_curves(trained.history, "tiny", tmp_path / "plots")
    lines = (tmp_path / "plots/validation/tiny.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "0", "1", "2"]


def test_the_base_model_is_kept_if_no_epoch_is_better(folder: str, tmp_path: Path) -> None:
    trained = run_training(tmp_path, make_linker(base_model=folder, epochs=2, learning_rate=1e-12))
    base = load_encoder(Path(folder), 32, "cpu").state_dict()
    assert trained.metrics["best_epoch"] == 0
    assert trained.metrics["validation_mrr_encoder"] == trained.metrics["validation_mrr_untuned"]
    assert trained.metrics["validation_score"] == trained.metrics["validation_mrr_untuned_fusion"]
    for name, weights in trained.network.state_dict().items():
        assert torch.equal(weights, base[name]), name


def test_the_loss_is_the_cross_entropy_over_the_entries_of_the_batch(folder: str, tmp_path: Path) -> None:
    model = make_linker(base_model=folder, learning_rate=1e-12, batch_size=100, scale=3.0)
    rows = [{**row, "paper": "p"} for row in make_rows("pair_classification", 20)]
    trained = fit(model, {"train": rows, "validation": VALIDATION}, make_settings(tmp_path))
    encoder = load_encoder(Path(folder), 32, "cpu")
    entries = list(dict.fromkeys(row["candidate"] for row in rows))
    cited = [row for row in rows if row["label"]]
    logits = 3 * embed(encoder, [row["context"] for row in cited], 8) @ embed(encoder, entries, 8).T
    labels = torch.tensor([entries.index(row["candidate"]) for row in cited])
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(logits), labels)
    loss = next(entry["loss"] for entry in trained.history if "loss" in entry)
    assert loss == pytest.approx(float(expected), abs=1e-4)


def test_a_saved_linker_loads_by_the_library_and_answers_the_same(folder: str, tmp_path: Path) -> None:
    trained = run_training(tmp_path / "checkpoints", make_linker(base_model=folder))
    save_model(tmp_path / "models/tiny", *trained.savers)
    values = json.loads((tmp_path / "models/tiny" / FILE).read_text(encoding="utf-8"))
    assert values == {name: trained.metrics[name] for name in ("weight", "temperature")}
    citations = group_citations(VALIDATION, INPUTS)
    library = SentenceTransformer(str(tmp_path / "models/tiny"), device="cpu")
    linker = load_linker(tmp_path / "models/tiny", 32, "cpu")
    for of_library, of_linker in zip(
        cosine_similarities(library, citations, 8), cosine_similarities(linker.encoder, citations, 8), strict=True
    ):
        np.testing.assert_allclose(of_library, of_linker, atol=1e-5)
    assert not list((tmp_path / "models/tiny").rglob("*.bin")) + list((tmp_path / "models/tiny").rglob("*.pkl"))


# --- examples and batches ---


def test_an_example_has_the_entries_of_its_query() -> None:
    def row(query: str, entry: str, label: int) -> Row:
        return {"paper": "p", "query": query, "context": f"the {query}", "candidate": entry, "label": label}

    rows = [row("a", "x", 0), row("a", "y", 1), row("a", "z", 0), row("b", "x", 1), row("b", "y", 0)]
    assert make_examples(rows, INPUTS) == [
        Example("p", "the a", "y", ("x", "z")),
        Example("p", "the b", "x", ("y",)),
    ]


def test_a_batch_has_each_entry_once_and_the_place_of_the_cited_one(folder: str) -> None:
    examples = [Example("p", "we use", "tree", ("graph", "word")), Example("p", "we show", "graph", ("tree",))]
    encoder = load_encoder(Path(folder), 32, "cpu")
    batch = Collator(encoder, examples)([{"number": 1}, {"number": 0}])
    texts = encoder.tokenizer.batch_decode(batch["entry_input_ids"], skip_special_tokens=True)
    assert texts == ["graph", "tree", "word"]
    assert batch["label"].tolist() == [0, 1]
    assert len(batch["context_input_ids"]) == 2


def test_batches_are_of_one_paper_and_depend_on_seed_and_epoch_alone() -> None:
    papers = [f"p{number % 3}" for number in range(20)]
    sampler, other = PaperBatches(papers, 4, seed=1), PaperBatches(papers, 4, seed=2)
    first = list(sampler)
    assert first == list(PaperBatches(papers, 4, seed=1)) != list(other)
    assert sorted(number for batch in first for number in batch) == list(range(20))
    assert len(first) == len(sampler) == 6
    assert all(len({papers[number] for number in batch}) == 1 for batch in first)
    sampler.set_epoch(1)
    assert list(sampler) != first and len(sampler) == 6


# --- fusion ---


def scored(*scores: list[float], cited: int = 0) -> tuple[Validation, list[Any]]:
    """Return citations of three entries without a common word with their context, and scores of these."""
    rows = [
        {"query": f"{number}", "context": "the", "candidate": f"{word} {number}", "label": int(place == cited)}
        for number in range(len(scores))
        for place, word in enumerate(("tree", "graph", "word"))
    ]
    return Validation.of(rows, INPUTS), [np.array(values) for values in scores]


def test_the_weight_is_the_best_on_validation() -> None:
    validation, cosine = scored([0.9, 0.1, 0.2], [0.8, 0.3, 0.2])  # BM25 is 0 everywhere
    fusion, metrics = fit_fusion(validation, cosine)
    assert fusion.weight == metrics["weight"] == WEIGHTS[1]  # the smallest of equal weights
    assert metrics["validation_score"] == metrics["validation_mrr_encoder"] == 1
    assert metrics["validation_mrr_bm25"] == pytest.approx(1 / 3)


def test_bm25_alone_decides_if_the_encoder_does_not_help() -> None:
    rows = [
        {"query": "q", "context": "of a tree", "candidate": word, "label": int(word == "tree")}
        for word in ("graph", "tree", "word")
    ]
    fusion, metrics = fit_fusion(Validation.of(rows, INPUTS), [np.array([0.9, 0.1, 0.5])])
    assert fusion.weight == 0
    assert metrics["validation_score"] == metrics["validation_mrr_bm25"] == 1


def test_the_temperature_has_the_best_likelihood() -> None:
    rng = np.random.default_rng(1)
    scores = [rng.normal(size=size) for size in (5, 9, 30) for _ in range(300)]
    drawn = [rng.choice(len(s), p=np.exp(2 * s) / np.exp(2 * s).sum()) for s in scores]
    labels = [np.eye(len(s))[place] for s, place in zip(scores, drawn, strict=True)]
    assert fit_temperature(scores, labels) == pytest.approx(0.5, rel=0.1)
