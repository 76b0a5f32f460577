"""The sentence encoder for search: pairs, batches without conflicts, that it learns, goes on exactly, and is saved."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer, set_seed

from scholar.errors import ParamsError
from scholar.heads.retrieval import (
    ConflictFreeBatches,
    Pair,
    RetrieverTrainer,
    count_cut,
    document_text,
    embed,
    load_encoder,
    make_pairs,
    saver,
    train,
)
from scholar.params import Retriever
from scholar.ranking import bm25_scores, mean_scores, retrieval_scores, top
from scholar.records import Row
from scholar.trainer import EpochEnd, find_checkpoint, save_model
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import make_settings, read_files
from tests.fixtures.tiny_search import make_collection, make_document, make_queries, make_query, make_retriever


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Matrices this small are slower on two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_bert(tmp_path_factory.mktemp("encoder")))


@pytest.fixture(scope="module")
def model(encoder: str) -> Any:
    return load_encoder(Path(encoder), 32, "cpu")


# --- text ---


@pytest.mark.parametrize(
    ("title", "abstract", "inputs", "expected"),
    [
        ("A title", "An abstract.", ["title", "abstract"], "A title. An abstract"),
        ("A title.", "An abstract.", ["title", "abstract"], "A title. An abstract"),
        ("A title", "An abstract", ["abstract", "title"], "An abstract. A title"),
        ("A title", "", ["title", "abstract"], "A title"),
        ("", "An abstract", ["title", "abstract"], "An abstract"),
        ("A title", "An abstract", ["title"], "A title"),
        ("", "", ["title", "abstract"], ""),
    ],
)
def test_a_document_is_its_inputs_that_are_not_empty(
    title: str, abstract: str, inputs: list[str], expected: str
) -> None:
    assert document_text(make_document("d", title, abstract), inputs) == expected


def test_texts_that_are_cut_are_counted(model: Any) -> None:
    assert count_cut(model, ["", "we", "we " * 30, "we " * 31]) == 1  # [CLS] and [SEP] are two of 32


# --- pairs ---

TEXTS = {f"d{number}": "rank " * (9 - number) + "text " * number for number in range(9)}  # d0 has most of "rank"
ROWS = [make_query("first", "rank", "d0", "d3"), make_query("second", "text", "d8")]


def test_every_relevant_document_is_a_pair(model: Any) -> None:
    pairs = make_pairs(ROWS, TEXTS, make_retriever(), 1, model)
    both = frozenset({"d0", "d3"})
    assert pairs == [
        Pair("rank", "d0", both, None),
        Pair("rank", "d3", both, None),
        Pair("text", "d8", frozenset({"d8"}), None),
    ]


@pytest.mark.parametrize("miner", ["bm25", "encoder"])
@pytest.mark.parametrize(("first", "last"), [(1, 3), (3, 5), (2, 9), (4, 100)])
def test_hard_negatives_come_from_their_ranks(miner: str, first: int, last: int, model: Any) -> None:
    retriever = make_retriever(hard_negatives=miner, hard_negative_ranks=[first, last])
    ids, queries = list(TEXTS), [row["query"] for row in ROWS]
    if miner == "bm25":
        scores: Any = bm25_scores(queries, list(TEXTS.values()))
    else:
        scores = embed(model, queries, 8) @ embed(model, list(TEXTS.values()), 8).T
    order = {row["query"]: [ids[i] for i in best] for row, best in zip(ROWS, top(scores, 9)[0], strict=True)}
    drawn: dict[str, set[str | None]] = {"rank": set(), "text": set()}
    for seed in range(60):
        pairs = make_pairs(ROWS, TEXTS, retriever, seed, model)
        assert pairs == make_pairs(ROWS, TEXTS, retriever, seed, model)
        assert len(pairs) == 3
        for pair in pairs:
            drawn[pair.query].add(pair.negative)
    for row in ROWS:
        assert drawn[row["query"]] == set(order[row["query"]][first - 1 : last]) - set(row["relevant"])


def test_a_negative_does_not_depend_on_other_rows(model: Any) -> None:
    retriever = make_retriever(hard_negatives="bm25", hard_negative_ranks=[1, 9])
    rows = [make_query(str(number), "rank text", "d0") for number in range(20)]
    pairs = make_pairs(rows, TEXTS, retriever, 1, model)
    assert make_pairs(rows[::-1], TEXTS, retriever, 1, model) == pairs[::-1]
    assert len({pair.negative for pair in pairs}) > 3  # each row draws for itself


def test_pairs_without_a_negative_are_dropped_and_counted(encoder: str, tmp_path: Path) -> None:
    collection = make_collection()
    everything = [document["id"] for document in collection]
    rows = [*make_queries(20), make_query("all", "the graph", *everything)]  # nothing is left that is not relevant
    retriever = make_retriever(encoder=encoder, hard_negatives="bm25", hard_negative_ranks=[1, 24])
    metrics = run_training(tmp_path, retriever, train_rows=rows)[2]
    assert metrics["pairs"] == sum(len(row["relevant"]) for row in rows[:-1])
    assert metrics["pairs_dropped_for_lack_of_a_hard_negative"] == len(everything)


def test_ranks_beyond_the_collection_are_told(encoder: str, tmp_path: Path) -> None:
    retriever = make_retriever(encoder=encoder, hard_negatives="bm25", hard_negative_ranks=[50, 60])
    with pytest.raises(ParamsError, match="hard_negative_ranks"):
        run_training(tmp_path, retriever)


# --- batches ---

DOCUMENTS = st.sets(st.sampled_from("abcdefghij"), max_size=4)
QUERIES = st.sampled_from(["x", "yy", "zzz", "q w"])


def pair_up(drawn: list[tuple[str, set[str], set[str]]]) -> list[Pair]:
    """(query, relevant, others) -> a pair per relevant document; so few of each that many are in each other's way."""
    pairs = []
    for query, relevant, others in drawn:
        negatives = sorted(others - relevant) or [None]
        for place, document in enumerate(sorted(relevant)):
            pairs.append(Pair(query, document, frozenset(relevant), negatives[place % len(negatives)]))
    return pairs


