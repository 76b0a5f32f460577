"""Windows over long sentences, and the merging of their probabilities."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from papertrail.inference.windows import SentenceProbabilities, Window, cut_windows


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(4, 30))
def test_windows_cover_all_words_within_the_budget_and_overlap(pieces: list[int], budget: int) -> None:
    windows = cut_windows(pieces, budget)
    assert {word for first, last in windows for word in range(first, last)} == set(range(len(pieces)))
    assert all(sum(pieces[first:last]) <= budget or last == first + 1 for first, last in windows)
    for (first, last), (following, end) in pairwise(windows):
        assert first < following <= last < end or following < last <= end
        assert following < last or last - first == 1  # only a window of one word has no half to share


def test_a_word_keeps_the_window_in_which_it_is_farthest_from_an_edge() -> None:
    merged = SentenceProbabilities(6, np.array([1.0]))
    merged.add(Window(0, 0, 0, 4), np.full((4, 1), 0.1))
    merged.add(Window(0, 0, 2, 6), np.full((4, 1), 0.2))
    assert merged.values[:, 0].tolist() == [0.1, 0.1, 0.1, 0.2, 0.2, 0.2]


def test_a_word_that_no_window_reads_keeps_its_start_value() -> None:
    merged = SentenceProbabilities(2, np.array([1.0, 0.0]))
    merged.add(Window(0, 0, 0, 2), np.array([[0.4, 0.6]]))  # the second word was truncated
    assert merged.values.tolist() == [[0.4, 0.6], [1.0, 0.0]]
