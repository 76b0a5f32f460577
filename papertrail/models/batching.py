"""Order and form of examples, as functions of (seed, epoch, example) only."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset
from tqdm import tqdm

Item = dict[str, Any]  # model inputs of one example, with its labels

IGNORED = -100  # label of positions without a loss
PAD_MULTIPLE = 8  # tokens; batches are padded to the longest example, rounded up to a multiple
WINDOW = 50  # batches; examples are sorted by length within windows of this size


class Reordered(Sequence[Any]):
    """A view of a sequence in another order; nothing is copied."""

    def __init__(self, items: Sequence[Any], order: Sequence[int]) -> None:
        self.items = items
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: Any) -> Any:
        return self.items[self.order[index]]


class EpochDataset(Dataset[Item]):
    """A training set whose items and order are functions of (seed, epoch); use it with a sequential sampler.

    It reads no global random state, so a training that is resumed at any step sees the same examples as an
    uninterrupted one. The Trainer calls set_epoch, through the data loader of accelerate.

    Args:
        make_items: epoch -> items, which may be encoded on access. If it returns the same sequence as before, lengths
            are not computed again.
        seed: Seed of the order.
        batch_size: Size of the batches of similar length.
    """

    def __init__(self, make_items: Callable[[int], Sequence[Item]], seed: int, batch_size: int) -> None:
        self.make_items = make_items
        self.seed = seed
        self.batch_size = batch_size
        self.epoch: int | None = None
        self.items: Sequence[Item] | None = None
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Make the items of an epoch and order them."""
        if epoch == self.epoch:
            return
        self.epoch = epoch
        items = self.make_items(epoch)
        if items is not self.items:
            self.items, self.lengths = items, lengths_of(items)
        self.ordered = Reordered(items, length_grouped_order(self.lengths, self.batch_size, self.seed, epoch))

    def __len__(self) -> int:
        return len(self.ordered)

    def __getitem__(self, index: int) -> Item:
        item: Item = self.ordered[index]
        return item


def lengths_of(items: Sequence[Item]) -> list[int]:
    """Return the number of tokens of each item."""
    return [len(item["input_ids"]) for item in items]


def length_grouped_order(lengths: list[int], batch_size: int, seed: int, epoch: int) -> list[int]:
    """Return a shuffled order in which each batch has items of similar length; a smaller batch comes last."""
    rng = np.random.default_rng([seed, epoch])
    shuffled = rng.permutation(len(lengths))
    window = batch_size * WINDOW
    batches = []
    for start in range(0, len(shuffled), window):
        by_length = sorted(shuffled[start : start + window].tolist(), key=lambda i: lengths[i])
        batches += [by_length[i : i + batch_size] for i in range(0, len(by_length), batch_size)]
    last = [batches.pop()] if batches and len(batches[-1]) < batch_size else []
    order = [batches[i] for i in rng.permutation(len(batches))] + last
    return [i for batch in order for i in batch]


@torch.inference_mode()
def predict_logits(
    network: torch.nn.Module, items: list[Item], collate: Callable[[list[Item]], Item], batch_size: int
) -> list[NDArray[np.float32]]:
    """Return the logits of each item, computed in batches of similar length.

    Returns:
        One array per item, in the order of the items: (labels,), or (tokens, labels) without padding.
    """
    network.eval()
    lengths = lengths_of(items)
    order = sorted(range(len(items)), key=lambda i: lengths[i])
    logits: list[Any] = [None] * len(items)
    for start in tqdm(range(0, len(order), batch_size), desc="predict", disable=None):
        batch = order[start : start + batch_size]
        inputs = {key: value.to(network.device) for key, value in collate([items[i] for i in batch]).items()}
        inputs.pop("labels", None)
        output = network(**inputs).logits.float().cpu().numpy()  # (batch, labels) or (batch, tokens, labels)
        for row, i in enumerate(batch):
            logits[i] = output[row, : lengths[i]] if output.ndim == 3 else output[row]
    return logits
