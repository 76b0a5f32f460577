"""Named random draws: functions of a seed and a key, so that samples and splits stay stable as data grows."""

import hashlib
from collections.abc import Iterable, Sequence

from papertrail.core.records import SPLITS


def draw(seed: int, *key: str) -> int:
    """Return a number in [0, 2^64) that depends on the seed and the key alone."""
    return int.from_bytes(hashlib.sha256("\x1f".join((str(seed), *key)).encode()).digest()[:8], "big")


def sample(ids: Iterable[str], size: int | None, seed: int, purpose: str) -> set[str]:
    """Return `size` of the ids, or all if `size` is None or larger.

    A larger size, or more ids, keeps what was drawn before as far as possible.
    """
    ranked = sorted(set(ids), key=lambda id_: draw(seed, purpose, id_))
    return set(ranked if size is None else ranked[:size])


def split_by_date(dates: Sequence[int], train: float, validation: float) -> dict[int, str]:
    """Map each date to a split: the earliest `train` share of the items, the next `validation` share, then test.

    A date is never divided: it belongs to the split of its first item.
    """
    ordered = sorted(dates)
    cuts = (train * len(ordered), (train + validation) * len(ordered))
    return {date: SPLITS[sum(position >= cut for cut in cuts)] for position, date in reversed(list(enumerate(ordered)))}
