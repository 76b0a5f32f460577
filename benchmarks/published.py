"""The published data with a small encoder, models under several seeds: `python -m benchmarks.published [MODEL ...]`.

Applies profiles/published_small.yaml to a copy of this repository in FOLDER, builds its models, and trains those of its
`seed_studies` under each seed. Results are written to benchmarks/published.json and as a table to docs/published.md. A
rerun continues where the last one stopped.
"""

import argparse
import json
import os
import subprocess
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from tabulate import tabulate

from papertrail.core.artifacts import write_json, write_text
from papertrail.core.errors import PapertrailError
from papertrail.core.params import PARAMS, choose, load_params
from papertrail.core.process import run_cli
from papertrail.experiments.profile import PROFILES, apply_overlay, copy_repository, read_profile
from papertrail.experiments.seeds import find_experiments
from papertrail.report.names import metric_name, system_name
from papertrail.report.readme import replace_blocks

PROFILE = PROFILES / "published_small.yaml"
FOLDER = Path("../papertrail-published")  # beside this repository, where ../shared/data is the same folder
RESULTS = Path("benchmarks/published.json").resolve()
DOCUMENT = Path("docs/published.md").resolve()
Views = dict[str, dict[str, dict[str, list[float]]]]
METRICS = {"f1": "F1"}  # of entities, or of the positive class
SHOWN = (
    *("macro_f1", "accuracy", "f1", "precision", "recall", "average_precision", "mrr"),
    *("pair_accuracy", "pair_precision", "pair_recall", "pair_f1", "ndcg@10", "recall@100"),
)


def main() -> None:
    """Build the models, train them under other seeds, write results and table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", metavar="MODEL", nargs="*", help="a model of the profile; default: all")
    names = parser.parse_args().models
    cache = str(Path(".dvc/cache").resolve())  # it may have the sources
    copy_repository(Path(), FOLDER)
    apply_overlay(read_profile(PROFILE), FOLDER / PARAMS)
    os.chdir(FOLDER)
    params = load_params()
    models = [choose("model", name, list(params.models)) for name in names] or list(params.models)
    _run("dvc", "config", "--local", "cache.dir", cache)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in models:
        _run("dvc", "repro", f"evaluate@{name}")
        _run("git", "add", "--all")
        if subprocess.run(["git", "diff", "--cached", "--quiet"]).returncode:  # an output changed
            _run("git", "commit", "--quiet", "--message", f"Build {name}")
        seeds = params.seed_studies.get(name, [])
        revisions = ["HEAD"]
        if seeds:
            _run("papertrail", "seeds", name)
            revisions = [find_experiments()[f"{name}-seed-{seed}"] for seed in seeds]
        results[name] = {"seeds": seeds or [params.seed_of(params.models[name])], "views": collect(name, revisions)}
        write_json(results, RESULTS)
        table = {"measured": tabulate_results(results)}
        write_text(replace_blocks(DOCUMENT.read_text(encoding="utf-8"), table, DOCUMENT), DOCUMENT)


def _run(*command: str) -> None:
    if subprocess.run(command).returncode:
        raise PapertrailError(f"{' '.join(command)} failed in {FOLDER}; see its messages above")


def collect(name: str, revisions: list[str]) -> Views:
    """Return view of the test split -> system -> metric -> its value at each revision."""
    collected: Views = {}
    for revision in revisions:
        file = f"{revision}:metrics/evaluate/{name}.json"
        text = subprocess.run(["git", "show", file], capture_output=True, check=True, text=True).stdout
        for view, systems in json.loads(text).items():
            for system, scores in sorted(systems.items()):
                for score in SHOWN if isinstance(scores, dict) else ():
                    if score in scores and not (score == "macro_f1" and "f1" in scores):  # both are equal for entities
                        lists = collected.setdefault(view, {}).setdefault(system, {})
                        lists.setdefault(score, []).append(scores[score])
    return collected


def tabulate_results(results: dict[str, Any]) -> str:
    """Return a table with a row per model, view and system: mean and standard deviation over the seeds."""
    rows = []
    for name, result in results.items():
        views: Views = result["views"]
        for view, systems in views.items():
            shown = name if len(views) == 1 else f"{name}, {view}"
            for system, scores in systems.items():
                cells = [
                    f"{METRICS.get(score, metric_name(score))} {mean(values):.3f}"
                    + (f" ± {stdev(values):.3f}" if len(set(values)) > 1 else "")
                    for score, values in scores.items()
                ]
                rows.append([shown, system_name(system), len(result["seeds"]), ", ".join(cells)])
    return tabulate(rows, ["model", "system", "seeds", "test scores, mean ± standard deviation over seeds"], "github")


if __name__ == "__main__":
    run_cli(main)
