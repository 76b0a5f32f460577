"""The generated tables of README.md."""

import pytest

from scholar.errors import ScholarError
from scholar.readme import replace_block

EMPTY = "top\n<!-- begin a -->\n<!-- end a -->\nmiddle\n<!-- begin b -->\n<!-- end b -->\nbottom\n"


def test_each_block_is_replaced_and_the_rest_stays() -> None:
    once = replace_block(replace_block(EMPTY, "a", "| 1 |"), "b", "| 2 |")
    assert once == (
        "top\n<!-- begin a -->\n| 1 |\n<!-- end a -->\nmiddle\n<!-- begin b -->\n| 2 |\n<!-- end b -->\nbottom\n"
    )
    assert replace_block(once, "a", "| 1 |") == once


def test_missing_marks_are_told() -> None:
    with pytest.raises(ScholarError, match="no block"):
        replace_block("top\n<!-- begin a -->\n", "a", "table")
