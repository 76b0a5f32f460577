"""Draws and splits depend on names and dates alone."""

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scholar.records import SPLITS
from scholar.splits import draw, sample, split_by_date

names = st.sets(st.text(max_size=5), max_size=40)
years = st.lists(st.integers(1990, 2010), min_size=1, max_size=60)
shares = st.tuples(st.floats(0.05, 0.9), st.floats(0.05, 0.9))


def test_draw_is_the_head_of_a_hash() -> None:
    digest = hashlib.sha256(b"42\x1fnegative\x1fpaper/3").hexdigest()
    assert draw(42, "negative", "paper/3") == int(digest[:16], 16)


def test_draws_differ_by_seed_purpose_and_name() -> None:
    assert len({draw(1, "a", "b"), draw(2, "a", "b"), draw(1, "b", "a"), draw(1, "ab"), draw(1, "a", "b", "")}) == 5


def test_draws_are_even() -> None:
    tenths = Counter(draw(7, str(number)) * 10 // 2**64 for number in range(5000))
    assert sorted(tenths) == list(range(10))
    assert all(400 < count < 600 for count in tenths.values())  # 500 each, standard deviation 21


@given(names, st.integers(0, 50), st.integers(0, 9))
def test_sample_has_its_size_and_grows_by_adding(ids: set[str], size: int, seed: int) -> None:
    chosen = sample(ids, size, seed, "x")
    assert len(chosen) == min(size, len(ids))
    assert chosen <= sample(ids, size + 1, seed, "x") <= sample(ids, None, seed, "x") == ids


@given(names, names, st.integers(0, 20))
def test_new_names_only_push_out(ids: set[str], more: set[str], size: int) -> None:
    assert sample(ids | more, size, 1, "x") & ids <= sample(ids, size, 1, "x")


def test_sample_takes_order_and_repeats_for_nothing() -> None:
    assert sample(["b", "a", "c", "a"], 2, 3, "x") == sample(["c", "b", "a"], 2, 3, "x")


def test_samples_for_other_purposes_and_seeds_differ() -> None:
    ids = [str(number) for number in range(100)]
    assert len({frozenset(sample(ids, 10, seed, purpose)) for seed in (1, 2) for purpose in "xy"}) == 4


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        # the first 6 of 10 train, the next 2 validation
        (list(range(10)), {0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 1, 7: 1, 8: 2, 9: 2}),
        # date 5 begins within the first 6 of 10 and takes its later items along
        ([1, 2, 3, 4, 4, 5, 5, 5, 6, 7], {1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 2, 7: 2}),
        ([3], {3: 0}),
        ([2, 2, 2], {2: 0}),
    ],
)
def test_split_by_date(dates: list[int], expected: dict[int, int]) -> None:
    assert split_by_date(dates, 0.6, 0.2) == {date: SPLITS[split] for date, split in expected.items()}


@given(years, shares, st.randoms())
def test_dates_are_split_whole_and_in_order(dates: list[int], parts: tuple[float, float], random: object) -> None:
    split_of = split_by_date(dates, *parts)
    assert split_of.keys() == set(dates)
    order = [SPLITS.index(split_of[date]) for date in sorted(split_of)]
    assert order == sorted(order)
    random.shuffle(dates)  # type: ignore[attr-defined]
    assert split_by_date(dates, *parts) == split_of


@given(years, shares)
def test_training_never_gets_less_than_its_share(dates: list[int], parts: tuple[float, float]) -> None:
    split_of = split_by_date(dates, *parts)
    sizes = Counter(split_of[date] for date in dates)
    assert sizes["train"] >= parts[0] * len(dates)
    assert sizes["train"] + sizes["validation"] >= min(1, sum(parts)) * len(dates) - 1e-9
    whole = max(Counter(dates).values())  # a border moves by less than the items of one date
    assert sizes["train"] < parts[0] * len(dates) + whole
