"""Who belongs to which split, as a function of ids, dates and a seed alone, so that a split stays as data grows."""

import hashlib
from collections.abc import Iterable, Sequence

from scholar.records import SPLITS


def draw(seed: int, *key: str) -> int:
    """A number in [0, 2^64) that depends on the seed and the key alone: a random draw with a name."""
    return int.from_bytes(hashlib.sha256("\x1f".join((str(seed), *key)).encode()).digest()[:8], "big")


def sample(ids: Iterable[str], size: int | None, seed: int, purpose: str) -> set[str]:
    """`size` of the ids (all when None or fewer). Growing the size, or the ids, keeps what was drawn comparable."""
    ranked = sorted(set(ids), key=lambda id_: draw(seed, purpose, id_))
    return set(ranked if size is None else ranked[:size])


def split_by_date(dates: Sequence[int], train: float, validation: float) -> dict[int, str]:
    """Date -> split: the earliest `train` share of the items, the next `validation` share, then the test split.

    A date is never cut in two: it goes to the split in which its first item falls.
    """
    ordered = sorted(dates)
    cuts = (train * len(ordered), (train + validation) * len(ordered))
    return {date: SPLITS[sum(position >= cut for cut in cuts)] for position, date in reversed(list(enumerate(ordered)))}
