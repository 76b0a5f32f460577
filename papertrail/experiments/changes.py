"""Changes between a revision and the workspace: parameters, scores, and a significance test per changed model.

The models whose predictions changed are one family of tests.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dvc.repo import Repo

from papertrail.core.errors import DataError, PapertrailError
from papertrail.core.params import Params
from papertrail.data.task import load_task
from papertrail.evaluate.stats.comparison import MODEL, Difference, compare
from papertrail.evaluate.stats.significance import holm
from papertrail.experiments.revisions import MissingError, list_predictions, open_revision, read_predictions
from papertrail.report.names import model_name

Diff = Mapping[str, Any]  # of one number, by DVC: old, new


@dataclass(frozen=True, slots=True, kw_only=True)
class Significance:
    """A paired test of two predictions of a model.

    Attributes:
        numbers: effect, low, high, p, minimum_detectable_effect and, corrected for all tests, p_holm.
        units: What was resampled, such as "139 papers".
    """

    numbers: dict[str, float]
    units: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A model on one view, before and now.

    Attributes:
        model: Name of the model and its view.
        metric: The headline metric of its task, None without scores.
        old, new: Its value before and now, None if a side has none.
        test: None if the predictions are the same or could not be compared.
        reason: Why the predictions could not be compared, else "".
    """

    model: str
    metric: str | None
    old: float | None
    new: float | None
    test: Significance | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What differs between a revision and the workspace.

    Attributes:
        revision: The revision.
        parameters: Dotted path -> old and new value, without those of new and removed models.
        models: Models that both sides have evaluated.
        new, removed: Models that only one side has evaluated.
        never_run: Models of params.yaml that neither side has evaluated.
        secondary: How many numbers other than headline metrics changed.
    """

    revision: str
    parameters: dict[str, Diff]
    models: list[Change]
    new: list[str]
    removed: list[str]
    never_run: list[str]
    secondary: int


def find_changes(revision: str, params: Params) -> Changes:
    """Compare a revision with the workspace.

    Raises:
        PapertrailError: The revision is empty or unknown.
    """
    if not revision.strip():  # git and DVC would use the workspace
        raise PapertrailError("the revision is empty; use a branch, tag, commit or experiment")
    old, new = open_revision(revision), open_revision(None)
    before, now = list_predictions(old), list_predictions(new)
    with Repo() as repo:
        parameters = repo.params.diff(a_rev=revision).get("diff", {}).get("params.yaml", {})
        metrics = repo.metrics.diff(a_rev=revision, all=True).get("diff", {})
    models = {name: model for name, model in params.models.items() if name in before}
    places = [(name, view) for name, model in models.items() for view in params.inputs_by_view(model)]
    tests, reasons = _test_all(revision, places, (old, new), params)
    changes = []
    for name, view in places:
        metric, values = headline(metrics.get(f"metrics/evaluate/{name}.json", {}), view, models[name].task)
        changes.append(
            Change(
                model=model_name(name, view),
                metric=metric,
                old=values.get("old"),
                new=values.get("new"),
                test=tests.get((name, view)),
                reason=reasons.get((name, view)) or _find_missing_score(revision, name, values),
            )
        )
    moved = (params.models.keys() - before) | (before - params.models.keys())
    return Changes(
        revision=revision,
        parameters={path: diff for path, diff in parameters.items() if not {*path.split(".")[1:2]} & moved},
        models=changes,
        new=sorted((params.models.keys() & now) - before),
        removed=sorted(before - params.models.keys()),
        never_run=sorted(params.models.keys() - before - now),
        secondary=sum(map(_count_changed, metrics.values())) - sum(change.old != change.new for change in changes),
    )


def _find_missing_score(revision: str, name: str, values: Diff) -> str:
    """Return which side has no score of a model that the other side has, "" if none."""
    if (values.get("old") is None) == (values.get("new") is None):
        return ""
    side, remedy = (revision, "its model was never evaluated there")
    if values.get("new") is None:
        side, remedy = "workspace", f"run `dvc repro evaluate@{name}`"
    return f"{side}: metrics/evaluate/{name}.json has no score; {remedy}"


def _count_changed(metrics: Mapping[str, Diff]) -> int:
    return sum(diff.get("old") != diff.get("new") for diff in metrics.values())


def headline(metrics: Mapping[str, Diff], view: str, task: str) -> tuple[str | None, Diff]:
    """Return the headline metric of a model in a view, and its old and new value; (None, {}) if it has none."""
    of_model = {path.removeprefix(f"{view}.{MODEL}."): diff for path, diff in metrics.items()}
    metric = load_task(task).headline({name: None for name in of_model if f"{name}_low" in of_model})
    return metric, of_model[metric] if metric else {}


Places = list[tuple[str, str]]  # (model, view)


def _test_all(
    revision: str, places: Places, sides: tuple[Any, Any], params: Params
) -> tuple[dict[tuple[str, str], Significance], dict[tuple[str, str], str]]:
    """Return a test for each place whose predictions changed, and a reason for each that could not be compared."""
    found: dict[tuple[str, str], tuple[Difference, str]] = {}
    reasons = {}
    for place in places:
        try:
            difference = _find_difference(revision, place, sides, params)
        except DataError as error:
            reasons[place] = str(error)
        else:
            found |= {place: difference} if difference else {}
    adjusted = holm([difference.p for difference, _ in found.values()])
    tests = {
        place: Significance(numbers={**asdict(difference), "p_holm": p}, units=units)
        for (place, (difference, units)), p in zip(found.items(), adjusted, strict=True)
    }
    return tests, reasons


def _find_difference(
    revision: str, place: tuple[str, str], sides: tuple[Any, Any], params: Params
) -> tuple[Difference, str] | None:
    """Return the change of the score of a model and the units of the test, None if the predictions are the same.

    Raises:
        DataError: A side has no predictions, or the rows or their kind differ.
    """
    name, view = place
    try:
        before = read_predictions(sides[0], name, view)
    except MissingError as error:
        raise DataError(
            f"{revision}: {error}; run `dvc push predictions/{name}` in a checkout of {revision} that has it, then "
            f"`dvc fetch --all-commits predictions/{name}` here"
        ) from None
    except DataError as error:
        raise DataError(f"{revision}: {error}; run its pipeline with this version to compare") from None
    try:
        after = read_predictions(sides[1], name, view)
    except MissingError as error:
        raise DataError(
            f"workspace: {error}; run `dvc pull predictions/{name}` or `dvc repro evaluate@{name}`"
        ) from None
    if before == after:
        return None
    if before.kind != after.kind:
        raise DataError(f"predictions are of kind {before.kind} in {revision} and of kind {after.kind} now")
    papers = len({row["paper"] for row in after.rows})
    units = f"{papers:,} papers" if papers < len(after.rows) else f"{papers:,} texts"
    return compare(before.rows, after.rows, after.kind, params.evaluation, params.seed), units
