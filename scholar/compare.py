"""What changed since another revision, and is any of it more than noise? `make compare REV=main`.

Parameters and scores as `dvc params diff` and `dvc metrics diff` tell them; beside each headline score the verdict of a
paired test on the predictions of both sides, which come from the workspace, DVC's cache or its remote. All models that
predict something else than before are one family of tests.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from tabulate import tabulate

from scholar.comparison import MODEL, Difference, compare, holm, verdict
from scholar.errors import DataError, ScholarError, run
from scholar.params import Params, load_params
from scholar.records import write_text
from scholar.revisions import list_predictions, open_revision, read_predictions
from scholar.samples import read_samples
from scholar.tables import HEADLINES, NAMES, call

MARK = "<!-- papertrail comparison -->"  # by which the comment of a pull request is found and updated
SHOWN = 60  # characters of a parameter's value
Place = tuple[str, str]  # model, view
Numbers = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What differs between a revision and the workspace.

    Attributes:
        parameters: dotted name -> old and new, without those of models that came or went.
        scores: model and view -> name of the headline score -> old and new; those that did not change included.
        verdicts: model and view -> effect, low, high, p, smallest, p_holm, for predictions that differ.
        unchanged: models and views whose predictions are the same.
        untested: model and view -> why no test could be made.
        others: how many metrics that are not headline scores changed.
    """

    revision: str
    level: float
    parameters: dict[str, Numbers]
    scores: dict[Place, dict[str, Numbers]]
    verdicts: dict[Place, dict[str, float]]
    unchanged: list[Place]
    untested: dict[Place, str]
    added: list[str]
    removed: list[str]
    others: int


