"""A trained model of a task, loaded to answer: the one that is named, or the best on validation.

torch and its libraries are loaded inside `load` alone, after the caps of params.yaml are set, so that help and errors
come at once.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scholar.errors import DataError, ParamsError
from scholar.params import Params, Retriever, Run, Summarizer, choose
from scholar.runtime import configure, device, for_reading, start

if TYPE_CHECKING:
    from scholar.index import Loaded

SEARCH, SUMMARIES = "semantic_search", "summarization"
STAGES = {"runs": "finetune", "retrievers": "finetune_retriever", "summarizers": "finetune_summarizer"}
VALIDATION = {"validation_score": 1, "validation_ndcg@10": 1, "validation_loss": -1}  # -1: the lower the better


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that can be asked.

    Attributes:
        name: the run, retriever or summarizer of params.yaml.
        task: what it was trained for.
        params: those that it was trained under.
        trained: its block of them.
        network: the model itself, in evaluation mode on its device; of a retriever a SentenceTransformer.
        tokenizer: its tokenizer.
        labels: what its outputs stand for; empty where it has no classes.
        index: what a retriever searches, else None.
        metrics: view -> what metrics/evaluate/<name>.json tells of the test split; {} without that file.
        chosen: why this model, in words.
        revision: of git, None outside a repository.
    """

    name: str
    task: str
    params: Params
    trained: Run | Retriever | Summarizer
    network: Any
    tokenizer: Any
    labels: list[str]
    index: "Loaded | None"
    metrics: dict[str, Any]
    chosen: str
    revision: str | None


def load(params: Params, task: str, run: str | None, root: Path = Path(), revision: str | None = None) -> Model:
    """Load a model of a task.

    Args:
        params: those of `root`.
        task: such as ner.
        run: a run, retriever or summarizer of that task, for search also an index; None takes the best on validation.
        root: the folder with models/, metrics/ and data/index/.
        revision: what `root` holds, if that is not the workspace.

    Raises:
        ParamsError: there is no such run, or none of the task.
        DataError: its files are not there, or cannot be read.
    """
    name, index, chosen = pick(params, task, run, root)
    folder = require(params, name, root)
    trained = params.trained[name]
    configure(params.runtime)
    start(params.runtime, params.seed)
    from safetensors import SafetensorError  # after the caps are set

    try:
        network, tokenizer = _read(params, trained, folder)
    except (OSError, ValueError, SafetensorError) as error:  # which tell of files that are cut, broken or missing
        raise DataError(
            f"{folder}: cannot be loaded ({' '.join(str(error).split())}); `dvc checkout --force {folder}` brings it "
            f"back, or `dvc repro {_target(params, name)}` makes it anew"
        ) from None
    labels = network.config.id2label if isinstance(trained, Run) else {}
    if index is not None:
        from scholar.index import load_index

        loaded = load_index(root / "data/index" / index, folder)
    return Model(
        name=name,
        task=task,
        params=params,
        trained=trained,
        network=network.eval(),
        tokenizer=tokenizer,
        labels=[labels[i] for i in range(len(labels))],
        index=None if index is None else loaded,
        metrics=read_metrics(root / "metrics/evaluate" / f"{name}.json"),
        chosen=chosen,
        revision=revision or describe_revision(root),
    )


def _read(params: Params, trained: Run | Retriever | Summarizer, folder: Path) -> tuple[Any, Any]:
    """Network and tokenizer; the libraries come with the heads."""
    if isinstance(trained, Run):
        from scholar.encoding import load_tokenizer
        from scholar.task import load_head

        network = load_head(trained.head).AUTO_MODEL.from_pretrained(folder, local_files_only=True)
        return for_reading(network, params.runtime), load_tokenizer(folder, trained.max_tokens)
    if isinstance(trained, Retriever):
        from scholar.heads.retrieval import load_encoder

        encoder = load_encoder(folder, trained.max_tokens, device(params.runtime))
        return for_reading(encoder, params.runtime), encoder.tokenizer
    from scholar.heads import generation

    network = generation.load_model(folder, device(params.runtime))
    return for_reading(network, params.runtime), generation.load_tokenizer(folder)


