"""What changed since another revision, and whether the change is significant.

Parameters and scores come from `dvc params diff` and `dvc metrics diff`. Each model with other predictions than before
gets a paired test on the same rows; predictions come from the workspace, DVC's cache or its remote.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tabulate import tabulate

from papertrail.core.artifacts import write_text
from papertrail.core.params import Evaluation, load_params
from papertrail.evaluate.stats.comparison import verdict
from papertrail.experiments.changes import Change, Changes, Significance, find_changes
from papertrail.report.names import metric_name

MARK = "<!-- papertrail comparison -->"  # identifies the comment of a pull request, to update it
MAX_VALUE = 60  # characters of a parameter's value
SAME, OTHER_SCORES, NOT_COMPARED = "unchanged", "same predictions, scored differently", "not compared"
INSIGNIFICANT = "changed, not significantly"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `papertrail compare`."""
    parser.add_argument("revision", metavar="REV", help="a branch, tag, commit or experiment")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="also write the comparison as Markdown")


def run(arguments: argparse.Namespace) -> None:
    """Compare a revision with the workspace; print the result, and write it as Markdown on request.

    Raises:
        PapertrailError: The revision is empty or unknown.
    """
    params = load_params()
    changes = find_changes(arguments.revision, params)
    sys.stdout.write(render(changes, params.evaluation, markdown=False))
    if arguments.markdown:
        write_text(render(changes, params.evaluation, markdown=True), arguments.markdown)


def render(changes: Changes, evaluation: Evaluation, *, markdown: bool) -> str:
    """Return the changes as text, or as the Markdown of a comment."""
    style = "github" if markdown else "simple"
    title = f"Compared with {changes.revision}"
    blocks = [f"{MARK}\n## {title}" if markdown else title, summarise(changes, evaluation)]
    if changes.parameters:
        rows = [[path, shorten(d.get("old")), shorten(d.get("new"))] for path, d in sorted(changes.parameters.items())]
        if markdown:
            rows = [[f"`{escape(cell)}`" for cell in row] for row in rows]
        blocks.append(tabulate(rows, ["parameter", "before", "now"], tablefmt=style, disable_numparse=True))
    if rows := [score_row(c, evaluation) for c in changes.models if status_of(c, evaluation) != SAME]:
        interval = f"difference [{evaluation.confidence_level:.0%}]"
        headers = ["model", "metric on test", "before", "now", interval, "verdict"]
        blocks.append(tabulate(rows, headers, tablefmt=style, disable_numparse=True))
    names = {
        "Same predictions": [c.model for c in changes.models if status_of(c, evaluation) == SAME],
        "New": changes.new,
        "Removed": changes.removed,
        "Never run": changes.never_run,
    }
    blocks += [f"{heading}: {', '.join(models)}." for heading, models in names.items() if models]
    if reasons := [f"- {change.model}: {change.reason}" for change in changes.models if change.reason]:
        blocks.append("\n".join(["Not compared:", *([""] if markdown else []), *reasons]))
    if changes.secondary:
        details = f"`dvc metrics diff {changes.revision}`"
        blocks.append(f"{changes.secondary} secondary numbers changed; no significance test ({details}).")
    return "\n\n".join(blocks) + "\n"


def summarise(changes: Changes, evaluation: Evaluation) -> str:
    """Return how many parameters changed, and how many models by status, in one line."""
    found = [status_of(change, evaluation) for change in changes.models]
    order = ("better", "worse", INSIGNIFICANT, OTHER_SCORES, SAME, NOT_COMPARED)
    counts = [f"{found.count(status)} {status}" for status in order if status in found]
    return f"Parameters: {len(changes.parameters)} changed. Models: {'; '.join(counts) or 'none on both sides'}."


def status_of(change: Change, evaluation: Evaluation) -> str:
    """Return what happened to a model in a word or two."""
    if change.reason:
        return NOT_COMPARED
    if change.test:
        word = verdict(change.test.numbers, evaluation).partition(" (")[0]
        return word if word in ("better", "worse") else INSIGNIFICANT
    return SAME if change.old == change.new else OTHER_SCORES


def score_row(change: Change, evaluation: Evaluation) -> list[str]:
    """Return the row of a model: headline metric before and now, difference and verdict."""
    values = ["-" if value is None else f"{value:.3f}" for value in (change.old, change.new)]
    row = [change.model, metric_name(change.metric) if change.metric else "-", *values]
    if change.test is None:
        return [*row, "-", f"{status_of(change, evaluation)}{', see below' if change.reason else ''}"]
    difference = "{effect:+.3f} [{low:+.3f}, {high:+.3f}]".format(**change.test.numbers)
    return [*row, difference, explain(change.test, status_of(change, evaluation))]


def explain(test: Significance, status: str) -> str:
    """Return the verdict of a test with its corrected p-value; if not significant, also the detectable effect."""
    p = test.numbers["p_holm"]
    if status != INSIGNIFICANT:
        return f"{status} (corrected p = {p:.2g})"
    smallest = test.numbers["minimum_detectable_effect"]
    return (
        f"not significant (corrected p = {p:.2f}); gaps below about {smallest:.1g} are usually too small to detect "
        f"with {test.units}"
    )


def shorten(value: Any) -> str:
    """Return a parameter's value on one line, null if there is none."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}..."


def escape(cell: str) -> str:
    """Return text that is safe in a code span in a cell of a Markdown table."""
    return cell.replace("|", "\\|").replace("`", "'")
