"""`python -m benchmarks.published [MODEL ...]`: the published data, a small encoder, each model under several seeds.

Applies profiles/published_small.yaml to a copy of this repository in FOLDER, builds its runs and retrievers with what
they need, and trains those of its `seed_studies` anew under each seed. What was measured stands in
benchmarks/published.json, and as a table in docs/published.md. Repeated, it goes on where it stopped.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from tabulate import tabulate

from scholar.errors import ScholarError, run
from scholar.params import PARAMS, choose, load_params
from scholar.profile import PROFILES, apply_overlay, copy_repository, read_profile
from scholar.readme import replace_block
from scholar.records import write_json, write_text
from scholar.seeds import find_experiments
from scholar.tables import NAMES as TABLE_NAMES

PROFILE = PROFILES / "published_small.yaml"
FOLDER = Path("../papertrail-published")  # beside this repository, so that ../shared/data is the same folder
RESULTS = Path("benchmarks/published.json").resolve()
DOCUMENT = Path("docs/published.md").resolve()
Views = dict[str, dict[str, dict[str, list[float]]]]
NAMES = {**TABLE_NAMES, "f1": "F1"}  # of mentions, or of the interesting papers
SHOWN = (
    *("macro_f1", "accuracy", "f1", "precision", "recall", "average_precision", "mrr"),
    *("pair_accuracy", "pair_precision", "pair_recall", "pair_f1", "ndcg@10", "recall@100"),
)


def main() -> None:
    """Build, repeat under other seeds, write the numbers and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", metavar="MODEL", nargs="*", help="a run or retriever of the profile; all if left out")
    asked = parser.parse_args().models
    cache = str(Path(".dvc/cache").resolve())  # it may have the sources already
    copy_repository(Path(), FOLDER)
    apply_overlay(read_profile(PROFILE), FOLDER / PARAMS)
    os.chdir(FOLDER)
    params = load_params()
    known = [*params.runs, *params.retrievers]
    models = [choose("run or retriever", name, known) for name in asked] or known
    _run("dvc", "config", "--local", "cache.dir", cache)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in models:
        _run("dvc", "repro", f"{'evaluate_retriever' if name in params.retrievers else 'evaluate'}@{name}")
        _run("git", "add", "--all")
        if subprocess.run(["git", "diff", "--cached", "--quiet"]).returncode:  # something was built or has changed
            _run("git", "commit", "--quiet", "--message", f"Build {name}")
        seeds = params.seed_studies.get(name, [])
        revisions = ["HEAD"]
        if seeds:
            _run(sys.executable, "-m", "scholar.seeds", name)
            revisions = [find_experiments()[f"{name}-seed-{seed}"] for seed in seeds]
        results[name] = {"seeds": seeds or [params.seed_of(params.trained[name])], "views": collect(name, revisions)}
        write_json(results, RESULTS)
        write_text(replace_block(DOCUMENT.read_text(encoding="utf-8"), "measured", tabulate_results(results)), DOCUMENT)


def _run(*command: str) -> None:
    if subprocess.run(command).returncode:
        raise ScholarError(f"{' '.join(command)} failed in {FOLDER}; its messages stand above")


def collect(name: str, revisions: list[str]) -> Views:
    """View of the test split -> system -> score -> its value at each revision."""
    collected: Views = {}
    for revision in revisions:
        shown = f"{revision}:metrics/evaluate/{name}.json"
        told = subprocess.run(["git", "show", shown], capture_output=True, check=True, text=True).stdout
        for view, systems in json.loads(told).items():
            for system, scores in sorted(systems.items()):
                for score in SHOWN if isinstance(scores, dict) else ():
                    if score in scores and not (score == "macro_f1" and "f1" in scores):  # of mentions they are one
                        lists = collected.setdefault(view, {}).setdefault(system, {})
                        lists.setdefault(score, []).append(scores[score])
    return collected


def tabulate_results(results: dict[str, Any]) -> str:
    """A row per model, view and system: mean over the seeds, with the standard deviation of what moves with them."""
    rows = []
    for name, result in results.items():
        views: Views = result["views"]
        for view, systems in views.items():
            shown = name if len(views) == 1 else f"{name}, {view}"
            for system, scores in systems.items():
                told = [
                    f"{NAMES.get(score, score)} {mean(values):.3f}"
                    + (f" ± {stdev(values):.3f}" if len(set(values)) > 1 else "")
                    for score, values in scores.items()
                ]
                rows.append([shown, NAMES.get(system, system), len(result["seeds"]), ", ".join(told)])
    return tabulate(rows, ["model", "system", "seeds", "test scores, mean ± standard deviation over seeds"], "github")


if __name__ == "__main__":
    run(main)
