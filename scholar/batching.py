"""Examples in an order, and of a form, that depend on (seed, epoch, example) alone."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm import tqdm

Item = dict[str, Any]

PAD_MULTIPLE = 8  # tokens; batches are padded to the longest row, rounded up to this
WINDOW = 50  # batches; rows are sorted by length within such a window of the shuffled data


class Reordered(Sequence[Any]):
    """A sequence in another order; nothing is copied."""

    def __init__(self, items: Sequence[Any], order: Sequence[int]) -> None:
        self.items = items
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: Any) -> Any:
        return self.items[self.order[index]]


class EpochDataset(Dataset[Item]):
    """A training set that is made anew each epoch, already in its order: the sampler above it is sequential.

    Nothing is drawn from global random state, so a run that is resumed at any step sees the same examples as one that
    was left alone. The Trainer calls set_epoch (through accelerate's data loader). Items that `make_items` returns may
    be encoded when they are asked for; where it returns the same sequence again, its lengths are known.
    """

    def __init__(self, make_items: Callable[[int], Sequence[Item]], seed: int, batch_size: int) -> None:
        self.make_items = make_items
        self.seed = seed
        self.batch_size = batch_size
        self.epoch: int | None = None
        self.items: Sequence[Item] | None = None
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Make the items of an epoch and put rows of like length together."""
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
    """Tokens of each item."""
    return [len(item["input_ids"]) for item in items]


def length_grouped_order(lengths: list[int], batch_size: int, seed: int, epoch: int) -> list[int]:
    """A shuffled order in which each stretch of batch_size rows is alike in length; a short last batch comes last."""
    rng = np.random.default_rng([seed, epoch])
    shuffled = rng.permutation(len(lengths))
    window = batch_size * WINDOW
    batches = []
    for start in range(0, len(shuffled), window):
        inside = sorted(shuffled[start : start + window].tolist(), key=lambda i: lengths[i])
        batches += [inside[i : i + batch_size] for i in range(0, len(inside), batch_size)]
    last = [batches.pop()] if batches and len(batches[-1]) < batch_size else []
    order = [batches[i] for i in rng.permutation(len(batches))] + last
    return [i for batch in order for i in batch]


@torch.inference_mode()
def predict_logits(
    model: torch.nn.Module, items: list[Item], collate: Callable[[list[Item]], Item], batch_size: int
) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """The logits of each item, in the order given, computed in batches of like length.

    Returns:
        For each item (labels,), or (tokens, labels) without padding.
    """
    model.eval()
    order = sorted(range(len(items)), key=lambda i: len(items[i]["input_ids"]))
    logits: list[Any] = [None] * len(items)
    for start in tqdm(range(0, len(order), batch_size), desc="predict", disable=None):
        batch = order[start : start + batch_size]
        inputs = {key: value.to(model.device) for key, value in collate([items[i] for i in batch]).items()}
        inputs.pop("labels", None)
        output = model(**inputs).logits.float().cpu().numpy()  # (batch, labels) or (batch, tokens, labels)
        for row, i in enumerate(batch):
            logits[i] = output[row, : len(items[i]["input_ids"])] if output.ndim == 3 else output[row]
    return logits
