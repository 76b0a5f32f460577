"""Where a model comes from: a card for people, and hashes of everything that its stages declare in dvc.yaml.

Both are made from params.yaml, dvc.yaml, metrics and files alone, so their bytes depend on nothing else. dvc.lock
records the same for the whole run, by DVC's own hashes.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from tabulate import tabulate

from scholar.errors import DataError

PACKAGES = (  # whose versions decide what a trained model is; all others are pinned in requirements.txt, too
    "accelerate",
    "datasets",
    "faiss-cpu",
    "numpy",
    "peft",
    "scikit-learn",
    "scipy",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
)
LIMITS = {  # by who says what is right
    "human": "Labels are those of annotators; scores tell how well the model does what they do.",
    "parser": "Labels are those of the tool that read the PDFs; scores tell how well the model imitates that tool.",
    "distant": "Labels come from a rule; scores tell how well the model imitates that rule.",
    "behaviour": "What counts as right is what authors did, such as citing; they did not judge all there is.",
    "author": "References are what authors wrote; another text may be as good and score lower.",
    "none": "There are no labels; the model has learnt from text alone.",
}
SEED = "One seed; another would move the scores, too. `_low` and `_high` are the ends of an interval over papers."


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What a card tells of a data set."""

    name: str
    task: str
    label_origin: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What a card tells of a model: `stages` made it and its scores, `split` is where `metrics` were measured."""

    name: str
    kind: str
    encoder: str
    licence: str
    library: str
    datasets: list[Dataset]
    stages: list[str]
    metrics: Path
    split: str


def describe(model: Model) -> str:
    """The model card: metadata as the Hugging Face Hub reads it, then scores, data, limits and how to rebuild.

    Raises:
        DataError: there are no metrics.
    """
    views = read_views(model)
    data = ModelCardData(
        language="en",
        license=model.licence.lower(),
        library_name=model.library,
        pipeline_tag=model.kind,
        model_name=model.name,
        datasets=[dataset.name for dataset in model.datasets],
        eval_results=list(eval_results(model, views)),
    )
    tables = [f"{view}:\n\n{score_table(systems)}" for view, systems in views.items()]
    rows = [[d.name, d.task, d.label_origin, d.licence] for d in model.datasets]
    origins = dict.fromkeys(d.label_origin for d in model.datasets)
    blocks = [
        f"---\n{data.to_yaml()}\n---",
        f"# {model.name}",
        f"Made from the weights in `{model.encoder}` (licence: {model.licence}).",
        f"## Scores on the {model.split} split",
        *tables,
        "## Data",
        tabulate(rows, ["data set", "task", "labels", "licence"], tablefmt="github"),
        "## Limits",
        "\n".join([*(f"- {LIMITS[origin]}" for origin in origins), f"- {SEED}"]),
        "## Rebuild exactly this",
        "```console\n" + "\n".join(f"$ dvc repro {stage}" for stage in model.stages) + "\n```",
        "In a checkout whose `dvc.lock` records this run: it names the hash of all that every stage read and wrote. "
        "For this model alone, `provenance.json` has the sha256 of its files and of all that these stages read, code "
        "too, with their parameters.",
    ]
    return "\n\n".join(blocks) + "\n"


def read_views(model: Model) -> dict[str, dict[str, dict[str, float]]]:
    """View -> system -> its scores, without those by class or part; the model first, then the others by name."""
    if not model.metrics.is_file():
        raise DataError(f"{model.metrics}: no such file; `dvc repro {model.stages[-1]}` makes it")
    read = json.loads(model.metrics.read_text(encoding="utf-8"))
    views = read if model.split == "test" else {model.split: read}  # only runs have several views
    found = {}
    for view, systems in views.items():
        flat = {
            system: {name: score for name, score in scores.items() if not isinstance(score, dict)}
            for system, scores in systems.items()
            if isinstance(scores, dict)
        }
        found[view] = {name: flat[name] for name in sorted(flat, key=lambda n: (n != "model", n)) if flat[name]}
    return found


def eval_results(model: Model, views: dict[str, dict[str, dict[str, float]]]) -> Iterator[EvalResult]:
    """The scores of the model itself, which comes first among its systems, in the Hub's form."""
    data = model.datasets[0]
    for view, systems in views.items():
        for metric, value in systems[next(iter(systems))].items():
            yield EvalResult(
                task_type=model.kind,
                task_name=data.task,
                dataset_type=data.name,
                dataset_name=data.name,
                dataset_config=view,
                dataset_split=model.split,
                metric_type=metric,
                metric_value=value,
            )


def score_table(systems: dict[str, dict[str, float]]) -> str:
    """A row per system, a column per score."""
    names = list(dict.fromkeys(name for scores in systems.values() for name in scores))
    cells = {name: [scores.get(name, "") for scores in systems.values()] for name in names}
    shown = [[f"{v:.3f}" if isinstance(v, float) else str(v) for v in column] for column in cells.values()]
    rows = [[system, *row] for system, *row in zip(systems, *shown, strict=True)]
    return tabulate(rows, ["system", *names], tablefmt="github", disable_numparse=True)


def provenance(model: Model, pipeline: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Hashes of the files of a model, and for each of its stages the command, parameters and hashes of what it reads.

    Args:
        model: what it is called and which stages made it and its scores.
        pipeline: dvc.yaml.
        params: params.yaml, as it is written.
    """
    return {
        "files": hash_files([f"models/{model.name}"]),
        "packages": read_pins(Path("requirements.txt")),
        "stages": {stage: read_stage(stage, pipeline, params) for stage in model.stages},
    }


def read_stage(address: str, pipeline: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """The command of a stage, such as finetune@ner-base, its values of params.yaml, and hashes of what it reads."""
    name, _, key = address.partition("@")
    stage = pipeline["stages"][name]
    body = stage.get("do", stage)
    item = params[stage["foreach"][2:-1]][key] if key else {}
    values = {**params, "key": key, "item": item}

    def fill(text: str) -> str:
        return re.sub(r"\$\{(.+?)\}", lambda place: str(look_up(values, place[1])), text)

    return {
        "command": fill(body["cmd"]),
        "parameters": {path: look_up(params, path) for path in map(fill, body["params"])},
        "reads": hash_files(map(fill, body["deps"])),
    }


def look_up(values: dict[str, Any], path: str) -> Any:
    """The value at a dotted path."""
    value: Any = values
    for name in path.split("."):
        value = value[name]
    return value


def hash_files(paths: Iterable[str]) -> dict[str, str]:
    """Path -> sha256 of each file, those of folders too.

    Raises:
        DataError: there is no such file or folder.
    """
    found: set[Path] = set()
    for path in map(Path, paths):
        if not path.exists():
            raise DataError(f"{path}: no such file or folder; `dvc repro` makes it")
        found |= {file for file in path.rglob("*") if file.is_file()} if path.is_dir() else {path}
    return {path.as_posix(): hash_file(path) for path in sorted(found) if "__pycache__" not in path.parts}


@cache
def hash_file(path: Path) -> str:
    """The sha256 of a file; models share most of what they read, so each is read once."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_pins(requirements: Path) -> dict[str, str]:
    """The versions of PACKAGES that the requirements pin."""
    pins = re.findall(r"^([\w.-]+)==([\w.+]+)", requirements.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: version for name, version in pins if name in PACKAGES}
