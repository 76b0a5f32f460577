"""Support of summaries by their source: hand-counted words and numbers."""

import pytest

from papertrail.metrics.faithfulness import count_support, mean_support

SOURCE = ["The sieves sorted 1,200 wet pebbles.", "We lost 3.5 percent in 2019."]


@pytest.mark.parametrize(
    ("text", "words", "words_in_source", "numbers", "numbers_in_source"),
    [
        ("The sieve sorts wet pebbles.", 4, 4, 0, 0),
        ("The sieve sorts dry pebbles.", 4, 3, 0, 0),  # dry
        ("We lost 1,200 pebbles and 12 stones.", 3, 2, 2, 1),  # stones; 12 is not 1,200
        ("3.5 2019 2020 2020", 0, 0, 4, 2),
        ("It is the", 0, 0, 0, 0),
        ("", 0, 0, 0, 0),
    ],
)
def test_counts_by_hand(text: str, words: int, words_in_source: int, numbers: int, numbers_in_source: int) -> None:
    assert count_support(SOURCE, text) == {
        "content_words": words,
        "content_words_in_source": words_in_source,
        "numbers": numbers,
        "numbers_in_source": numbers_in_source,
    }


@pytest.mark.parametrize("chosen", [[0], [1], [0, 1]])
def test_an_extract_is_supported(chosen: list[int]) -> None:
    counts = count_support(SOURCE, " ".join(SOURCE[i] for i in chosen))
    assert mean_support([counts]) == {"supported_words": 1, "supported_numbers": 1}


def test_shares_are_of_all_summaries_together() -> None:
    counts = [count_support(SOURCE, text) for text in ("sieve", "dry wet wet 7", "")]
    assert mean_support(counts) == {"supported_words": 3 / 4, "supported_numbers": 0}
    assert mean_support(counts[-1:]) == {}
