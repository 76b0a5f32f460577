"""Answers of a loaded model to a command: plain dicts, ready for JSON, one per input and in the same order.

A probability is the output of the model; it may be miscalibrated. A cosine similarity is no probability.

Imports torch: import this module after `papertrail.inference.load.load`, or after `papertrail.core.runtime.configure`.
"""

from collections.abc import Callable
from typing import Any

from papertrail.core.records import Row
from papertrail.data.task import Command
from papertrail.inference.entities import find_entities
from papertrail.inference.hits import find_similar, search
from papertrail.inference.labels import label_inputs
from papertrail.inference.links import link_citations
from papertrail.inference.load import Model
from papertrail.inference.summaries import summarize

RANKED: dict[str, Callable[[Model, list[Any], int], list[Row]]] = {"links": link_citations, "hits": search}
SINGLE: dict[str, Callable[[Model, list[Any]], list[Row]]] = {
    "labels": label_inputs,
    "entities": find_entities,
    "summary": summarize,
}


def predict(model: Model, command: Command, inputs: list[Any], k: int) -> list[Row]:
    """Answer a command.

    Args:
        model: A model of the task of the command.
        command: Its forms of input and answer choose the function.
        inputs: Texts; for "paper" dicts of columns, for "citations" documents as in papertrail.inference.documents.
        k: Maximum number of results of each input, for ranked answers.

    Raises:
        DataError: An input cannot be answered, such as an empty text.
        ParamsError: The model is of a kind that cannot give this answer.
    """
    if command.answer == "hits" and command.input == "paper_name":
        return find_similar(model, inputs, k)
    if command.answer in RANKED:
        return RANKED[command.answer](model, inputs, k)
    return SINGLE[command.answer](model, inputs)
