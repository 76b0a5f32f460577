"""Summaries and how much of a text they are made from."""

from collections.abc import Callable

import pytest

from papertrail.core.errors import DataError
from papertrail.inference.load import Model
from papertrail.inference.summaries import summarize


def test_answers_say_how_much_was_read(load_tiny: Callable[[str], Model]) -> None:
    model = load_tiny("summarization")
    short, long = summarize(model, ["we use a tree.", "we use a tree. " * 40])
    assert short["tokens_cut"] == 0 < short["tokens_read"] < long["tokens_read"] <= 40  # max_input_tokens
    whole = len(model.tokenizer(" ".join(["we use a tree."] * 40)).input_ids)
    assert long["tokens_read"] + long["tokens_cut"] == whole
    assert short["tokens"] <= 12 and isinstance(short["summary"], str)


def test_an_empty_text_is_refused(load_tiny: Callable[[str], Model]) -> None:
    with pytest.raises(DataError, match="text 2 of 2 is empty"):
        summarize(load_tiny("summarization"), ["we use a tree.", " \n"])
