"""What a task and a head are, and how they are found: by the name of their module."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from datasets import Features

from scholar.params import choose
from scholar.records import Counts, Row

LabelOrigin = Literal["human", "parser", "distant", "behaviour", "author", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task is its data: what a row is, who labelled it, and how rows come out of raw files.

    Attributes:
        settings: the dataclass that a data set of this task, a block of `datasets` in params.yaml, must fit, or a
            union of several that its `format` tells apart.
        features: settings -> the columns of a row; `id` is unique over all splits.
        label_origin: who says what is right. "human": annotators; "parser": the tool that parsed the papers;
            "distant": a rule; "behaviour": what authors did, such as citing; "author": what
            they wrote; "none": there is no label. Formats that any file may have ask params.yaml instead, by
            `labels_by`; see label_origin_of.
        read: (folder of the raw source, settings, seed, counts) -> (split, row) pairs; what is left out is counted in
            `counts`, with a reason.
        group: the column whose values never stand in two splits.
        text: the column that tells whether two rows are the same: text, tokens or sentences.
        collection_features, read_collection: for search, what is searched: settings -> columns, and
            (folder, settings, seed, counts, ids that rows name) -> rows; None where the rows are all there is.
        resolve: (folder, settings) -> settings with what only the data tells, such as its most frequent classes; None
            where params.yaml tells all. What the other functions get has gone through it.
    """

    settings: Any
    features: Callable[[Any], Features]
    label_origin: LabelOrigin
    read: Callable[[Path, Any, int, Counts], Iterator[tuple[str, Row]]]
    group: str
    text: str
    collection_features: Callable[[Any], Features] | None = None
    read_collection: Callable[[Path, Any, int, Counts, set[str]], Iterator[Row]] | None = None
    resolve: Callable[[Path, Any], Any] | None = None


def load_task(name: str) -> Task:
    """The task in module scholar.tasks.<name>.

    Raises:
        ParamsError: there is no such module.
    """
    task = _load("task", "scholar.tasks", name).TASK
    if not isinstance(task, Task):
        raise TypeError(f"scholar.tasks.{name}.TASK is no Task")
    return task


def label_origin_of(block: Mapping[str, Any]) -> LabelOrigin:
    """Who says what is right in a data set, given as its block of params.yaml: what it tells, else its task."""
    return block.get("labels_by") or load_task(block["task"]).label_origin


def load_head(name: str) -> ModuleType:
    """The head in module scholar.heads.<name>; what it offers is told in scholar/heads/__init__.py.

    Raises:
        ParamsError: there is no such module.
    """
    return _load("head", "scholar.heads", name)


def known_names(package: str) -> list[str]:
    """Names of the modules in a package."""
    return sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__))


def _load(kind: str, package: str, name: str) -> ModuleType:
    return importlib.import_module(f"{package}.{choose(kind, name, known_names(package))}")
