"""The beginning of long texts."""

import pytest

from papertrail.inference.snippets import shorten


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("", ""),
        ("漢字", "漢字"),
        ("a" * 60, "a" * 60),
        ("two\n  lines", "two lines"),
        ("tree " * 30, "tree " * 11 + "..."),
        ("漢" * 100, "漢" * 56 + " ..."),  # no space to cut at
    ],
)
def test_a_text_is_cut_between_words(text: str, short: str) -> None:
    assert shorten(text, 60) == short