@given(
    st.lists(st.tuples(QUERIES, DOCUMENTS, DOCUMENTS)).map(pair_up),
    st.integers(2, 9),
    st.integers(0, 5),
    st.integers(0, 3),
)
def test_no_batch_holds_a_conflict(pairs: list[Pair], batch_size: int, seed: int, epoch: int) -> None:
    sampler = ConflictFreeBatches(pairs, batch_size, seed)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert len(batches) == len(sampler) == -(-len(pairs) // batch_size)  # the Trainer counts on it when it resumes
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    places = list(itertools.chain(*batches))
    assert len(places) == len(set(places))
    assert set(places) <= set(range(len(pairs)))
    for batch in batches:
        for a, b in itertools.permutations([pairs[place] for place in batch], 2):
            assert a.query != b.query
            assert not {a.document, a.negative} & {b.document, b.negative} - {None}
            assert not {b.document, b.negative} & a.relevant


def test_without_conflicts_every_pair_is_in_a_full_batch() -> None:
    pairs = [Pair(f"query {number}", str(number), frozenset({str(number)}), None) for number in range(21)]
    batches = list(ConflictFreeBatches(pairs, 8, seed=0))
    assert [len(batch) for batch in batches] == [8, 8, 5]
    assert sorted(itertools.chain(*batches)) == list(range(21))


def test_a_pair_that_waits_comes_in_another_epoch() -> None:
    pairs = [Pair(f"query {number}", str(number), frozenset(map(str, range(12))), None) for number in range(12)]
    sampler, seen = ConflictFreeBatches(pairs, 4, seed=0), set[int]()
    for epoch in range(40):  # three batches of one pair each
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert [len(batch) for batch in batches] == [1, 1, 1]
        seen.update(itertools.chain(*batches))
    assert seen == set(range(12))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    pairs = [Pair("we " * (number % 7), str(number), frozenset({str(number)}), None) for number in range(40)]

    def order(seed: int, epoch: int) -> list[list[int]]:
        sampler = ConflictFreeBatches(pairs, 4, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    keys = list(itertools.product(range(3), range(3)))
    drawn = {key: order(*key) for key in keys}
    torch.rand(1)
    np.random.rand()
    assert {key: order(*key) for key in reversed(keys)} == drawn
    assert all(a != b for a, b in itertools.combinations(drawn.values(), 2))


def test_the_trainer_takes_the_batches_of_each_epoch(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[list[int]] = []
    original = ConflictFreeBatches.__iter__

    def spy(self: ConflictFreeBatches) -> Iterator[list[int]]:
        taken.append([self.epoch])
        for batch in original(self):
            taken.append(batch)
            yield batch

    monkeypatch.setattr(ConflictFreeBatches, "__iter__", spy)
    _, history, metrics = run_training(tmp_path, make_retriever(encoder=encoder, epochs=2))
    assert [batch for batch in taken if len(batch) == 1][:2] == [[0], [1]]
    assert metrics["steps"] == 2 * 6  # 48 pairs in batches of 8
    assert history[-1]["epoch"] == 2
    assert taken[1:7] != taken[8:14]


# --- training ---


def run_training(
    folder: Path, retriever: Retriever, train_rows: list[Row] | None = None, resume_from: str | None = None
) -> tuple[Any, list[dict[str, float]], dict[str, float]]:
    """Train in this process on the rows that every test here uses."""
    set_seed(1)
    splits = {"train": train_rows or make_queries(40), "validation": make_queries(20, seed=1)}
    return train(retriever, splits, make_collection(), make_settings(folder, resume_from=resume_from), "cpu")


def measure(model: Any, rows: list[Row]) -> float:
    """ndcg@10 over the documents that are relevant to some query, by trec_eval instead of the library."""
    wanted = sorted({document for row in rows for document in row["relevant"]})
    texts = [document_text(d, ["title", "abstract"]) for d in make_collection() if d["id"] in wanted]
    found = top(embed(model, [row["query"] for row in rows], 8) @ embed(model, texts, 8).T, len(wanted))[0]
    ranked = {row["id"]: [wanted[i] for i in best] for row, best in zip(rows, found, strict=True)}
    return mean_scores(retrieval_scores({row["id"]: dict.fromkeys(row["relevant"], 1) for row in rows}, ranked))[
        "ndcg@10"
    ]


def first_loss(history: list[dict[str, float]]) -> float:
    return next(entry["loss"] for entry in history if "loss" in entry)


@pytest.mark.parametrize("changes", [{}, {"mini_batch_size": 3}, {"hard_negatives": "encoder"}])
def test_it_learns_which_words_belong_together(
    changes: dict[str, Any], encoder: str, model: Any, tmp_path: Path
) -> None:
    validation = make_queries(20, seed=1)
    before = measure(model, validation)
    retriever = make_retriever(encoder=encoder, epochs=12, **changes)
    tuned, history, metrics = run_training(tmp_path, retriever)
    assert before < 0.5 < 0.8 < metrics["validation_ndcg@10"]
    assert metrics["validation_ndcg@10"] == pytest.approx(measure(tuned, validation))  # the best epoch is kept
    scores = [entry["eval_score"] for entry in history if "eval_score" in entry]
    assert metrics["validation_ndcg@10"] == max(scores) == scores[int(metrics["best_epoch"]) - 1]
    assert metrics["epochs"] == len(scores) == 12


def test_the_cached_loss_is_the_plain_loss(encoder: str, tmp_path: Path) -> None:
    losses = []
    for size in (None, 3, 8):
        retriever = make_retriever(encoder=encoder, mini_batch_size=size, learning_rate=1e-6)
        losses.append(first_loss(run_training(tmp_path / str(size), retriever)[1]))
    np.testing.assert_allclose(losses, losses[0], rtol=1e-4)


def test_the_scale_multiplies_the_cosine(encoder: str, tmp_path: Path) -> None:
    retriever = make_retriever(encoder=encoder, learning_rate=1e-6, scale=1e-6)
    loss = first_loss(run_training(tmp_path, retriever)[1])
    assert loss == pytest.approx(np.log(8), rel=1e-3)  # all eight documents are alike


@pytest.mark.parametrize("inputs", [["title", "abstract"], ["abstract", "title"]])
def test_the_title_is_not_the_answer_to_itself(
    inputs: list[str], encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = show_training_rows(monkeypatch)
    documents = [document for document in make_collection() if document["abstract"]]
    rows = [make_query(document["id"], document["title"], document["id"]) for document in documents]
    run_training(tmp_path, make_retriever(encoder=encoder, inputs=inputs), train_rows=rows)
    assert [(row["anchor"], row["positive"]) for row in shown] == [(d["title"], d["abstract"]) for d in documents]


def test_the_title_stays_for_other_queries(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = show_training_rows(monkeypatch)
    run_training(tmp_path, make_retriever(encoder=encoder, hard_negatives="bm25"))
    texts = {d["id"]: document_text(d, ["title", "abstract"]) for d in make_collection()}
    expected = {(row["query"], texts[document]) for row in make_queries(40) for document in row["relevant"]}
    assert {(row["anchor"], row["positive"]) for row in shown} == expected
    assert {row["negative"] for row in shown} <= set(texts.values())


def show_training_rows(monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """Becomes what the Trainer is given."""
    shown: list[Row] = []
    from_dict = train.__globals__["Dataset"].from_dict

    def spy(columns: dict[str, list[str]]) -> Any:
        dataset = from_dict(columns)
        shown.extend(dataset.to_list())
        return dataset

    monkeypatch.setattr("scholar.heads.retrieval.Dataset.from_dict", spy)
    return shown


@pytest.mark.parametrize("miner", ["none", "encoder"])
def test_the_same_seed_trains_the_same_bytes(miner: str, encoder: str, tmp_path: Path) -> None:
    retriever = make_retriever(encoder=encoder, hidden_dropout=0.2, attention_dropout=0.1, hard_negatives=miner)
    saved, metrics = [], []
    for name in ("first", "second"):
        torch.rand(5)
        model, _, measured = run_training(tmp_path / name, retriever)
        save_model(tmp_path / f"{name} model", saver(model))
        saved.append(read_files(tmp_path / f"{name} model", "."))
        metrics.append(measured)
    assert saved[0] == saved[1]
    assert metrics[0] == metrics[1]


@pytest.mark.parametrize("size", [None, 3])
def test_an_interrupted_training_ends_in_the_same_weights(
    size: int | None, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retriever = make_retriever(encoder=encoder, epochs=3, hidden_dropout=0.2, mini_batch_size=size)
    rows = [*make_queries(40), *(make_query(f"{i}", f"the {i}", "tail0", "tail1") for i in range(9))]  # some wait
    whole, history, metrics = run_training(tmp_path / "whole", retriever, train_rows=rows)

    def interrupt(self: Any, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.epoch > 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(EpochEnd, "on_step_end", interrupt)
        run_training(tmp_path / "cut", retriever, train_rows=rows)
    newest = find_checkpoint(tmp_path / "cut")
    assert newest is not None
    resumed, history_after, metrics_after = run_training(tmp_path / "cut", retriever, rows, resume_from=newest)
    assert metrics_after == metrics
    assert metrics["pairs_left_out_in_first_epoch"] >= 9  # one at most in each of nine batches
    assert [entry["loss"] for entry in history_after if "loss" in entry] == [e["loss"] for e in history if "loss" in e]
    for (name, a), (_, b) in zip(whole.state_dict().items(), resumed.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


def test_nobody_is_asked_over_the_network(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(name: str) -> None:
        asked.append(name)
        raise OSError("no network")

    monkeypatch.setattr("sentence_transformers.base.model_card.get_model_info", ask)
    run_training(tmp_path, make_retriever(encoder=encoder))
    assert asked == []


def test_a_best_epoch_that_cannot_be_read_is_not_passed_over(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("unreadable")

    monkeypatch.setattr(RetrieverTrainer, "_load_from_checkpoint", fail)
    with pytest.raises(OSError, match="unreadable"):
        run_training(tmp_path, make_retriever(encoder=encoder))


# --- saved ---


def test_a_saved_model_is_loaded_by_the_libraries_alone(encoder: str, tmp_path: Path) -> None:
    retriever = make_retriever(encoder=encoder)
    tuned = run_training(tmp_path / "checkpoints", retriever)[0]
    folder = tmp_path / "model"
    save_model(folder, saver(tuned))
    names = {path.name for path in folder.rglob("*")}
    assert {"modules.json", "model.safetensors", "config.json", "tokenizer.json"} <= names
    assert not [name for name in names if name.lower().endswith((".md", ".bin", ".pt"))]  # the card quotes sentences

    texts = ["we rank", "the graph of the table " * 20, ""]
    expected = embed(tuned, texts, 8)
    set_seed(99)
    np.testing.assert_array_equal(embed(load_encoder(folder, 32, "cpu"), texts, 8), expected)
    alone = SentenceTransformer(str(folder), device="cpu")
    assert alone.max_seq_length == 32
    np.testing.assert_array_equal(alone.encode(texts, batch_size=8), expected)
    words, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for text, vector in zip(texts, expected, strict=True):
        with torch.no_grad():
            tokens = words(**tokenizer(text, truncation=True, max_length=32, return_tensors="pt")).last_hidden_state[0]
        mean = tokens.mean(dim=0)  # (tokens, dimension) -> (dimension,)
        np.testing.assert_allclose(mean / mean.norm(), vector, atol=1e-5)


# --- embed ---


def test_vectors_have_length_one_in_the_order_given(model: Any) -> None:
    texts = [row["query"] for row in make_queries(30)] + ["", "we " * 10_000]
    vectors = embed(model, texts, 4)
    assert vectors.dtype == np.float32
    assert vectors.shape == (32, 32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(embed(model, texts, 4), vectors)
    np.testing.assert_allclose(embed(model, texts[::-1], 4)[::-1], vectors, atol=1e-6)
    np.testing.assert_allclose(embed(model, texts, 32), vectors, atol=1e-6)
    np.testing.assert_allclose(embed(model, ["we " * 40], 1)[0], vectors[-1], atol=1e-6)  # cut at 32 tokens


def test_no_text_is_no_vector(model: Any) -> None:
    assert len(embed(model, [], 4)) == 0


def test_dropout_is_off_when_texts_are_embedded(encoder: str) -> None:
    rates = {"hidden_dropout_prob": 0.5, "attention_probs_dropout_prob": 0.5}
    model = load_encoder(Path(encoder), 32, "cpu", rates)
    assert {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)} == {0.5}
    model.train()
    np.testing.assert_array_equal(embed(model, ["we rank"], 1), embed(model, ["we rank"], 1))


def test_more_tokens_than_positions_are_refused(encoder: str) -> None:
    with pytest.raises(ParamsError, match=r"retrievers: max_tokens: 129, but .* has 128 positions; lower it"):
        load_encoder(Path(encoder), 129, "cpu")
    assert load_encoder(Path(encoder), 128, "cpu").max_seq_length == 128
