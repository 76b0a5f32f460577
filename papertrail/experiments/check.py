"""Checks of params.yaml that need the tasks and heads, in seconds and without torch.

DVC removes the outputs of a stage before it starts it, so `make repro` runs these checks first. What only the data
show, such as a label that params.yaml does not list, is checked by the stage that reads them.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from papertrail.core.errors import ParamsError
from papertrail.core.params import (
    PARAMS,
    Classifier,
    Extractor,
    Linear,
    Linker,
    Model,
    Params,
    Retriever,
    Summarizer,
    choose,
    load_params,
)
from papertrail.core.plugins import plugin_names
from papertrail.core.runtime import configure
from papertrail.data.task import TASKS, Task, load_task, read_settings
from papertrail.models.heads import HEADS

CORPORA = "pretraining"  # the task whose folder of data/prepared stage pretrain depends on, see dvc.yaml
COLUMNS = {  # kind: columns of a row that it reads besides its inputs
    Linear: ("label",),
    Linker: ("paper", "query", "label", "sampled"),
    Summarizer: ("source", "target"),
    Extractor: ("source", "target"),
}
PRETRAINED = "pretrained"  # the model that stage pretrain writes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `papertrail check`: none."""


def run(arguments: argparse.Namespace) -> None:
    """Check params.yaml, and that this machine satisfies its runtime parameters."""
    params = load_params()
    configure(params.runtime)
    check(params, PARAMS)


def check(params: Params, file: Path) -> None:
    """Check data sets against their tasks and sources, and models against heads, inputs and base models.

    Raises:
        ParamsError: Every problem in one message, a line each with its dotted path in `file`.
    """
    if problems := [f"{file}: {problem}" for problem in _find_problems(params)]:
        raise ParamsError("\n".join(problems))


def _find_problems(params: Params) -> Iterator[str]:
    yield from _check_names(params)
    known = plugin_names(TASKS)
    tasks = {name: load_task(b["task"]) for name, b in params.datasets.items() if b.get("task") in known}
    settings: dict[str, Any] = {}
    for name, block in params.datasets.items():
        place = f"datasets.{name}"
        if name not in tasks:
            yield from _unknown(f"{place}.task", "task", str(block.get("task")), known)
            continue
        try:
            settings[name] = read_settings(tasks[name], block, place)
        except ParamsError as error:
            yield from str(error).split("\n")
            continue
        yield from _unknown(f"{place}.source", "source", settings[name].source, list(params.sources))
    for name, model in params.models.items():
        task = tasks.get(model.dataset) if model.dataset in settings else None
        yield from _check_model(f"models.{name}", model, task, settings.get(model.dataset))
    yield from _check_indexes(params, tasks)
    yield from _check_corpora(params, tasks)
    yield from _check_base_models(params)


def _check_names(params: Params) -> Iterator[str]:
    """Yield a line per name with a dot: dvc.yaml has `datasets.<name>`, which DVC reads as a path of keys."""
    for section in ("sources", "datasets", "models", "indexes"):
        for name in getattr(params, section):
            if "." in name:
                yield (
                    f"{section}.{name}: a name with a dot cannot be used, because DVC reads it as a path of keys; "
                    f"rename it, such as to '{name.replace('.', '_')}'"
                )


def _check_model(place: str, model: Model, task: Task | None, settings: Any) -> Iterator[str]:
    """Yield a line per problem of a model; `task` is None if its data set is invalid."""
    if isinstance(model, Classifier):
        yield from _unknown(f"{place}.head", "head", model.head, plugin_names(HEADS))
    if task is None:
        return
    if isinstance(model, Retriever) and task.collection_features is None:
        yield f"{place}.dataset: data set '{model.dataset}' of task {model.task} has no documents to search"
        return
    if isinstance(model, Retriever):
        empty = task.optional_splits(settings)
        if "test" in empty:
            yield f"{place}.dataset: data set '{model.dataset}' has no test queries; a model of it cannot be evaluated"
        if "train" in empty and model.epochs:
            yield f"{place}.epochs: data set '{model.dataset}' has no training queries; 0 is no training"
    if isinstance(model, Classifier | Linear | Retriever | Linker):
        features = task.collection_features if isinstance(model, Retriever) else task.features
        columns = list(features(settings)) if features else []
        for column in model.inputs:
            yield from _unknown(f"{place}.inputs", f"column of {model.dataset}", column, columns)
    for column in COLUMNS.get(type(model), ()):
        columns = list(task.features(settings))
        yield from _unknown(f"{place}.dataset", f"column of {model.dataset}", column, columns)


def _check_indexes(params: Params, tasks: Mapping[str, Task]) -> Iterator[str]:
    """Yield a line per index whose data set has no documents, or whose retriever is of another task."""
    for name, index in params.indexes.items():
        if index.dataset in tasks and tasks[index.dataset].collection_features is None:
            yield f"indexes.{name}.dataset: data set '{index.dataset}' of task {index.task} has no documents to search"
        if params.models[index.retriever].task != index.task:
            task = params.models[index.retriever].task
            yield f"indexes.{name}.retriever: '{index.retriever}' is of task {task}, the index of task {index.task}"


def _check_corpora(params: Params, tasks: Mapping[str, Task]) -> Iterator[str]:
    """Yield a line per pretraining corpus that is no text for pretraining."""
    corpora = [name for name in tasks if params.datasets[name]["task"] == CORPORA]
    for name in params.pretraining.corpora:
        if name in tasks and name not in corpora:
            yield (
                f"pretraining.corpora: '{name}' is of task {params.datasets[name]['task']}; expected a data set of "
                f"task {CORPORA} ({', '.join(corpora)})"
            )


def _check_base_models(params: Params) -> Iterator[str]:
    """Yield a line per base model that is no source and no model of the pipeline."""
    folders = [f"data/raw/{name}" for name in params.sources]
    trained = [name for name, model in params.models.items() if not isinstance(model, Linear)]
    folders += [f"models/{name}" for name in (PRETRAINED, *trained)]
    trainings = {"pretraining": params.pretraining.base_model}
    trainings |= {f"models.{name}": model.base_model for name, model in params.models.items()}
    for place, folder in trainings.items():
        if not any(Path(folder).is_relative_to(known) for known in folders):
            yield from _unknown(f"{place}.base_model", "base model", folder, folders)


def _unknown(place: str, kind: str, name: str, known: list[str]) -> Iterator[str]:
    """Yield a line if a name is unknown."""
    try:
        choose(kind, name, known)
    except ParamsError as error:
        yield f"{place}: {error}"
