"""Mentions in long texts: every word is read, offsets refer to the text, and no mention is found twice."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from papertrail.core.errors import DataError
from papertrail.inference.entities import find_entities, join_mentions
from papertrail.inference.load import Model
from tests.fixtures.tiny_bert import build_tokenizer
from tests.fixtures.tiny_runs import TAGS, make_classifier


class StubNetwork(torch.nn.Module):
    """Tags `figure 12` and `table 7`, except within `blind` tokens of the ends of its input.

    An input that starts with `the` or ends with a full stop is not cut there, so the network reads up to that end.
    """

    def __init__(self, blind: int) -> None:
        super().__init__()
        self.blind = blind
        self.pieces = build_tokenizer().convert_ids_to_tokens(list(range(len(build_tokenizer()))))
        self.device = torch.device("cpu")

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> SimpleNamespace:
        logits = torch.zeros(*input_ids.shape, len(TAGS))
        logits[..., 0] = 5
        for row, (ids, length) in enumerate(zip(input_ids.tolist(), attention_mask.sum(dim=1).tolist(), strict=True)):
            words = [self.pieces[i] for i in ids[1 : length - 1]]
            first = 0 if words[:1] == ["the"] else self.blind
            last = len(words) if words[-1:] == ["."] else len(words) - self.blind
            for place in range(first, last):
                before = words[place - 1] if place else ""
                kind = words[place] if words[place] in ("figure", "table") else before
                if kind in ("figure", "table"):
                    tag = f"{'B' if kind == words[place] else 'I'}-{kind.upper()}"
                    logits[row, place + 1, TAGS.index(tag)] = 9
        return SimpleNamespace(logits=logits)


def make_model(blind: int = 0) -> Model:
    settings = make_classifier("token_classification", max_tokens=32)
    evaluation = SimpleNamespace(classifier=SimpleNamespace(batch_size=4))
    model = SimpleNamespace(
        network=StubNetwork(blind),
        tokenizer=build_tokenizer(),
        labels=TAGS,
        params=SimpleNamespace(evaluation=evaluation),
        name="stub",
        settings_as=lambda kind: settings,
        view_metrics=lambda inputs: {},
    )
    return cast(Model, model)


def mentions_of(text: str, blind: int = 0) -> list[tuple[str, str]]:
    (answer,) = find_entities(make_model(blind), [text])
    for mention in answer["entities"]:
        assert text[mention["start"] : mention["end"]] == mention["text"]
    return [(mention["type"], mention["text"]) for mention in answer["entities"]]


@pytest.mark.parametrize("before", range(40))
def test_a_mention_at_the_edge_of_a_window_is_found_once(before: int) -> None:
    """The network does not see words within 3 tokens of the edge of a window, unless the sentence ends there."""
    text = "the " + "we use " * before + "figure 1 and table 2 for " + "open text " * 40 + "."
    assert mentions_of(text, blind=3) == [("FIGURE", "figure 1"), ("TABLE", "table 2")]


def test_offsets_refer_to_the_text() -> None:
    text = "  the naïve   figure\n1 .\n\nThe  table 7 ."
    assert mentions_of(text) == [("FIGURE", "figure\n1"), ("TABLE", "table 7")]


def test_line_ends_change_no_mention(load_tiny: Callable[[str], Model]) -> None:
    text = "we use a tree.\n\nsee the figure 1\nof the graph."
    answers = find_entities(load_tiny("ner"), [text, text.replace("\n", "\r\n")])
    for answer in answers:
        assert all(answer["text"][one["start"] : one["end"]] == one["text"] for one in answer["entities"])
    plain, crlf = ([one["text"].split() for one in answer["entities"]] for answer in answers)
    assert plain == crlf != []


def test_a_mention_over_the_end_of_a_sentence_is_one() -> None:
    text = "see Lee et al. (2019) (2020)"
    tags = {"see": [1.0, 0, 0, 0, 0], "begin": [0.1, 0.6, 0.2, 0.1, 0.0], "inside": [0.1, 0.2, 0.7, 0.0, 0.0]}
    first, second = [(0, 3), (4, 7), (8, 14)], [(15, 21), (22, 28)]
    values = [np.array([tags["see"], tags["begin"], tags["inside"]]), np.array([tags["begin"], tags["begin"]])]
    mentions = join_mentions(text, [first, second], values, TAGS)
    assert [mention["text"] for mention in mentions] == ["Lee et al. (2019)", "(2020)"]
    assert [mention["probability"] for mention in mentions] == pytest.approx([0.8, 0.8])


@pytest.mark.parametrize("gap", ["\n\n", "\n \t\n", "\r\n\r\n", " \n\n\n "])
@pytest.mark.parametrize("sentences", [1, 2])  # 1: a splitter that ignores the blank line
def test_a_blank_line_ends_a_mention(gap: str, sentences: int) -> None:
    text = f"figure{gap}figure"
    words, tags = [(0, 6), (len(text) - 6, len(text))], [[0, 1.0, 0, 0, 0], [0, 0, 1.0, 0, 0]]
    if sentences == 1:
        mentions = join_mentions(text, [words], [np.array(tags)], TAGS)
    else:
        mentions = join_mentions(text, [words[:1], words[1:]], [np.array(tags[:1]), np.array(tags[:1])], TAGS)
    assert [mention["text"] for mention in mentions] == ["figure", "figure"]


def test_no_mention_continues_from_one_text_to_the_next() -> None:
    answers = find_entities(make_model(), ["see figure", "1 is good"])
    assert [len(answer["entities"]) for answer in answers] == [1, 0]


@pytest.mark.parametrize("text", ["\u200b\u00ad", "é" * 3000, "." * 500])
def test_texts_without_words_or_with_one_endless_word(text: str) -> None:
    assert mentions_of(text) == []


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_text_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="text 2 of 2 is empty"):
        find_entities(make_model(), ["tree", text])


def test_many_texts_are_answered_like_each_alone(load_tiny: Callable[[str], Model]) -> None:
    model = load_tiny("ner")
    texts = ["the figure 1 and " * count for count in (1, 30, 3)]
    together = find_entities(model, texts)
    assert [answer["windows"] > 1 for answer in together] == [False, True, False]
    for text, answer in zip(texts, together, strict=True):
        alone = find_entities(model, [text])[0]
        assert [m["start"] for m in alone["entities"]] == [m["start"] for m in answer["entities"]]
        assert [m["probability"] for m in alone["entities"]] == pytest.approx(
            [m["probability"] for m in answer["entities"]], abs=1e-5
        )
