"""Which model of a task answers: the named one, or the best on validation."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from papertrail.core.errors import DataError, ParamsError
from papertrail.core.params import Params, Retriever, choose

SCORE = "validation_score"  # the headline metric of the task on the validation split, whatever the kind of the model


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A model of params.yaml, its index if it is a retriever, and why it was chosen."""

    name: str
    index: str | None
    reason: str


def pick(params: Params, task: str, name: str | None, root: Path) -> Choice:
    """Choose a model of a task.

    A retriever needs an index; its index or the model itself can be named. Without a name the model with the best
    validation score answers. Scores on different data sets are not comparable, so only models on the data set with the
    most training rows compete. The order of params.yaml decides nothing: ties are broken by name.

    Raises:
        ParamsError: No model of the task has that name, or the task has no model.
    """
    models = {key: model for key, model in params.models.items() if model.task == task}
    indexes = {key: index.retriever for key, index in params.indexes.items() if index.retriever in models}
    known = [key for key, model in models.items() if not isinstance(model, Retriever) or key in indexes.values()]
    if not known:
        wanted = "an index under `indexes`" if models else "a model"
        raise ParamsError(f"params.yaml: no model of task {task}; add {wanted} and run `dvc repro`")
    if name is not None and name in indexes:
        return Choice(name=indexes[name], index=name, reason=f"index {name} was asked for")
    if name is None:
        model, reason = _best(params, known, root)
    else:
        kind = "model or index" if indexes else "model"
        model = choose(f"{kind} of task {task}", name, list(dict.fromkeys([*known, *indexes])))
        reason = "asked for"
    index = next((key for key, retriever in indexes.items() if retriever == model), None)
    return Choice(name=model, index=index, reason=reason)


def _best(params: Params, known: list[str], root: Path) -> tuple[str, str]:
    """Return the best model on validation, and why."""
    datasets = sorted({params.models[name].dataset for name in known})
    dataset = max(datasets, key=lambda name: _training_rows(name, root))
    names = sorted(name for name in known if params.models[name].dataset == dataset)
    if len(names) == 1:
        return names[0], f"the only one on {dataset}"
    metrics = {name: read_metrics(root / "metrics/finetune" / f"{name}.json") for name in names}
    scores = {name: values[SCORE] for name, values in metrics.items() if SCORE in values}
    if not scores:
        return names[0], f"one of {len(names)} on {dataset}; none has metrics/finetune/<name>.json"
    best = max(scores, key=lambda name: scores[name])
    return best, f"the best of {len(scores)} on the validation split of {dataset} ({scores[best]:.3f})"


def _training_rows(dataset: str, root: Path) -> int:
    """Return the number of training rows, 0 if stage prepare has not counted them."""
    rows = read_metrics(root / "metrics/prepare" / f"{dataset}.json").get("rows", {})
    return int(rows.get("train", {}).get("all", 0))


def read_metrics(file: Path) -> dict[str, Any]:
    """Return the content of a metrics file, {} if there is none.

    Raises:
        DataError: The file is not JSON.
    """
    try:
        metrics: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataError(f"{file}: not valid JSON ({error}); `dvc repro` writes it again") from None
    return metrics
