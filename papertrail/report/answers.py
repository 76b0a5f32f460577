"""The model that answers for each task, beside the best simple method."""

from dataclasses import dataclass, replace
from pathlib import Path

from papertrail.core.errors import ParamsError
from papertrail.core.params import Params
from papertrail.data.task import load_task
from papertrail.models.choice import pick
from papertrail.report.names import SIMPLE, metric_name, system_name
from papertrail.report.tables import Effect, Result, Table, describe_effect, read_results, with_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The model that answers for a task.

    Attributes:
        task: Title of the task.
        result: Scores of the model.
        simple: The system without a neural network that has the highest score, None without one.
        effect: The comparison of the model with that system.
    """

    task: str
    result: Result
    simple: str | None
    effect: Effect | None


def read_answers(params: Params) -> list[Answer]:
    """Return an answer per task; a task whose models cannot answer, such as retrievers without an index, has none.

    Raises:
        PapertrailError: A metrics file is missing.
    """
    answers = []
    for task in dict.fromkeys(model.task for model in params.models.values()):
        try:
            name = pick(params, task, None, Path()).name
        except ParamsError:
            continue
        result = read_results(replace(params, models={name: params.models[name]}))[0]
        simple = {system: scores[result.metric] for system, scores in result.baselines.items() if system in SIMPLE}
        best = max(simple, key=lambda system: float(simple[system]), default=None)
        effect = next((e for e in result.effects if (e.other, e.metric) == (best, result.metric)), None)
        answers.append(Answer(task=load_task(task).title, result=result, simple=best, effect=effect))
    return answers


def answer_table(params: Params) -> Table:
    """Return a row per task: the model that answers, its score, and its difference from the best simple method."""
    rows = []
    for answer in read_answers(params):
        result, effect = answer.result, answer.effect
        score = f"{metric_name(result.metric)} {with_interval(result.scores, result.metric)}"
        simple = answer.simple
        against = f"{system_name(simple)} {result.baselines[simple][result.metric]:.3f}" if simple else "-"
        rows.append([answer.task, result.model, score, against, *(describe_effect(effect) if effect else ["-"] * 3)])
    headers = ["task", "model that answers", "score on test", "best simple method", "difference", "p (Holm)", "verdict"]
    return Table(title="Models that answer", headers=headers, rows=rows)
