"""Load a trained model of a task: the named one, or the best on validation.

torch and its libraries are imported inside `load`, after the instruction caps of params.yaml are set. Importing this
module is fast, so help and errors appear at once.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from papertrail.core.errors import DataError, ParamsError
from papertrail.core.params import (
    Classifier,
    Extractor,
    Linear,
    Linker,
    Params,
    Retriever,
    Runtime,
    Summarizer,
)
from papertrail.core.params import Model as ModelParams
from papertrail.core.runtime import configure, device, start, to_inference
from papertrail.data.task import load_task
from papertrail.models.choice import pick, read_metrics

if TYPE_CHECKING:
    from papertrail.models.index import Loaded

MARKS = ("config.json", "extractor.json")  # a folder of a model has one of them
RANKED_BY = {"model": "its vectors", "bm25": "BM25", "hybrid": "BM25 and its vectors"}
Settings = TypeVar("Settings")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A trained model, ready to answer.

    Attributes:
        name: Its name in params.yaml.
        settings: Its block in params.yaml.
        params: The parameters it was trained with.
        network: The network in evaluation mode on its device; for a retriever a QueryEncoder, for
            other kinds than a classifier and a summarizer another object of papertrail.models.
        tokenizer: Its tokenizer, None for a linear model.
        labels: Names of its outputs; empty without classes.
        index: The collection that a retriever searches; None for other kinds.
        metrics: View -> metrics on the test split, from metrics/evaluate/<name>.json; {} without that file.
        reason: Why this model was chosen, for people.
        revision: Revision of git, None outside a repository.
    """

    name: str
    settings: ModelParams
    params: Params
    network: Any
    tokenizer: Any
    labels: list[str]
    index: "Loaded | None"
    metrics: dict[str, Any]
    reason: str
    revision: str | None

    @overload
    def settings_as(self, kind: type[Settings], /) -> Settings: ...
    @overload
    def settings_as(self, kind: type[Settings], other: type[Other], /) -> Settings | Other: ...
    def settings_as(self, *kinds: type[Any]) -> Any:
        """Return the settings of a model of one of some kinds.

        Raises:
            ParamsError: The model is of another kind.
        """
        for kind in kinds:
            if isinstance(self.settings, kind):
                return self.settings
        wanted = " or ".join(kind.__name__.lower() for kind in kinds)
        raise ParamsError(f"params.yaml: models.{self.name}.kind: {self.settings.kind}, but only a {wanted} can answer")

    def view_metrics(self, inputs: list[str]) -> dict[str, Any]:
        """Return the test metrics of the view with these inputs, else of that with all inputs; {} without either."""
        views = {name: set(shown) for name, shown in self.params.inputs_by_view(self.settings).items() if shown}
        wanted = [set(inputs), set(self.settings_as(Classifier, Linear).inputs)]
        names = [name for shown in wanted for name, own in views.items() if own == shown]
        found: dict[str, Any] = self.metrics.get((names or ["test"])[0], {})
        return found


def load(params: Params, task: str, name: str | None, root: Path = Path(), revision: str | None = None) -> Model:
    """Load a model of a task.

    Args:
        params: Parameters of `root`.
        task: Name of the task.
        name: Name of a model of that task, or of an index; None takes the best on validation.
        root: Folder with models/, metrics/ and data/index/.
        revision: Git revision of `root`, if it is not the workspace.

    Raises:
        ParamsError: No model of the task has that name, or the task has no model.
        DataError: The files of the model are missing or unreadable.
    """
    choice = pick(params, task, name, root)
    folder = require(params, choice.name, root)
    settings = params.models[choice.name]
    configure(params.runtime)
    start(params.runtime, params.seed)
    network, tokenizer = _load_network(choice.name, settings, params.runtime, folder)
    index = _load_index(root / "data/index" / choice.index, folder, settings) if choice.index else None
    return Model(
        name=choice.name,
        settings=settings,
        params=params,
        network=network,
        tokenizer=tokenizer,
        labels=_labels_of(network, settings),
        index=index,
        metrics=read_metrics(root / "metrics/evaluate" / f"{choice.name}.json"),
        reason=f"{choice.reason}; searches by {RANKED_BY[index.system]}" if index else choice.reason,
        revision=revision or describe_revision(root),
    )


def _load_network(name: str, settings: Any, runtime: Runtime, folder: Path) -> tuple[Any, Any]:
    """Return network and tokenizer.

    Raises:
        DataError: A file is cut off, broken or missing.
    """
    from safetensors import SafetensorError

    try:
        network, tokenizer = LOADERS[settings.kind](settings, runtime, folder)
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(
            f"{folder}: cannot be loaded ({' '.join(str(error).split())}); `dvc checkout --force {folder}` restores "
            f"it, `dvc repro finetune@{name}` trains it again"
        ) from None
    if isinstance(settings, Linear):
        return network, tokenizer
    return to_inference(network, runtime).eval(), tokenizer


