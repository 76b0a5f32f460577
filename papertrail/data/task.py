"""The definition of a task: its data, its title, its headline metrics and the commands that its models answer.

A task is one module of papertrail.data.tasks with a `TASK`. Nothing else names it. The command line imports all tasks,
so these modules and what they import at their top must not import numpy, torch or other heavy libraries.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from papertrail.core.errors import ParamsError
from papertrail.core.params import Fraction, Leakage, Params, strict, validate
from papertrail.core.plugins import load_plugin, plugin_names
from papertrail.core.records import Counts, Row

if TYPE_CHECKING:
    from datasets import Features

TASKS = "papertrail.data.tasks"
LabelOrigin = Literal["human", "parser", "distant", "behaviour", "author", "none"]
Input = Literal["sentence", "text", "paper", "query", "paper_name", "citations", "document"]
Answer = Literal["labels", "entities", "links", "hits", "summary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A question to a model of a task: `papertrail <name>`, `POST /api/<name>` and a form on the page.

    Attributes:
        name: Of the command and the endpoint.
        title: Heading on the page.
        help: One line for the command line and the page.
        example: Example call for the command line.
        input: Form of one input. "sentence" and "query": a short text; "text": a text of any length; "document": the
            text of a whole paper; "paper": {"title", "abstract"}, the abstract may be empty; "paper_name": id or title
            of a paper in the index; "citations": {"text", "bibliography": [{"id", "title", "abstract"}]}.
        answer: Form of an answer. "labels": a label and the probability of each; "entities": mentions with offsets;
            "links": ranked bibliography entries per citation; "hits": ranked documents; "summary": a text.
        examples: Inputs for the page and the API documentation, in the form of `input`.
    """

    name: str
    title: str
    help: str
    example: str
    input: Input
    answer: Answer
    examples: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The data of a task, how its models are reported, and the commands that they answer.

    Attributes:
        title: For reports and pages.
        headlines: Names of the metrics that models are compared by; the first that a model has is used.
        commands: Commands that its models answer; may be empty.
        settings: Dataclass for the block of a data set in params.yaml, or a union of several with the field `format`.
        features: Function of the settings; returns the columns of a row. `id` is unique over all splits.
        label_origin: Who assigns the labels. "human": annotators; "parser": the parser of the papers; "distant": a
            rule; "behaviour": actions of authors, such as citing; "author": what the authors wrote; "none": there are
            no labels. A block of params.yaml with `labels_by` overrides it; see `label_origin_of`.
        read: Function of (folder of the raw source, settings, seed, counts); yields (split, row) and counts what it
            drops by reason.
        group: Column whose values are never in two splits.
        text: Column that decides whether two rows are duplicates: a text, tokens or sentences.
        collection_features: For search: function of the settings; returns the columns of a document.
        read_collection: For search: function of (folder, settings, seed, counts, ids that rows name); yields documents.
        optional_splits: Function of the settings; returns the splits that may be empty.
        resolve: Function of (folder, settings); returns settings that are completed from the data, such as the most
            frequent classes. None if params.yaml is complete. The other functions receive completed settings.
    """

    title: str
    headlines: tuple[str, ...]
    settings: Any
    features: Callable[[Any], "Features"]
    label_origin: LabelOrigin
    read: Callable[[Path, Any, int, Counts], Iterator[tuple[str, Row]]]
    group: str
    text: str
    commands: tuple[Command, ...] = ()
    collection_features: Callable[[Any], "Features"] | None = None
    read_collection: Callable[[Path, Any, int, Counts, set[str]], Iterator[Row]] | None = None
    optional_splits: Callable[[Any], frozenset[str]] = lambda settings: frozenset()
    resolve: Callable[[Path, Any], Any] | None = None

    def headline(self, scores: Mapping[str, Any]) -> str | None:
        """Return the metric that models are compared by: the first headline in `scores`, None if there is none."""
        return next((name for name in self.headlines if name in scores), None)


def load_task(name: str) -> Task:
    """Return the task of a module of papertrail.data.tasks.

    Raises:
        ParamsError: There is no such module.
        TypeError: It has no TASK.
    """
    task = load_plugin("task", TASKS, name).TASK
    if not isinstance(task, Task):
        raise TypeError(f"{TASKS}.{name}.TASK is not a Task")
    return task


def load_tasks() -> dict[str, Task]:
    """Return all tasks by name."""
    return {name: load_task(name) for name in plugin_names(TASKS)}


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLeakage:
    """Limits of a data set that replace those of section `leakage`; see papertrail.core.params.Leakage."""

    max_dropped: Fraction | None = None
    max_label_leakage: dict[str, Fraction] | None = None


def load_settings(dataset: str, params: Params) -> Any:
    """Return the settings of a data set, an instance of the settings of its task.

    Raises:
        ParamsError: The task is unknown, or the block does not fit its settings.
    """
    block = params.datasets[dataset]
    try:
        task = load_task(str(block.get("task")))
    except ParamsError as error:
        raise ParamsError(f"params.yaml: datasets.{dataset}.task: {error}") from None
    return read_settings(task, block, f"params.yaml: datasets.{dataset}")


def read_settings(task: Task, block: Mapping[str, Any], place: str) -> Any:
    """Return the settings in the block of a data set; its key `leakage`, which every task has, is checked and left out.

    Raises:
        ParamsError: The block does not fit the settings.
    """
    if "leakage" in block:
        validate(OwnLeakage, block["leakage"], f"{place}.leakage")
    return validate(task.settings, {key: value for key, value in block.items() if key != "leakage"}, place)


def leakage_of(dataset: str, params: Params) -> Leakage:
    """Return the limits of a data set: its own in `datasets.<name>.leakage`, and those of section `leakage`."""
    block = params.datasets[dataset].get("leakage", {})
    own = validate(OwnLeakage, block, f"params.yaml: datasets.{dataset}.leakage")
    limits = {**params.leakage.max_label_leakage, **(own.max_label_leakage or {})}
    dropped = params.leakage.max_dropped if own.max_dropped is None else own.max_dropped
    return replace(params.leakage, max_dropped=dropped, max_label_leakage=limits)


def label_origin_of(block: Mapping[str, Any]) -> LabelOrigin:
    """Return who assigned the labels of a data set, from its block of params.yaml."""
    return block.get("labels_by") or load_task(block["task"]).label_origin
