"""Every command is answered by the function for its form of answer."""

from collections.abc import Callable
from typing import Any

import pytest

from papertrail.core.errors import ParamsError
from papertrail.inference.load import Model
from papertrail.inference.predict import predict
from papertrail.inference.task_commands import RANKED, load_commands

TEXT = "we show the model of figure 3. the problem is hard [1]."
INPUTS: dict[str, Any] = {  # by form of input
    "sentence": TEXT,
    "text": TEXT,
    "paper": {"title": "the model", "abstract": ""},
    "query": "the model",
    "paper_name": "topic00",
    "document": TEXT,
    "citations": {
        "text": TEXT,
        "citations": [{"start": 51, "end": 54, "target": None}],
        "bibliography": [{"id": "a", "title": "the model", "abstract": "", "year": None}],
    },
}
KEYS = {"labels": "label", "entities": "entities", "links": "citations", "hits": "hits", "summary": "summary"}


def test_every_command_is_answered_in_its_form(load_tiny: Callable[[str], Model]) -> None:
    commands = load_commands()
    assert {question.command.answer for question in commands.values()} == set(KEYS)
    for question in commands.values():
        (answer,) = predict(load_tiny(question.task), question.command, [INPUTS[question.command.input]], 2)
        assert KEYS[question.command.answer] in answer
        assert question.is_ranked == (question.command.answer in RANKED)


def test_examples_of_commands_are_inputs_of_their_form() -> None:
    for question in load_commands().values():
        assert question.command.examples
        for example in question.command.examples:
            assert type(example) is type(INPUTS[question.command.input])


def test_a_model_of_another_kind_is_refused(load_tiny: Callable[[str], Model]) -> None:
    command = load_commands()["search"].command
    with pytest.raises(ParamsError, match="only a retriever can answer"):
        predict(load_tiny("citation_intent"), command, ["tree"], 2)
