"""Summaries and how much of a text they are made from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from papertrail.core.errors import DataError
from papertrail.core.params import load_params
from papertrail.inference.load import Model, load
from papertrail.inference.summaries import summarize
from papertrail.train.checkpoints import save_model
from papertrail.train.extractor import train
from tests.fixtures.commands import read_params
from tests.fixtures.tiny_generators import make_extractor, write_papers
from tests.fixtures.tiny_runs import make_settings, write_experiment


def test_answers_say_how_much_was_read(load_tiny: Callable[[str], Model]) -> None:
    model = load_tiny("summarization")
    short, long = summarize(model, ["we use a tree.", "we use a tree. " * 40])
    assert short["tokens_cut"] == 0 < short["tokens_read"] < long["tokens_read"] <= 40  # max_input_tokens
    whole = len(model.tokenizer(" ".join(["we use a tree."] * 40)).input_ids)
    assert long["tokens_read"] + long["tokens_cut"] == whole
    assert short["tokens"] <= 12 and isinstance(short["summary"], str)


def test_an_extractor_answers_with_its_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_experiment(tmp_path, {"extract": make_extractor()}, runtime=read_params()["runtime"])
    write_papers(tmp_path)
    monkeypatch.chdir(tmp_path)
    save_model(Path("models/extract"), *train(make_extractor(), make_settings(Path("checkpoints"))).savers)
    model = load(load_params(), "summarization", None)
    sentences = ["We use a tree.", "We parse open text.", "The figure shows a table."]
    (answer,) = summarize(model, [" ".join(sentences)])
    positions = [found["position"] for found in answer["sentences"]]
    assert positions == sorted(positions) and positions
    assert [found["text"] for found in answer["sentences"]] == [sentences[i] for i in positions]
    assert answer["summary"] == " ".join(sentences[i] for i in positions)
    assert answer["tokens_cut"] == 0 < answer["tokens"] <= answer["tokens_read"]


def test_an_empty_text_is_refused(load_tiny: Callable[[str], Model]) -> None:
    with pytest.raises(DataError, match="text 2 of 2 is empty"):
        summarize(load_tiny("summarization"), ["we use a tree.", " \n"])
