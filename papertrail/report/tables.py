"""Tables of results from params.yaml and metrics/, for README.md and the report. No table depends on a task by name."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from papertrail.core.errors import PapertrailError
from papertrail.core.params import Params
from papertrail.data.task import load_task
from papertrail.evaluate.cautions import find_cautions
from papertrail.evaluate.stats.comparison import MODEL, ORACLES, verdict
from papertrail.report.names import COMBINED, METRICS, SYSTEMS, metric_name, model_name, system_name

COMPARISONS = Path("metrics/comparisons.json")
CRANFIELD = Path("benchmarks/cranfield.json")  # scores of a retriever on a collection outside the pipeline
CLASS_METRICS = ("precision", "recall", "f1")
Scores = dict[str, Any]  # of one system: metric -> value, class -> its scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells as text; the best value of a group is between `**`."""

    title: str
    headers: Sequence[str]
    rows: list[list[str]]

    def to_markdown(self) -> str:
        """Return the table as Markdown, without its title."""
        return tabulate(self.rows, list(self.headers), tablefmt="github", disable_numparse=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The difference between a model and another system by one metric.

    Attributes:
        model: Name of the model and its view.
        other: Key of the other system or model.
        metric: Key of the metric.
        numbers: As in metrics/comparisons.json.
        verdict: In words.
    """

    model: str
    other: str
    metric: str
    numbers: dict[str, float]
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A model on one view of the test split, beside its baselines.

    Attributes:
        model: Name of the model and its view.
        metric: The headline metric of its task.
        scores: Of the model.
        baselines: System -> its scores, in the order of SYSTEMS.
        effects: Comparisons with other systems and models.
        best: The comparison with the best baseline by that metric, None without one.
    """

    model: str
    metric: str
    scores: Scores
    baselines: dict[str, Scores]
    effects: list[Effect]
    best: Effect | None


def read_results(params: Params) -> list[Result]:
    """Return the results of all models, in the order of params.yaml.

    Raises:
        PapertrailError: A metrics file is missing, or a model lacks the headline metric of its task.
    """
    comparisons = read_metrics(COMPARISONS) if params.models else {}
    return [
        _result(params, name, view, systems_of(scores), comparisons[name][view])
        for name in params.models
        for view, scores in read_scores(name).items()
    ]


def _result(params: Params, name: str, view: str, systems: dict[str, Scores], compared: Mapping[str, Any]) -> Result:
    task = params.models[name].task
    metric = load_task(task).headline(systems[MODEL])
    if metric is None:
        known = ", ".join(systems[MODEL])
        raise PapertrailError(
            f"{name}: no headline metric of task {task} among its scores ({known}); add one to the task"
        )
    effects = [
        Effect(
            model=model_name(name, view),
            other=other,
            metric=key,
            numbers=numbers,
            verdict=verdict(numbers, params.evaluation),
        )
        for other, metrics in compared.items()
        for key, numbers in metrics.items()
    ]
    baselines = {s: scores for s, scores in systems.items() if s in compared and s not in COMBINED}
    strongest = max(baselines, key=lambda system: float(baselines[system][metric]), default=None)
    return Result(
        model=model_name(name, view),
        metric=metric,
        scores=systems[MODEL],
        baselines=baselines,
        effects=effects,
        best=next((e for e in effects if (e.other, e.metric) == (strongest, metric)), None),
    )


def systems_of(scores: Mapping[str, Any]) -> dict[str, Scores]:
    """Return system -> its scores from the scores of a view, in the order of SYSTEMS; counts and parts are left out."""
    systems = {name: block for name, block in scores.items() if isinstance(block, dict) and not _is_part(block)}
    return dict(sorted(systems.items(), key=lambda item: _position(item[0], SYSTEMS)))


def parts_of(scores: Mapping[str, Any]) -> dict[str, dict[str, Scores]]:
    """Return part of the test split -> system -> its scores, such as documents unseen in training."""
    return {name: systems_of(block) for name, block in scores.items() if isinstance(block, dict) and _is_part(block)}


def _is_part(block: Mapping[str, Any]) -> bool:
    return all(isinstance(value, dict) for value in block.values())  # a system has numbers


def _position(name: str, known: Mapping[str, str]) -> tuple[int, str]:
    return (list(known).index(name), "") if name in known else (len(known), name)


def result_table(params: Params) -> Table:
    """Return a row per model and view: its score, its baselines, and the difference from the best baseline."""
    rows = []
    for result in read_results(params):
        baselines = ", ".join(
            f"{system_name(system)} {with_interval(scores, result.metric)}"
            for system, scores in result.baselines.items()
        )
        against = describe_effect(result.best) if result.best else ["-", "-", "-"]
        score = with_interval(result.scores, result.metric)
        rows.append([result.model, metric_name(result.metric), score, baselines or "-", *against])
    headers = ["model", "metric on test", "score", "baselines", "difference from the best baseline"]
    headers += ["p (Holm)", "verdict"]
    return Table(title="Models and baselines", headers=headers, rows=rows)


def comparison_table(params: Params) -> Table:
    """Return a row per comparison that is not in the table of results."""
    effects = [effect for result in read_results(params) for effect in result.effects if effect is not result.best]
    rows = [[e.model, system_name(e.other), metric_name(e.metric), *describe_effect(e)] for e in effects]
    headers = ["model", "compared with", "metric", "difference", "p (Holm)", "verdict"]
    return Table(title="Other comparisons", headers=headers, rows=rows)


def describe_effect(effect: Effect) -> list[str]:
    """Return the difference with its interval, such as `+0.042 [+0.009, +0.082]`, the p-value and the verdict."""
    difference = "{effect:+.3f} [{low:+.3f}, {high:+.3f}]".format(**effect.numbers)
    return [difference, f"{effect.numbers['p_holm']:.4f}", effect.verdict]


def score_table(params: Params) -> Table:
    """Return a row per model, part of the test split and system: every metric; the best of a group in bold."""
    groups: dict[str, dict[str, Scores]] = {}
    for name in params.models:
        for view, scores in read_scores(name).items():
            groups[model_name(name, view)] = systems_of(scores)
            parts = parts_of(scores)
            groups |= {f"{model_name(name, view)}, documents {part} in training": parts[part] for part in parts}
    if CRANFIELD.is_file() and any(model.kind == "retriever" for model in params.models.values()):
        groups["Cranfield, not in the training data"] = systems_of(read_metrics(CRANFIELD)["test"])
    metrics = sorted(
        {metric for systems in groups.values() for scores in systems.values() for metric in _flat(scores)},
        key=lambda metric: _position(metric, METRICS),
    )
    rows = [
        [group, system_name(system), *(_cell(systems, system, metric) for metric in metrics)]
        for group, systems in groups.items()
        for system in systems
    ]
    return Table(title="Scores", headers=["test data", "system", *map(metric_name, metrics)], rows=rows)


def _flat(scores: Scores) -> Iterator[str]:
    """Yield the metrics of a system, without classes and ends of intervals."""
    yield from (m for m, value in scores.items() if not isinstance(value, dict) and not m.endswith(("_low", "_high")))


def _cell(systems: Mapping[str, Scores], system: str, metric: str) -> str:
    value = systems[system].get(metric)
    if value is None:
        return ""
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}"
    rivals = [scores[metric] for name, scores in systems.items() if metric in scores and name not in ORACLES]
    best = metric in METRICS and len(rivals) > 1 and system not in ORACLES and value == max(rivals)
    return f"**{text}**" if best else text


