"""Training pairs of a retriever: positives, hard negatives, batches without conflicts."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from papertrail.models.ranking import bm25_scores, top
from papertrail.models.sentence_encoder import embed, load_encoder
from papertrail.train.query_pairs import ConflictFreeBatches, Pair, make_pairs
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_search import make_query, make_retriever


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_encoder(write_tiny_bert(tmp_path_factory.mktemp("encoder")), 32, "cpu")


# --- pairs ---

TEXTS = {f"d{number}": "rank " * (9 - number) + "text " * number for number in range(9)}  # d0 has the most "rank"
ROWS = [make_query("first", "rank", "d0", "d3"), make_query("second", "text", "d8")]


def test_every_relevant_document_is_a_pair(encoder: Any) -> None:
    pairs = make_pairs(ROWS, TEXTS, make_retriever(), 1, encoder)
    both = frozenset({"d0", "d3"})
    assert pairs == [
        Pair("rank", "d0", both, None),
        Pair("rank", "d3", both, None),
        Pair("text", "d8", frozenset({"d8"}), None),
    ]


def test_so_many_positives_of_a_query_are_drawn(encoder: Any) -> None:
    retriever = make_retriever(positives_per_query=1)
    drawn = [make_pairs(ROWS, TEXTS, retriever, seed, encoder) for seed in range(20)]
    assert {tuple(pair.document for pair in pairs) for pairs in drawn} == {("d0", "d8"), ("d3", "d8")}
    assert all(pairs[0].relevant == {"d0", "d3"} for pairs in drawn)
    assert drawn[0] == make_pairs(ROWS, TEXTS, retriever, 0, encoder)
    every = make_retriever(positives_per_query=2)
    assert make_pairs(ROWS, TEXTS, every, 1, encoder) == make_pairs(ROWS, TEXTS, make_retriever(), 1, encoder)


@pytest.mark.parametrize("miner", ["bm25", "encoder"])
@pytest.mark.parametrize(("first", "last"), [(1, 3), (3, 5), (2, 9), (4, 100)])
def test_hard_negatives_come_from_their_ranks(miner: str, first: int, last: int, encoder: Any) -> None:
    retriever = make_retriever(hard_negatives=miner, hard_negative_ranks=[first, last])
    ids, queries = list(TEXTS), [row["query"] for row in ROWS]
    if miner == "bm25":
        scores: Any = bm25_scores(queries, list(TEXTS.values()))
    else:
        scores = embed(encoder, queries, 8) @ embed(encoder, list(TEXTS.values()), 8).T
    order = {row["query"]: [ids[i] for i in best] for row, best in zip(ROWS, top(scores, 9)[0], strict=True)}
    drawn: dict[str, set[str | None]] = {"rank": set(), "text": set()}
    for seed in range(60):
        pairs = make_pairs(ROWS, TEXTS, retriever, seed, encoder)
        assert pairs == make_pairs(ROWS, TEXTS, retriever, seed, encoder)
        assert len(pairs) == 3
        for pair in pairs:
            drawn[pair.query].add(pair.negative)
    for row in ROWS:
        assert drawn[row["query"]] == set(order[row["query"]][first - 1 : last]) - set(row["relevant"])


def test_a_negative_does_not_depend_on_other_rows(encoder: Any) -> None:
    retriever = make_retriever(hard_negatives="bm25", hard_negative_ranks=[1, 9])
    rows = [make_query(str(number), "rank text", "d0") for number in range(20)]
    pairs = make_pairs(rows, TEXTS, retriever, 1, encoder)
    assert make_pairs(rows[::-1], TEXTS, retriever, 1, encoder) == pairs[::-1]
    assert len({pair.negative for pair in pairs}) > 3  # each row has its own draw


# --- batches ---

DOCUMENTS = st.sets(st.sampled_from("abcdefghij"), max_size=4)
QUERIES = st.sampled_from(["x", "yy", "zzz", "q w"])


def pair_up(drawn: list[tuple[str, set[str], set[str]]]) -> list[Pair]:
    """Return a pair per relevant document from (query, relevant, other documents); few texts, so that many conflict."""
    pairs = []
    for query, relevant, other in drawn:
        negatives = sorted(other - relevant) or [None]
        for number, document in enumerate(sorted(relevant)):
            pairs.append(Pair(query, document, frozenset(relevant), negatives[number % len(negatives)]))
    return pairs


@given(
    st.lists(st.tuples(QUERIES, DOCUMENTS, DOCUMENTS)).map(pair_up),
    st.integers(2, 9),
    st.integers(0, 5),
    st.integers(0, 3),
)
def test_no_batch_has_a_conflict(pairs: list[Pair], batch_size: int, seed: int, epoch: int) -> None:
    sampler = ConflictFreeBatches(pairs, batch_size, seed)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert len(batches) == len(sampler) == -(-len(pairs) // batch_size)  # the Trainer needs it to resume
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    numbers = list(itertools.chain(*batches))
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= set(range(len(pairs)))
    for batch in batches:
        for a, b in itertools.permutations([pairs[number] for number in batch], 2):
            assert a.query != b.query
            assert not {a.document, a.negative} & {b.document, b.negative} - {None}
            assert not {b.document, b.negative} & a.relevant


def test_without_conflicts_every_pair_is_in_a_full_batch() -> None:
    pairs = [Pair(f"query {number}", str(number), frozenset({str(number)}), None) for number in range(21)]
    batches = list(ConflictFreeBatches(pairs, 8, seed=0))
    assert [len(batch) for batch in batches] == [8, 8, 5]
    assert sorted(itertools.chain(*batches)) == list(range(21))


def test_every_pair_is_in_some_epoch() -> None:
    pairs = [Pair(f"query {number}", str(number), frozenset(map(str, range(12))), None) for number in range(12)]
    sampler, seen = ConflictFreeBatches(pairs, 4, seed=0), set[int]()
    for epoch in range(40):  # three batches of one pair each
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert [len(batch) for batch in batches] == [1, 1, 1]
        seen.update(itertools.chain(*batches))
    assert seen == set(range(12))


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
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
