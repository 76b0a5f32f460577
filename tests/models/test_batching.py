"""Order, batches and logits are functions of (seed, epoch, example)."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from papertrail.models.batching import PAD_MULTIPLE, WINDOW, EpochDataset, Item, length_grouped_order, predict_logits
from papertrail.models.encoding import encode_rows, load_tokenizer
from papertrail.models.heads import load_head
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import INPUTS, make_classifier, make_rows

lengths = st.lists(st.integers(3, 60), max_size=200)
seeds = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("encoder"))


@given(lengths, st.integers(1, 9), seeds, st.integers(0, 20))
def test_order_is_a_permutation_and_groups_lengths(lengths: list[int], batch_size: int, seed: int, epoch: int) -> None:
    order = length_grouped_order(lengths, batch_size, seed, epoch)
    assert sorted(order) == list(range(len(lengths)))
    torch.rand(1)
    np.random.rand()
    assert length_grouped_order(lengths, batch_size, seed, epoch) == order  # global random state has no effect
    if batch_size * WINDOW >= len(lengths):  # one window: lengths of batches do not overlap
        batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
        bounds = sorted((min(inside), max(inside)) for inside in ([lengths[i] for i in batch] for batch in batches))
        assert all(upper <= lower for (_, upper), (lower, _) in itertools.pairwise(bounds))


def test_order_changes_with_seed_and_with_epoch() -> None:
    same_lengths = [10] * 100
    orders = {tuple(length_grouped_order(same_lengths, 8, seed, epoch)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


def test_order_groups_lengths_within_a_window_only() -> None:
    count = 4 * 2 * WINDOW
    spread = np.random.default_rng(0).integers(1, 500, count).tolist()
    order = length_grouped_order(spread, 2, seed=0, epoch=0)
    differences = [abs(spread[a] - spread[b]) for a, b in zip(order[::2], order[1::2], strict=True)]
    assert np.mean(differences) < 10  # 500 / 100 rows of a window, against 167 of a random order
    first_hundred = sorted(spread[i] for i in order[:100])
    assert first_hundred[0] < 100 and first_hundred[-1] > 400  # batches are not sorted by length


def test_epoch_dataset_makes_the_items_of_each_epoch() -> None:
    def make_items(epoch: int) -> list[dict[str, object]]:
        return [{"input_ids": [0] * length, "epoch": epoch} for length in range(10)]

    dataset = EpochDataset(make_items, seed=1, batch_size=3)
    first = [dataset[i] for i in range(len(dataset))]
    dataset.set_epoch(1)
    second = [dataset[i] for i in range(len(dataset))]
    dataset.set_epoch(0)
    assert [dataset[i] for i in range(len(dataset))] == first
    assert {item["epoch"] for item in first} == {0}
    assert {item["epoch"] for item in second} == {1}
    assert [len(item["input_ids"]) for item in first] != [len(item["input_ids"]) for item in second]


def test_lengths_are_computed_once_for_the_same_items() -> None:
    reads: list[int] = []

    class Items(list[Item]):
        def __iter__(self) -> Iterator[Item]:
            reads.append(1)
            return super().__iter__()

    items = Items({"input_ids": [0] * length} for length in range(10))
    dataset = EpochDataset(lambda _: items, seed=1, batch_size=3)
    orders = []
    for epoch in (0, 0, 1, 2):
        dataset.set_epoch(epoch)
        orders.append([len(dataset[i]["input_ids"]) for i in range(10)])
    assert len(reads) == 1
    assert orders[0] == orders[1] != orders[2] != orders[3]


@pytest.mark.parametrize(
    ("head_name", "auto_model"),
    [
        ("sequence_classification", AutoModelForSequenceClassification),
        ("token_classification", AutoModelForTokenClassification),
    ],
)
def test_logits_are_those_of_single_items_in_order(head_name: str, auto_model: type, encoder: Path) -> None:
    head, model, rows = load_head(head_name), make_classifier(head_name), make_rows(head_name, 13)
    tokenizer = load_tokenizer(encoder, model.max_tokens)
    items, _ = encode_rows(head, rows, tokenizer, model)
    network = auto_model.from_pretrained(encoder, num_labels=5)
    network.train()  # predict_logits switches dropout off
    found = predict_logits(network, items, head.build_collator(tokenizer), batch_size=4)
    with torch.no_grad():
        for item, logits in zip(items, found, strict=True):
            inputs = {key: torch.tensor([value]) for key, value in item.items() if key != "labels"}
            expected = network(**inputs).logits[0].numpy()  # (labels,) or (tokens, labels)
            assert logits.shape == expected.shape
            np.testing.assert_allclose(logits, expected, atol=1e-6)


@pytest.mark.parametrize("head_name", INPUTS)
def test_batches_are_padded_to_the_smallest_multiple(head_name: str, encoder: Path) -> None:
    head, model = load_head(head_name), make_classifier(head_name)
    tokenizer = load_tokenizer(encoder, model.max_tokens)
    collate = head.build_collator(tokenizer)
    items, _ = encode_rows(head, make_rows(head_name, 20), tokenizer, model)
    for start in range(0, 20, 3):
        batch = collate([dict(item) for item in items[start : start + 3]])
        longest = max(len(item["input_ids"]) for item in items[start : start + 3])
        width = batch["input_ids"].shape[1]
        assert width % PAD_MULTIPLE == 0
        assert longest <= width < longest + PAD_MULTIPLE