def class_table(params: Params) -> Table:
    """Return a row per model, view and class: precision, recall and F1 of the model."""
    rows = [
        [model_name(name, view), label, *(f"{block[metric]:.3f}" for metric in CLASS_METRICS), f"{block['support']:,}"]
        for name in params.models
        for view, scores in read_scores(name).items()
        for label, block in scores[MODEL].items()
        if isinstance(block, dict) and "support" in block
    ]
    return Table(title="Classes", headers=["model", "class", "precision", "recall", "F1", "examples"], rows=rows)


def caution_table(params: Params) -> Table:
    """Return a row per caution on a model: a better system, one predicted class, a choice on few examples."""
    rows = []
    for name, model in params.models.items():
        for view, scores in read_scores(name).items():
            metric = load_task(model.task).headline(scores[MODEL]) or ""
            cautions = find_cautions(scores, metric, name_of=lambda key: METRICS.get(key) or system_name(key))
            rows += [[model_name(name, view), caution] for caution in cautions]
    return Table(title="Cautions", headers=["model", "caution"], rows=rows)


def seed_table(params: Params) -> Table:
    """Return a row per finished seed study and view: mean, spread over seeds and sampling error of the test split."""
    rows = []
    for name in params.seed_studies:
        file = Path("metrics/seeds", f"{name}.json")
        for view, scores in (read_metrics(file) if file.is_file() else {}).items():
            metric = load_task(params.models[name].task).headline(scores) or next(iter(scores))
            numbers = scores[metric]
            spreads = [f"{numbers[key]:.3f}" for key in ("mean", "standard_deviation", "standard_error")]
            rows.append([model_name(name, view), metric_name(metric), f"{numbers['seeds']}", *spreads])
    headers = ["model", "metric", "seeds", "mean", "standard deviation over seeds", "standard error of the test split"]
    return Table(title="Seed studies", headers=headers, rows=rows)


def with_interval(scores: Scores, metric: str) -> str:
    """Return a score with its interval if it has one, such as `0.730 [0.690, 0.765]`."""
    if f"{metric}_low" not in scores:
        return f"{scores[metric]:.3f}"
    return f"{scores[metric]:.3f} [{scores[f'{metric}_low']:.3f}, {scores[f'{metric}_high']:.3f}]"


def read_scores(name: str) -> dict[str, Any]:
    """Return the scores of a model: view -> system -> metric -> value."""
    return read_metrics(Path("metrics/evaluate", f"{name}.json"))


def read_metrics(file: Path) -> dict[str, Any]:
    """Read a metrics file.

    Raises:
        PapertrailError: It does not exist.
    """
    if not file.is_file():
        raise PapertrailError(f"{file}: no such file; `dvc repro` writes it")
    return json.loads(file.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
