"""Model cards and provenance: a text for people, and the hashes of everything that the stages of a model read.

Both come from params.yaml, dvc.yaml, metrics and files alone, so the same inputs give the same bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData
from tabulate import tabulate

from papertrail.core.artifacts import new_folder, write_json, write_text
from papertrail.core.params import PARAMS, Model, Params, read_yaml
from papertrail.core.pipeline import PIPELINE, stage_instances
from papertrail.data.task import label_origin_of
from papertrail.evaluate.stats.comparison import MODEL
from papertrail.report.names import ORIGINS
from papertrail.report.provenance import describe_provenance
from papertrail.report.tables import Scores, read_metrics, systems_of

HUB = {  # head of a classifier, or kind of another model -> its pipeline tag and library on the Hugging Face Hub
    "token_classification": ("token-classification", "transformers"),
    "sequence_classification": ("text-classification", "transformers"),
    "pair_classification": ("text-ranking", "transformers"),
    "linear": ("text-classification", "papertrail"),
    "linker": ("text-ranking", "sentence-transformers"),
    "retriever": ("sentence-similarity", "sentence-transformers"),
    "summarizer": ("summarization", "transformers"),
    "extractor": ("summarization", "sentence-transformers"),
    "pretrained": ("fill-mask", "transformers"),
}
PRETRAINED = "models/pretrained"
SEED_LIMIT = "Scores are from one training seed. `_low` and `_high` are the ends of a confidence interval over papers."
PROVENANCE = (
    "Run this in a checkout whose `dvc.lock` records the run: it has the hash of everything that each stage read and "
    "wrote. `provenance.json` has, for this model alone, the sha256 of its files and of the data that its stages read, "
    "the hash of the syntax tree of every imported module, and the parameters."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A data set of a card."""

    name: str
    task: str
    label_origin: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The content of a card.

    Attributes:
        name: Of the model.
        pipeline_tag, library: Of the Hugging Face Hub; the tag is None for a head that HUB does not list.
        base_model: Folder of the weights that training started from.
        licence: Of these weights.
        datasets: Training data.
        stages: Stage instances that made the model and its scores.
        views: View, or split, -> system -> scores; the model first.
        split: Where the scores were measured.
    """

    name: str
    pipeline_tag: str | None
    library: str
    base_model: str
    licence: str
    datasets: list[Data]
    stages: list[str]
    views: dict[str, dict[str, Scores]]
    split: str


def write_cards(params: Params, folder: Path) -> None:
    """Write <folder>/<model>/README.md and provenance.json of every model; replace the folder.

    Raises:
        PapertrailError: An output of an earlier stage is missing.
    """
    raw = read_yaml(PARAMS)
    instances = stage_instances(read_yaml(PIPELINE), raw)
    with new_folder(folder) as part:
        for card in list_cards(params):
            stages = {name: instances[name] for name in card.stages}
            write_text(render_card(card), part / card.name / "README.md")
            write_json(describe_provenance(card.name, stages, raw), part / card.name / "provenance.json")


def list_cards(params: Params) -> Iterator[Card]:
    """Yield the card of the pretrained encoder, then of each model of params.yaml.

    Raises:
        PapertrailError: A metrics file is missing.
    """
    tag, library = HUB["pretrained"]
    yield Card(
        name="pretrained",
        pipeline_tag=tag,
        library=library,
        base_model=params.pretraining.base_model,
        licence=licence_of(params.pretraining.base_model, params),
        datasets=[_describe_data(name, params) for name in params.pretraining.corpora],
        stages=["pretrain"],
        views={"validation": systems_of(read_metrics(Path("metrics/pretrain.json")))},
        split="validation",
    )
    yield from (_describe_model(name, model, params) for name, model in params.models.items())


def _describe_model(name: str, model: Model, params: Params) -> Card:
    known = [HUB[name] for name in (model.kind, getattr(model, "head", "")) if name in HUB]
    tag, library = known[0] if known else (None, "transformers")
    views = read_metrics(Path("metrics/evaluate", f"{name}.json"))
    return Card(
        name=name,
        pipeline_tag=tag,
        library=library,
        base_model=model.base_model,
        licence=licence_of(model.base_model, params),
        datasets=[_describe_data(model.dataset, params)],
        stages=[f"finetune@{name}", f"evaluate@{name}"],
        views={view: _model_first(systems_of(scores)) for view, scores in views.items()},
        split="test",
    )


def _model_first(systems: Mapping[str, Scores]) -> dict[str, Scores]:
    return {MODEL: systems[MODEL], **systems}


def licence_of(base_model: str, params: Params) -> str:
    """Return the licence of the weights that training started from; training keeps it."""
    folder, name = Path(base_model).parent, Path(base_model).name
    if base_model == PRETRAINED:
        return licence_of(params.pretraining.base_model, params)
    if folder == Path("models") and name in params.models:
        return licence_of(params.models[name].base_model, params)
    return params.sources[name].licence if name in params.sources else "unknown"


def _describe_data(name: str, params: Params) -> Data:
    block = params.datasets[name]
    licence = params.sources[block["source"]].licence
    return Data(name=name, task=block["task"], label_origin=label_origin_of(block), licence=licence)


def render_card(card: Card) -> str:
    """Return the card as Markdown with the metadata of the Hugging Face Hub."""
    metadata = ModelCardData(
        language="en",
        license=card.licence.lower(),
        library_name=card.library,
        pipeline_tag=card.pipeline_tag,
        model_name=card.name,
        datasets=[data.name for data in card.datasets],
        eval_results=list(_eval_results(card)),
    )
    rows = [[data.name, data.task, data.label_origin, data.licence] for data in card.datasets]
    origins = [ORIGINS[name] for name in dict.fromkeys(data.label_origin for data in card.datasets)]
    limits = [origin.describe() for origin in origins]
    blocks = [
        f"---\n{metadata.to_yaml()}\n---",
        f"# {card.name}",
        f"Base model: `{card.base_model}` (licence: {card.licence}).",
        f"## Scores on the {card.split} split",
        *(f"{view}:\n\n{_score_table(systems)}" for view, systems in card.views.items()),
        "## Data",
        tabulate(rows, ["data set", "task", "labels", "licence"], tablefmt="github"),
        "## Limits",
        "\n".join(f"- {limit}" for limit in [*limits, SEED_LIMIT]),
        "## How to rebuild",
        "```console\n" + "\n".join(f"$ dvc repro {stage}" for stage in card.stages) + "\n```",
        PROVENANCE,
    ]
    return "\n\n".join(blocks) + "\n"


def _eval_results(card: Card) -> Iterator[EvalResult]:
    """Yield the scores of the model itself, the first of the systems, in the form of the Hub."""
    data = card.datasets[0]
    for view, systems in card.views.items():
        for metric, value in _flat(next(iter(systems.values()))).items():
            yield EvalResult(
                task_type=card.pipeline_tag or "other",
                task_name=data.task,
                dataset_type=data.name,
                dataset_name=data.name,
                dataset_config=view,
                dataset_split=card.split,
                metric_type=metric,
                metric_value=value,
            )


def _score_table(systems: Mapping[str, Scores]) -> str:
    """Return a row per system and a column per metric as Markdown."""
    flat = {system: _flat(scores) for system, scores in systems.items()}
    metrics = list(dict.fromkeys(metric for scores in flat.values() for metric in scores))
    rows = [[system, *(_cell(scores.get(metric)) for metric in metrics)] for system, scores in flat.items()]
    return tabulate(rows, ["system", *metrics], tablefmt="github", disable_numparse=True)


def _flat(scores: Scores) -> Scores:
    return {metric: value for metric, value in scores.items() if not isinstance(value, dict)}


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
