"""The report: tables, curves, confusion matrices and examples of every task that params.yaml has a model for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from papertrail.core.params import Params
from papertrail.core.parquet import read_rows
from papertrail.data.task import label_origin_of, load_task
from papertrail.evaluate.results import EXAMPLES
from papertrail.report import data_tables, plots, tables
from papertrail.report.answers import answer_table, read_answers
from papertrail.report.charts import Chart
from papertrail.report.names import ORIGINS, model_name
from papertrail.report.plots import Confusion
from papertrail.report.tables import Effect, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Examples of one model on one view: name of a text -> text."""

    title: str
    items: list[dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the report; Markdown shows its title, text and tables alone."""

    title: str
    text: str
    tables: list[Table]
    charts: list[Chart] = field(default_factory=list)
    confusions: list[Confusion] = field(default_factory=list)
    examples: list[Examples] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """Return the name of the section in links."""
        return self.title.lower().replace(" ", "-")


def build_report(params: Params) -> list[Section]:
    """Return all sections, from metrics/ and predictions/ of the working directory.

    Raises:
        PapertrailError: An output of an earlier stage is missing.
    """
    tasks = dict.fromkeys(model.task for model in params.models.values())
    return [_overview(params), *(_task(params, task) for task in tasks), _pretraining(), _data(params), _cost(params)]


def to_markdown(sections: Sequence[Section]) -> str:
    """Return the numbers without any text of a paper, so that the file can be in git."""
    blocks = ["# Report"]
    for section in sections:
        blocks += [f"## {section.title}", section.text]
        for table in section.tables:
            blocks += [f"### {table.title}", table.to_markdown()]
    return "\n\n".join(blocks) + "\n"


def read_examples(model: str) -> list[Examples]:
    """Return the examples that evaluation saved for a model, by view.

    Raises:
        DataError: The file is missing.
    """
    views: dict[str, list[dict[str, str]]] = {}
    for row in read_rows(Path("predictions", model, EXAMPLES)).to_list():
        texts = {text["name"]: text["text"] for text in row["fields"]}
        views.setdefault(row["view"], []).append({"id": row["id"], **texts})
    return [Examples(title=model_name(model, view), items=items) for view, items in views.items()]


def _overview(params: Params) -> Section:
    effects = [effect for result in tables.read_results(params) for effect in result.effects]
    level = params.evaluation.confidence_level
    text = (
        f"Scores on the test split with seed {params.seed}. Intervals are {level:.0%} bootstrap intervals over papers. "
        "Verdicts are from paired permutation tests on the same rows with Holm's correction over all comparisons: "
        f"better or worse if the corrected p-value is at most {1 - level:.2f}. Intervals do not include the variation "
        "between training seeds; seed studies measure it."
    )
    verdicts = Counter(effect.verdict.partition(" (")[0] for effect in effects)
    rows = [[verdict, f"{count}"] for verdict, count in sorted(verdicts.items())]
    summary = Table(title="Verdicts", headers=["verdict on a model", "comparisons"], rows=rows)
    return Section(
        title="Overview",
        text=text,
        tables=_filled(answer_table(params), summary, tables.seed_table(params)),
        effects=[replace(answer.effect, model=answer.task) for answer in read_answers(params) if answer.effect],
    )


def _task(params: Params, task: str) -> Section:
    """Return the section of all models of one task."""
    own = replace(params, models={name: model for name, model in params.models.items() if model.task == task})
    datasets = list(dict.fromkeys(model.dataset for model in own.models.values()))
    origins = dict.fromkeys(label_origin_of(params.datasets[name]) for name in datasets)
    labels = " ".join(ORIGINS[origin].describe() for origin in origins)
    builders = (
        tables.result_table,
        tables.caution_table,
        tables.comparison_table,
        tables.score_table,
        tables.class_table,
    )
    curves = [plots.draw_recall(name) for name in own.models]
    curves += [plots.draw_curve(list(own.models), curve) for curve in plots.CURVES]
    confusions = [
        plots.read_confusion(name, next(iter(params.inputs_by_view(model)))) for name, model in own.models.items()
    ]
    return Section(
        title=load_task(task).title,
        text=f"Data: {', '.join(datasets)}. {labels}",
        tables=_filled(*(build(own) for build in builders)),
        effects=[effect for result in tables.read_results(own) for effect in result.effects],
        charts=[chart for chart in curves if chart],
        confusions=[confusion for confusion in confusions if confusion],
        examples=[examples for name in own.models for examples in read_examples(name)],
    )


def _pretraining() -> Section:
    curve = plots.draw_curve(["pretrained"], plots.CURVES[0])
    return Section(
        title="Pretraining",
        text="The base encoder after continued pretraining on papers outside the test splits.",
        tables=[data_tables.pretraining_table(), data_tables.contamination_table()],
        charts=[curve] if curve else [],
    )


def _data(params: Params) -> Section:
    builders = (
        data_tables.data_table,
        data_tables.origin_table,
        data_tables.label_table,
        data_tables.dropped_table,
        data_tables.leakage_table,
    )
    text = "Every dropped record is counted. Only scores on human labels measure agreement with people."
    return Section(title="Data", text=text, tables=_filled(*(build(params) for build in builders)))


def _cost(params: Params) -> Section:
    text = "Cost is in optimisation steps, which do not depend on the machine. Linear models and extractors take none."
    return Section(title="Cost", text=text, tables=[data_tables.cost_table(params)])


def _filled(*found: Table) -> list[Table]:
    return [table for table in found if table.rows]