def _labels_of(network: Any, settings: Any) -> list[str]:
    if isinstance(settings, Linear):
        return list(network.labels)
    names = network.config.id2label if isinstance(settings, Classifier) else {}
    return [names[number] for number in range(len(names))]


def _load_classifier(settings: Classifier, runtime: Runtime, folder: Path) -> tuple[Any, Any]:
    from papertrail.models.encoding import load_tokenizer
    from papertrail.models.heads import load_head
    from papertrail.models.kernels import make_portable

    network = make_portable(load_head(settings.head).AUTO_MODEL.from_pretrained(folder, local_files_only=True))
    return network, load_tokenizer(folder, settings.max_tokens)


def _load_linear(settings: Linear, runtime: Runtime, folder: Path) -> tuple[Any, Any]:
    from papertrail.models.linear import load_linear

    return load_linear(folder, settings.max_tokens, device(runtime)), None


def _load_retriever(settings: Retriever, runtime: Runtime, folder: Path) -> tuple[Any, Any]:
    from papertrail.models.query_encoder import load_query_encoder

    encoder = load_query_encoder(folder, settings.max_tokens, device(runtime))
    return encoder, encoder.tokenizer


def _load_summarizer(settings: Summarizer, runtime: Runtime, folder: Path) -> tuple[Any, Any]:
    from papertrail.models.language_model import load_model, load_tokenizer

    return load_model(folder, device(runtime)), load_tokenizer(folder)


def _load_extractor(settings: Extractor, runtime: Runtime, folder: Path) -> tuple[Any, Any]:
    from papertrail.models.extractor import load_extractor

    extractor = load_extractor(folder, device(runtime))
    return extractor, extractor.encoder.tokenizer


def _load_linker(settings: Linker, runtime: Runtime, folder: Path) -> tuple[Any, Any]:
    from papertrail.models.linking import load_linker

    linker = load_linker(folder, settings.max_tokens, device(runtime))
    return linker, linker.encoder.tokenizer


LOADERS: dict[str, Callable[[Any, Runtime, Path], tuple[Any, Any]]] = {
    "classifier": _load_classifier,
    "linear": _load_linear,
    "retriever": _load_retriever,
    "summarizer": _load_summarizer,
    "extractor": _load_extractor,
    "linker": _load_linker,
}


def _load_index(folder: Path, model: Path, settings: Any) -> "Loaded":
    from papertrail.models.index import load_index

    return load_index(folder, model, settings.inputs)


def require(params: Params, name: str, root: Path) -> Path:
    """Return the folder of a model.

    Raises:
        DataError: The model is missing.
    """
    folder = root / "models" / name
    if not any((folder / mark).is_file() for mark in MARKS):
        stage = f"finetune@{name}"
        raise DataError(
            f"{folder}: the model is missing; `dvc repro {stage}` trains it, `dvc pull {stage}` downloads it"
        )
    return folder


def describe_revision(root: Path) -> str | None:
    """Return the git description of the workspace, with `-dirty` if it has changes; None outside a repository."""
    try:
        command = ["git", "describe", "--always", "--tags", "--dirty"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # git is not installed
        return None
    return done.stdout.strip() or None


def about(model: Model) -> dict[str, Any]:
    """Describe the model of an answer: {"run", "task", "data", "chosen", "revision", "scores", "cautions"}.

    `scores` has a dict per view of the test split: "view", "score" (its key in metrics/), "name" (for people),
    "value", "low", "high" and "level" (confidence level of the interval). A search has those of its system. `cautions`:
    sentences on what to know before trusting the model, see papertrail.evaluate.cautions.
    """
    from papertrail.evaluate.cautions import find_cautions
    from papertrail.report.names import METRICS, metric_name, system_name

    headlines = load_task(model.settings.task).headlines
    level = model.params.evaluation.confidence_level
    system = model.index.system if model.index else "model"
    scores, cautions = [], []
    for view, systems in sorted(model.metrics.items()):
        values = systems.get(system, {})
        score = next((name for name in headlines if name in values and f"{name}_low" in values), None)
        if score is not None:
            interval = {"value": values[score], "low": values[f"{score}_low"], "high": values[f"{score}_high"]}
            scores.append({"view": view, "score": score, "name": metric_name(score), **interval, "level": level})
            cautions += find_cautions(systems, score, system, lambda key: METRICS.get(key) or system_name(key))
    facts = {"run": model.name, "task": model.settings.task, "data": model.settings.dataset, "chosen": model.reason}
    return {**facts, "revision": model.revision, "scores": scores, "cautions": list(dict.fromkeys(cautions))}