def main() -> None:
    """Compare, print, and write Markdown if asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", metavar="REV", help="a branch, tag, commit or experiment")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write the same as Markdown")
    arguments = parser.parse_args()
    changes = find_changes(arguments.revision, load_params())
    sys.stdout.write(render(changes, markdown=False))
    if arguments.markdown:
        write_text(render(changes, markdown=True), arguments.markdown)


def find_changes(revision: str, params: Params) -> Changes:
    """Compare a revision with the workspace.

    Raises:
        ScholarError: it is empty, or git knows no such revision.
    """
    if not revision.strip():  # git and DVC would take the workspace
        raise ScholarError("the revision is empty; give a branch, tag, commit or experiment")
    old, new = open_revision(revision), open_revision(None)
    before = list_predictions(old)
    with Repo() as repo:
        parameters = repo.params.diff(a_rev=revision).get("diff", {}).get("params.yaml", {})
        metrics = repo.metrics.diff(a_rev=revision, all=True).get("diff", {})
    both = [(name, given) for name, given in params.trained.items() if name in before]
    places = [(name, view) for name, given in both for view in params.views_of(given)]
    scores = {(name, view): headline(metrics.get(f"metrics/evaluate/{name}.json", {}), view) for name, view in places}
    found: dict[Place, Difference | None] = {}
    untested = {}
    for place in places:
        try:
            found[place] = find_difference(*place, old, new, params)
        except DataError as error:
            untested[place] = str(error)
    tested = {place: difference for place, difference in found.items() if difference}
    adjusted = holm([difference.p for difference in tested.values()])
    added, removed = params.trained.keys() - before, before - params.trained.keys()
    return Changes(
        revision=revision,
        level=params.evaluation.level,
        parameters={name: n for name, n in parameters.items() if not {*name.split(".")[1:2]} & (added | removed)},
        scores=scores,
        verdicts={place: {**asdict(tested[place]), "p_holm": p} for place, p in zip(tested, adjusted, strict=True)},
        unchanged=[place for place, difference in found.items() if difference is None],
        untested=untested,
        added=sorted(added),
        removed=sorted(removed),
        others=sum(map(count_changed, metrics.values())) - sum(map(count_changed, scores.values())),
    )


def count_changed(metrics: dict[str, Numbers]) -> int:
    """How many of them are not what they were."""
    return sum(numbers.get("old") != numbers.get("new") for numbers in metrics.values())


def find_difference(name: str, view: str, old: Any, new: Any, params: Params) -> Difference | None:
    """The change of a model's headline score, None if it predicts what it did: no test is spent on that.

    Raises:
        DataError: a side has no predictions, or the rows or the kind of score differ.
    """
    try:
        before = read_predictions(old, name, view)
    except DataError as error:
        raise DataError(f"{error}: before; `dvc push` where they were made, or make them here, then repeat") from None
    try:
        after = read_predictions(new, name, view)
    except DataError as error:
        raise DataError(f"{error}: now; `dvc repro` makes them, `dvc pull` brings them") from None
    if before == after:
        return None
    metric, was = (next(iter(read_samples(rows))) for rows in (after, before))
    if metric != was:
        raise DataError(f"scored by {was} before and by {metric} now")
    return compare(before, after, metric, params.evaluation, params.seed)


def headline(metrics: dict[str, Numbers], view: str) -> dict[str, Numbers]:
    """The name of the score that a model is tested by in a view -> its old and new value; {} without any."""
    of_model = {key.removeprefix(f"{view}.{MODEL}."): value for key, value in metrics.items()}
    name = next((name for name in HEADLINES if name in of_model and f"{name}_low" in of_model), None)
    return {} if name is None else {name: of_model[name]}


def render(changes: Changes, *, markdown: bool) -> str:
    """The changes for people: as text, or as the Markdown of a comment."""
    style = "github" if markdown else "simple"
    blocks = [f"{MARK}\n## Compared with {changes.revision}" if markdown else f"Compared with {changes.revision}"]
    blocks.append(summary(changes))
    if changes.parameters:
        rows = [[name, shown(n.get("old")), shown(n.get("new"))] for name, n in sorted(changes.parameters.items())]
        if markdown:
            rows = [[f"`{escape(cell)}`" for cell in row] for row in rows]
        blocks.append(tabulate(rows, ["parameter", "before", "now"], tablefmt=style, disable_numparse=True))
    same = [place for place in changes.unchanged if not count_changed(changes.scores[place])]
    if rows := [score_row(changes, place) for place in changes.scores if place not in same]:
        headers = [
            "model",
            "score on test",
            "before",
            "now",
            f"difference [{changes.level:.0%}]",
            "p (Holm)",
            "verdict",
        ]
        blocks.append(tabulate(rows, headers, tablefmt=style, disable_numparse=True))
    for what, names in {
        "Same predictions": [call(*place) for place in same],
        "Only now": changes.added,
        "Only before": changes.removed,
    }.items():
        blocks += [f"{what}: {', '.join(names)}."] if names else []
    blocks += ["\n".join(f"- {call(*place)}: {why}" for place, why in changes.untested.items())]
    if changes.others:
        blocks.append(f"{changes.others} other metrics changed, untested: `dvc metrics diff {changes.revision}`.")
    return "\n\n".join(block for block in blocks if block) + "\n"


def summary(changes: Changes) -> str:
    """How many verdicts there are of each kind, in one line."""
    words = [verdict(numbers, changes.level).partition(" (")[0] for numbers in changes.verdicts.values()]
    counts = {word: words.count(word) for word in ("better", "worse", "no difference seen")}
    counts |= {"not tested": len(changes.untested), "with the same predictions": len(changes.unchanged)}
    told = [f"{count} {word}" for word, count in counts.items() if count]
    return f"Parameters changed: {len(changes.parameters)}. Models: {', '.join(told) or 'none on both sides'}."


def score_row(changes: Changes, place: Place) -> list[str]:
    """A model's headline score before and now, with the verdict, or without one if it could not be tested."""
    score, numbers = next(iter(changes.scores[place].items()), ("", {}))
    values = [f"{v:.3f}" if (v := numbers.get(side)) is not None else "-" for side in ("old", "new")]
    row = [call(*place), NAMES.get(score, score), *values]
    if place not in changes.verdicts:
        why = "same predictions, scored in another way" if place in changes.unchanged else "not tested, see below"
        return [*row, "-", "-", why]
    tested = changes.verdicts[place]
    effect = f"{tested['effect']:+.3f} [{tested['low']:+.3f}, {tested['high']:+.3f}]"
    return [*row, effect, f"{tested['p_holm']:.4f}", verdict(tested, changes.level)]


def shown(value: Any) -> str:
    """A parameter's value on one line; null also where there is none."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def escape(cell: str) -> str:
    """Text that stays within a code span of a cell of a Markdown table."""
    return cell.replace("|", "\\|").replace("`", "'")


if __name__ == "__main__":
    run(main)
