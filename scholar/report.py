"""The report: the tables of README.md and more, curves, confusions and examples, as Markdown and as one HTML page."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scholar import charts, tables
from scholar.charts import Chart
from scholar.params import Params, Retriever, Run, Summarizer
from scholar.tables import SEARCHERS, Effect, Table
from scholar.task import label_origin_of

OneKind = TypeVar("OneKind", Run, Retriever, Summarizer)
PLOTS = Path("metrics/plots")
Kind = tuple[str, str, str, str, bool]
CURVES: tuple[Kind, ...] = (  # folder of metrics/plots, title, columns x and y, whether both are shares
    ("training", "Training loss", "step", "loss", False),
    ("validation", "Validation score", "epoch", "score", False),
    ("validation_loss", "Validation loss", "epoch", "loss", False),
    ("reliability", "Share of right predictions by the probability given", "confidence", "accuracy", True),
    ("precision_recall", "Precision by recall", "recall", "precision", True),
)
TITLE = re.compile(r"# (.*(?:mistakes|worst|test papers))")  # others are lines of a summary
FIELD = re.compile(r"(?:- ([\w ]+): |\*\*([\w ]+)\*\*: |(##) )(.*)")  # as stages evaluate* write their examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often a class was taken for another; `counts` is (actual, predicted)."""

    title: str
    actual: list[str]
    predicted: list[str]
    counts: list[list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """What a model made of some test examples: what a text is -> the text."""

    title: str
    items: list[dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the report; Markdown shows its title, words and tables alone."""

    title: str
    words: str
    tables: list[Table]
    charts: list[Chart] = field(default_factory=list)
    confusions: list[Confusion] = field(default_factory=list)
    examples: list[Examples] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """Its name in a link."""
        return self.title.lower().replace(" ", "-")


def build_report(params: Params) -> list[Section]:
    """All sections, from metrics/ and predictions/ of the working directory.

    Raises:
        ScholarError: a file that an earlier stage makes is not there.
    """
    tasks = dict.fromkeys(given.task for given in params.trained.values())
    return [_overview(params), *(_task(params, task) for task in tasks), _pretraining(), _data(params), _cost(params)]


def to_markdown(sections: Sequence[Section]) -> str:
    """Numbers alone: no text of a paper, so that git may have it."""
    blocks = ["# Report"]
    for section in sections:
        blocks += [f"## {section.title}", section.words]
        for table in section.tables:
            blocks += [f"### {table.title}", table.to_markdown()]
    return "\n\n".join(blocks) + "\n"


def to_html(sections: Sequence[Section]) -> str:
    """One page that needs nothing else; everything that is filled in is escaped."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(  # autoescape: examples are whatever stood in a paper
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    spans = [effect.numbers[end] for section in sections for effect in section.effects for end in ("low", "high")]
    ends = min(0, *spans), max(0, *spans)
    return environment.get_template("report.html.jinja").render(sections=sections, area=charts, ends=ends) + "\n"


def parse_examples(text: str) -> list[Examples]:
    """What errors.md and summaries.md hold; an item begins where a field comes that the one before has."""
    found: list[Examples] = []
    last = ""
    for line in text.splitlines():
        if title := TITLE.fullmatch(line):
            found.append(Examples(title=title[1], items=[]))
        elif match := FIELD.match(line):
            last = match[1] or match[2] or "paper"
            items = found[-1].items
            if not items or last in items[-1]:
                items.append({})
            items[-1][last] = match[4]
        elif line.strip() and found[-1].items:
            found[-1].items[-1][last] += f"\n{line}"
    return found


def _overview(params: Params) -> Section:
    effects = tables.read_effects(params)
    level = params.evaluation.level
    words = (
        f"Scores on the test split, seed {params.seed}, with intervals of {level:.0%} from a bootstrap over papers. "
        "A verdict is that of a paired test on the same rows, corrected by Holm for all comparisons: better or worse "
        f"where the corrected p is at most {1 - level:.2f}. Another seed of the training would move the scores, too: "
        "where a study of seeds was made, its spread stands beside the standard error of the test set."
    )
    verdicts = Counter(effect.verdict.partition(" (")[0] for effect in effects)
    rows = [[verdict, f"{count}"] for verdict, count in sorted(verdicts.items())]
    summary = Table(title="Verdicts", headers=["verdict on a model", "comparisons"], rows=rows)
    studies = tables.seed_table(params)
    return Section(
        title="At a glance", words=words, tables=[summary, *([studies] if studies.rows else [])], effects=effects
    )


def _task(params: Params, task: str) -> Section:
    """Everything about the models of one task."""
    own = replace(
        params,
        runs=_of_task(params.runs, task),
        retrievers=_of_task(params.retrievers, task),
        summarizers=_of_task(params.summarizers, task),
    )
    names = list(own.trained)
    data = {given.data: None for given in own.trained.values()}
    origins = dict.fromkeys(label_origin_of(params.datasets[name]) for name in data)
    labels = "; ".join("{}, that is, given by {}; a score tells {}".format(o, *tables.ORIGINS[o]) for o in origins)
    builders = (
        tables.result_table,
        tables.comparison_table,
        tables.search_table,
        tables.summary_table,
        tables.class_table,
    )
    curves = [curve for kind in CURVES if (curve := _curve(names, kind))]
    ranks = [_recall(name) for name in own.retrievers]
    return Section(
        title="Entity mentions" if task == "ner" else task.replace("_", " ").capitalize(),
        words=f"Data: {', '.join(data)}. Labels: {labels}.",
        tables=[table for build in builders if (table := build(own)).rows],
        charts=[*ranks, *curves],
        confusions=[confusion for name in own.runs if (confusion := _confusion(name))],
        examples=[
            examples
            for name in names
            for file in sorted(Path("predictions", name).glob("*.md"))
            for examples in parse_examples(file.read_text(encoding="utf-8"))
        ],
    )


def _of_task(trained: dict[str, OneKind], task: str) -> dict[str, OneKind]:
    return {name: given for name, given in trained.items() if given.task == task}


def _curve(names: Sequence[str], kind: Kind) -> Chart | None:
    """One kind of curve of some models; None where there is none of more than a point."""
    folder, title, x, y, shares = kind
    files = {name: PLOTS / folder / f"{name}.csv" for name in names}
    series = {name: charts.read_points(file, x, y) for name, file in files.items() if file.is_file()}
    if all(len(points) < 2 for points in series.values()):
        return None
    return replace(charts.draw(title, series, x, y, shares), diagonal=folder == "reliability")


def _recall(name: str) -> Chart:
    file = PLOTS / "recall" / f"{name}.csv"
    series = {shown: charts.read_points(file, "rank", system) for system, shown in SEARCHERS.items()}
    return charts.draw(f"Recall by rank, {name}", series, "rank", "recall")


def _confusion(name: str) -> Confusion | None:
    file = PLOTS / "confusion" / f"{name}.csv"
    if not file.is_file():
        return None
    with file.open(encoding="utf-8", newline="") as stream:
        pairs = Counter((row["actual"], row["predicted"]) for row in csv.DictReader(stream))
    actual, predicted = (sorted({pair[side] for pair in pairs}) for side in (0, 1))
    counts = [[pairs[a, p] for p in predicted] for a in actual]
    return Confusion(title=name, actual=actual, predicted=predicted, counts=counts)


def _pretraining() -> Section:
    curve = _curve(["pretrained"], CURVES[0])
    return Section(
        title="Pretraining",
        words="The base encoder, trained further on the text of papers that are not in a test split.",
        tables=[tables.pretraining_table(), tables.contamination_table()],
        charts=[curve] if curve else [],
    )


def _data(params: Params) -> Section:
    builders = (
        tables.data_table,
        tables.origin_table,
        tables.label_table,
        tables.left_out_table,
        tables.clue_table,
    )
    words = "Only human labels tell how well a model does what people do. Nothing is dropped without being counted."
    return Section(title="Data", words=words, tables=[table for build in builders if (table := build(params)).rows])


def _cost(params: Params) -> Section:
    words = "In steps, which are the same on every machine; seconds are not."
    return Section(title="Cost", words=words, tables=[tables.cost_table(params)])
