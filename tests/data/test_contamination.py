"""Test rows that are contained in a paragraph of the pretraining text; the stage is tested in tests/stages."""

from dataclasses import replace

import pytest

from papertrail.core.errors import DataError
from papertrail.core.params import Leakage, validate
from papertrail.data.contamination import check_contamination
from tests.fixtures.commands import read_params

SETTINGS = replace(validate(Leakage, read_params()["leakage"], "leakage"), shingle_letters=8)
ABSTRACT = (
    "Round pebbles are hard to tell apart when they are wet. We train a sieve that looks at the edges of each pebble "
    "and show that it finds nine of ten round ones in two valleys, at half the cost of a keeper."
)
OTHER = "Sentences of legal texts are long. We cut them at their connectives and measure how much faster people read."


def test_test_rows_in_pretraining_paragraphs() -> None:
    ids, corpus = ["P/0", "P/1"], [OTHER, f"{OTHER} {ABSTRACT} {OTHER}"]
    long = [(str(number), f"{'abcdefghij'[number]} valley " * 8) for number in range(10)]
    tests = {"clean": long, "dirty": [*long, ("d", ABSTRACT[57:])], "short": [("s", "legal texts")]}
    loose = replace(SETTINGS, max_contaminated=0.1)
    assert check_contamination(tests, ids, iter(corpus), loose) == {
        "clean": {"rows": 10, "compared": 10, "in_pretraining": 0},
        "dirty": {"rows": 11, "compared": 11, "in_pretraining": 1},
        "short": {"rows": 1, "compared": 0, "in_pretraining": 0},
    }
    with pytest.raises(DataError, match=r"data set dirty: 1 of 11 test rows .* such as 'd' in paragraph 'P/1'"):
        check_contamination(tests, ids, corpus, SETTINGS)