def pick(params: Params, task: str, run: str | None, root: Path) -> tuple[str, str | None, str]:
    """The name of a model, its index if the task is search, and why it was chosen.

    Scores of different data sets do not compare: without a name, only models of the first one are looked at.

    Raises:
        ParamsError: no model of the task has that name, or there is none.
    """
    indexes = {name: index.retriever for name, index in params.indexes.items()} if task == SEARCH else {}
    known = [name for name, given in params.trained.items() if given.task == task]
    if task == SEARCH:
        known = [name for name in known if name in indexes.values()]
    if not known:
        wanted = "an index under `indexes`" if task == SEARCH else "a model"
        raise ParamsError(f"params.yaml: no model of task {task}; add {wanted} and `dvc repro`")
    if run in indexes:
        return indexes[run], run, f"index {run} was asked for"
    if run is None:
        name, why = _best(params, known, root)
    else:
        kind = "model or index" if indexes else "model"
        name, why = choose(f"{kind} of task {task}", run, list(dict.fromkeys([*known, *indexes]))), "asked for"
    return name, next((index for index, retriever in indexes.items() if retriever == name), None), why


def _best(params: Params, known: list[str], root: Path) -> tuple[str, str]:
    data = params.trained[known[0]].data
    rivals = [name for name in known if params.trained[name].data == data]
    if len(rivals) == 1:
        return rivals[0], f"the only one on {data}"
    found = {name: read_metrics(root / "metrics/finetune" / f"{name}.json") for name in rivals}
    scores = {name: (key, told[key]) for name, told in found.items() for key in VALIDATION if key in told}
    if not scores:
        return rivals[0], f"the first of {len(rivals)} on {data}; none has metrics/finetune/<name>.json"
    best = max(scores, key=lambda name: VALIDATION[scores[name][0]] * scores[name][1])  # of equals the first
    key, value = scores[best]
    return best, f"the best of {len(scores)} on {data} by {key.replace('_', ' ')} ({value:.3f})"


def require(params: Params, name: str, root: Path) -> Path:
    """The folder of a model.

    Raises:
        DataError: it is not there.
    """
    folder = root / "models" / name
    if not (folder / "config.json").is_file():
        target = _target(params, name)
        raise DataError(
            f"{folder}: the model is not there; `dvc repro {target}` trains it, `dvc pull {target}` "
            "brings it from the remote"
        )
    return folder


def _target(params: Params, name: str) -> str:
    """The stage that makes a model, as DVC calls it."""
    sections = {"runs": params.runs, "retrievers": params.retrievers, "summarizers": params.summarizers}
    stage = next(STAGES[section] for section, named in sections.items() if name in named)  # type: ignore[operator]
    return f"{stage}@{name}"


def read_metrics(file: Path) -> dict[str, Any]:
    """A metrics file, {} if there is none.

    Raises:
        DataError: it is not JSON.
    """
    try:
        read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataError(f"{file}: not valid JSON ({error}); `dvc repro` writes it anew") from None
    return read


def describe_revision(root: Path) -> str | None:
    """What git calls the workspace, with `-dirty` if it has changes; None outside a repository."""
    try:
        command = ["git", "describe", "--always", "--tags", "--dirty"]
        told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git
        return None
    return told.stdout.strip() or None


def about(model: Model) -> dict[str, Any]:
    """What answered: {"run", "task", "data", "chosen", "revision", "scores"}.

    `scores` holds a dict per view of the test split: "view", "score" (its name in metrics/), "name" (for people),
    "value", "low", "high" and "level", the share of such intervals that hold the true value.
    """
    from scholar.tables import HEADLINES, NAMES

    scores = []
    for view, systems in sorted(model.metrics.items()):
        own = systems.get("model", {})
        score = next((name for name in HEADLINES if name in own and f"{name}_low" in own), None)
        if score is not None:
            ends = {"value": own[score], "low": own[f"{score}_low"], "high": own[f"{score}_high"]}
            level = model.params.evaluation.level
            scores.append({"view": view, "score": score, "name": NAMES.get(score, score), **ends, "level": level})
    facts = {"run": model.name, "task": model.task, "data": model.trained.data, "chosen": model.chosen}
    return {**facts, "revision": model.revision, "scores": scores}
