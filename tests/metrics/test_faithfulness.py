"""Support of summaries by their source: hand-counted shares."""

import pytest

from papertrail.metrics.faithfulness import score_support

SOURCE = ["The sieves sorted 1,200 wet pebbles.", "We lost 3.5 percent in 2019."]


@pytest.mark.parametrize(
    ("text", "words", "numbers"),
    [
        ("The sieve sorts wet pebbles.", 1, None),
        ("The sieve sorts dry pebbles.", 3 / 4, None),  # dry
        ("We lost 1,200 pebbles and 12 stones.", 2 / 3, 1 / 2),  # stones; 12 is not 1,200
        ("3.5 2019 2020", None, 2 / 3),
        ("It is the", None, None),
        ("", None, None),
    ],
)
def test_shares_by_hand(text: str, words: float | None, numbers: float | None) -> None:
    assert score_support(SOURCE, text) == {"supported_words": words, "supported_numbers": numbers}


@pytest.mark.parametrize("chosen", [[0], [1], [0, 1]])
def test_an_extract_is_supported(chosen: list[int]) -> None:
    assert score_support(SOURCE, " ".join(SOURCE[i] for i in chosen)) == {
        "supported_words": 1,
        "supported_numbers": 1,
    }
