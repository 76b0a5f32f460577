"""Draws depend on a seed and names alone, splits on dates alone."""

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertrail.core.randomness import draw, sample, split_by_date
from papertrail.core.records import SPLITS

names = st.sets(st.text(max_size=5), max_size=40)
years = st.lists(st.integers(1990, 2010), min_size=1, max_size=60)
shares = st.tuples(st.floats(0.05, 0.9), st.floats(0.05, 0.9))


def test_a_draw_is_the_start_of_a_hash() -> None:
    digest = hashlib.sha256(b"42\x1fnegative\x1fpaper/3").hexdigest()
    assert draw(42, "negative", "paper/3") == int(digest[:16], 16)


def test_draws_differ_by_seed_and_key() -> None:
    assert len({draw(1, "a", "b"), draw(2, "a", "b"), draw(1, "b", "a"), draw(1, "ab"), draw(1, "a", "b", "")}) == 5


def test_draws_are_uniform() -> None:
    tenths = Counter(draw(7, str(number)) * 10 // 2**64 for number in range(5000))
    assert sorted(tenths) == list(range(10))
    assert all(400 < count < 600 for count in tenths.values())  # 500 each, standard deviation 21


@given(names, st.integers(0, 50), st.integers(0, 9))
def test_a_larger_sample_contains_a_smaller_one(ids: set[str], size: int, seed: int) -> None:
    chosen = sample(ids, size, seed, "x")
    assert len(chosen) == min(size, len(ids))
    assert chosen <= sample(ids, size + 1, seed, "x") <= sample(ids, None, seed, "x") == ids


@given(names, names, st.integers(0, 20))
def test_more_ids_only_displace_sampled_ids(ids: set[str], more: set[str], size: int) -> None:
    assert sample(ids | more, size, 1, "x") & ids <= sample(ids, size, 1, "x")


def test_order_and_repetition_of_ids_do_not_matter() -> None:
    assert sample(["b", "a", "c", "a"], 2, 3, "x") == sample(["c", "b", "a"], 2, 3, "x")


def test_samples_for_other_purposes_and_seeds_differ() -> None:
    ids = [str(number) for number in range(100)]
    assert len({frozenset(sample(ids, 10, seed, purpose)) for seed in (1, 2) for purpose in "xy"}) == 4


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        # the first 6 of 10 are train, the next 2 validation
        (list(range(10)), {0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 1, 7: 1, 8: 2, 9: 2}),
        # the first item of date 5 is among the first 6 of 10, so all its items are train
        ([1, 2, 3, 4, 4, 5, 5, 5, 6, 7], {1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 2, 7: 2}),
        ([3], {3: 0}),
        ([2, 2, 2], {2: 0}),
    ],
)
def test_split_by_date(dates: list[int], expected: dict[int, int]) -> None:
    assert split_by_date(dates, 0.6, 0.2) == {date: SPLITS[split] for date, split in expected.items()}


@given(years, shares, st.randoms())
def test_no_date_is_divided_and_splits_are_in_order(
    dates: list[int], parts: tuple[float, float], random: object
) -> None:
    split_of = split_by_date(dates, *parts)
    assert split_of.keys() == set(dates)
    order = [SPLITS.index(split_of[date]) for date in sorted(split_of)]
    assert order == sorted(order)
    random.shuffle(dates)  # type: ignore[attr-defined]
    assert split_by_date(dates, *parts) == split_of


@given(years, shares)
def test_training_gets_at_least_its_share(dates: list[int], parts: tuple[float, float]) -> None:
    split_of = split_by_date(dates, *parts)
    sizes = Counter(split_of[date] for date in dates)
    assert sizes["train"] >= parts[0] * len(dates)
    assert sizes["train"] + sizes["validation"] >= min(1, sum(parts)) * len(dates) - 1e-9
    whole = max(Counter(dates).values())  # a boundary moves by less than the items of one date
    assert sizes["train"] < parts[0] * len(dates) + whole
