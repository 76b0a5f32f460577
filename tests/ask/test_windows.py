"""Mentions in long texts: every word is read, offsets are those of the text, and nothing is found twice."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scholar.ask.models import Model, load
from scholar.ask.windows import cut, find_entities, join
from scholar.params import Run
from tests.fixtures.tiny_bert import build_tokenizer
from tests.fixtures.tiny_models import write_models
from tests.fixtures.tiny_runs import TAGS, make_run

SPECIAL = 2  # [CLS] and [SEP]


class Reader(torch.nn.Module):
    """Tags `figure 12` and `table 7`, but is blind to words within `blind` tokens of the end of what it is shown.

    Whether it is the end of a sentence, at which it sees well, it tells by a closing full stop or an opening `the`.
    """

    def __init__(self, blind: int) -> None:
        super().__init__()
        self.blind = blind
        self.pieces = build_tokenizer().convert_ids_to_tokens(list(range(len(build_tokenizer()))))
        self.device = torch.device("cpu")

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> SimpleNamespace:
        logits = torch.zeros(*input_ids.shape, len(TAGS))
        logits[..., 0] = 5
        for row, (ids, seen) in enumerate(zip(input_ids.tolist(), attention_mask.sum(dim=1).tolist(), strict=True)):
            words = [self.pieces[i] for i in ids[1 : seen - 1]]
            first = 0 if words[:1] == ["the"] else self.blind
            last = len(words) if words[-1:] == ["."] else len(words) - self.blind
            for place in range(first, last):
                before = words[place - 1] if place else ""
                kind = words[place] if words[place] in ("figure", "table") else before
                if kind in ("figure", "table"):
                    tag = f"{'B' if kind == words[place] else 'I'}-{kind.upper()}"
                    logits[row, place + 1, TAGS.index(tag)] = 9
        return SimpleNamespace(logits=logits)


def make_model(blind: int = 0) -> tuple[Model, Run]:
    run = make_run("token_classification", max_tokens=32)
    params: Any = SimpleNamespace(evaluation=SimpleNamespace(batch_size=4))
    model = SimpleNamespace(network=Reader(blind), tokenizer=build_tokenizer(), labels=TAGS, params=params, name="stub")
    return cast(Model, model), run


def found(text: str, blind: int = 0) -> list[tuple[str, str]]:
    model, run = make_model(blind)
    answer = find_entities(model, run, [text], 1.0)[0]
    for mention in answer["entities"]:
        assert text[mention["start"] : mention["end"]] == mention["text"]
    return [(mention["type"], mention["text"]) for mention in answer["entities"]]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(4, 30))
def test_windows_cover_all_words_within_the_budget_and_overlap(pieces: list[int], budget: int) -> None:
    windows = cut(pieces, budget)
    assert {word for first, last in windows for word in range(first, last)} == set(range(len(pieces)))
    assert all(sum(pieces[first:last]) <= budget or last == first + 1 for first, last in windows)
    for (first, last), (following, end) in pairwise(windows):
        assert first < following <= last < end or following < last <= end
        assert following < last or last - first == 1  # only a window of one word has no half to share


@pytest.mark.parametrize("before", range(40))
def test_a_mention_on_a_seam_is_found_once_wherever_the_seam_is(before: int) -> None:
    """The reader does not see what stands within 3 words of the edge of a window, in which no sentence ends."""
    text = "the " + "we use " * before + "figure 1 and table 2 for " + "open text " * 40 + "."
    assert found(text, blind=3) == [("FIGURE", "figure 1"), ("TABLE", "table 2")]


def test_offsets_are_those_of_the_text_as_given() -> None:
    text = "  the naïve   figure\n1 .\n\nThe  table 7 ."
    assert found(text) == [("FIGURE", "figure\n1"), ("TABLE", "table 7")]


def test_a_mention_over_the_end_of_a_sentence_is_one() -> None:
    text = "see Lee et al. (2019) (2020)"
    tags = {"see": [1.0, 0, 0, 0, 0], "other": [0.1, 0.6, 0.2, 0.1, 0.0], "inner": [0.1, 0.2, 0.7, 0.0, 0.0]}
    first, second = [(0, 3), (4, 7), (8, 14)], [(15, 21), (22, 28)]
    told = [np.array([tags["see"], tags["other"], tags["inner"]]), np.array([tags["other"], tags["other"]])]
    mentions = join(text, [first, second], told, TAGS)
    assert [mention["text"] for mention in mentions] == ["Lee et al. (2019)", "(2020)"]
    assert [mention["probability"] for mention in mentions] == pytest.approx([0.8, 0.8])


@pytest.mark.parametrize("gap", ["\n\n", "\n \t\n", "\r\n\r\n", " \n\n\n "])
@pytest.mark.parametrize("sentences", [1, 2])  # 1: a splitter that reads on
def test_mentions_of_separate_paragraphs_are_two(gap: str, sentences: int) -> None:
    text = f"figure{gap}figure"
    words, tags = [(0, 6), (len(text) - 6, len(text))], [[0, 1.0, 0, 0, 0], [0, 0, 1.0, 0, 0]]
    if sentences == 1:
        mentions = join(text, [words], [np.array(tags)], TAGS)
    else:
        mentions = join(text, [words[:1], words[1:]], [np.array(tags[:1]), np.array(tags[:1])], TAGS)
    assert [mention["text"] for mention in mentions] == ["figure", "figure"]


def test_texts_are_not_sentences_of_each_other() -> None:
    model, run = make_model()
    both = find_entities(model, run, ["see figure", "1 is good"], 1.0)
    assert [len(answer["entities"]) for answer in both] == [1, 0]


@pytest.mark.parametrize("text", ["", " \n\t ", "\u200b\u00ad", "é" * 3000, "." * 500])
def test_texts_without_words_or_with_one_endless_word(text: str) -> None:
    assert found(text) == []


def test_many_texts_are_answered_as_each_alone(tmp_path: Path) -> None:
    params = write_models(tmp_path)
    model = load(params, "ner", None, tmp_path)
    run = cast(Run, model.trained)
    texts = ["the figure 1 and " * count for count in (1, 30, 3)]
    together = find_entities(model, run, texts, 1.0)
    assert [answer["windows"] > 1 for answer in together] == [False, True, False]
    for text, answer in zip(texts, together, strict=True):
        alone = find_entities(model, run, [text], 1.0)[0]
        assert [m["start"] for m in alone["entities"]] == [m["start"] for m in answer["entities"]]
        assert [m["probability"] for m in alone["entities"]] == pytest.approx(
            [m["probability"] for m in answer["entities"]], abs=1e-5
        )
