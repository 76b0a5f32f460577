"""How much does a model depend on the seed of its training? `python -m scholar.seeds [NAME [SEED SEED ...]]`

Left out, names and seeds are those of `seed_studies` in params.yaml. One DVC experiment of this commit for each seed,
named <name>-seed-<seed> and run in a folder of its own, so that the workspace stays as it is; those that are there
already are not run again. What they predicted tells two kinds of uncertainty apart, in metrics/seeds/<name>.json: how
far the score moves from seed to seed on the same test papers, and how far one model's score would move on other ones.
"""

import argparse
import logging
import subprocess
from pathlib import Path

import numpy as np
from dvc.repo import Repo

from scholar.errors import ScholarError, run
from scholar.params import Evaluation, Params, choose, load_params
from scholar.records import Row, write_json
from scholar.resampling import bootstrap
from scholar.revisions import open_revision, read_predictions
from scholar.samples import read_samples

log = logging.getLogger(__name__)


def main() -> None:
    """Run what is missing, then measure both spreads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help="a run, retriever or summarizer of params.yaml")
    parser.add_argument("seeds", metavar="SEED", nargs="*", type=int, help="two at least")
    arguments = parser.parse_args()
    params = load_params()
    studies = params.seed_studies
    if arguments.seeds:
        studies = {choose("model", arguments.name, list(params.trained)): arguments.seeds}
    elif arguments.name in params.trained and arguments.name not in studies:
        example = f"`python -m scholar.seeds {arguments.name} 1 2 3`"
        raise ScholarError(f"params.yaml: seed_studies has no '{arguments.name}'; give its seeds, such as {example}")
    elif arguments.name:
        name = choose("study of seed_studies", arguments.name, list(studies))
        studies = {name: studies[name]}
    for name, seeds in studies.items():
        if len(set(seeds)) < 2:
            raise ScholarError(f"{name}: {len(set(seeds))} seed: a spread needs two; name another")
        for seed in seeds:
            if not 0 <= seed < 2**32:
                raise ScholarError(f"{name}: seed {seed}: a whole number from 0 to {2**32 - 1} was expected")
    check_committed()
    for name, seeds in studies.items():
        study(name, sorted(set(seeds)), params)


def study(name: str, seeds: list[int], params: Params) -> None:
    """Train a model under each seed and write metrics/seeds/<name>.json.

    Raises:
        ScholarError: a stage failed; the seeds before it are kept.
    """
    experiments = {seed: f"{name}-seed-{seed}" for seed in seeds}
    for seed in seeds:
        if experiments[seed] not in find_experiments():
            run_experiment(name, seed, experiments[seed], params)
    known = find_experiments()
    results: dict[str, dict[str, dict[str, float]]] = {}
    for view in params.views_of(params.trained[name]):
        tables = [read_predictions(open_revision(known[experiments[seed]]), name, view) for seed in seeds]
        results[view] = spread(tables, params.evaluation, params.seed)
        for score, numbers in results[view].items():
            line = "%s, %s: %.3f, standard deviation over %d seeds %.3f, standard error of the test set %.3f"
            told = (numbers["mean"], len(seeds), numbers["standard_deviation"], numbers["standard_error"])
            log.info(line, view, score, *told)
    write_json(results, Path("metrics/seeds", f"{name}.json"))


def check_committed() -> None:
    """Experiments are kept by commit, so that one of an earlier state must not pass for one of this.

    Raises:
        ScholarError: a file that git tracks has changed, other than the results of such studies.
    """
    command = ["git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!metrics/seeds"]
    changed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    if changed:
        raise ScholarError(f"{changed[0][3:]} and {len(changed) - 1} more files changed; commit them first")


def find_experiments() -> dict[str, str]:
    """Name -> revision of the experiments of this commit."""
    with Repo() as repo:
        return {name: revision for found in repo.experiments.ls().values() for name, revision in found}


def run_experiment(name: str, seed: int, experiment: str, params: Params) -> None:
    """Train and evaluate under one seed.

    Raises:
        ScholarError: a stage failed.
    """
    if name in params.runs:
        section, stage = "runs", "evaluate"
    elif name in params.retrievers:
        section, stage = "retrievers", "evaluate_retriever"
    else:
        section, stage = "summarizers", "evaluate_summarizer"
    log.info("running %s", experiment)
    setting = f"++{section}.{name}.seed={seed}"  # ++: a run's own block need not have the key yet
    command = ["dvc", "exp", "run", "--temp", "--name", experiment, "--set-param", setting, f"{stage}@{name}"]
    if subprocess.run(command).returncode:
        raise ScholarError(f"{experiment} failed; its messages stand above; the seeds before it are kept")


def spread(tables: list[list[Row]], evaluation: Evaluation, seed: int) -> dict[str, dict[str, float]]:
    """Of every score: mean and standard deviation over the tables, and the mean of their bootstrap standard errors.

    Args:
        tables: a model's predictions of the same rows under each seed.
        evaluation: replicates.
        seed: of the bootstrap.
    """
    samples = [read_samples(rows) for rows in tables]
    results = {}
    for name in samples[0]:
        own = [given[name] for given in samples]
        scores = [float(sample.score(np.ones((1, len(sample))))[0]) for sample in own]
        errors = [np.nanstd(bootstrap(sample.score, len(sample), evaluation.replicates, seed)) for sample in own]
        results[name] = {
            "mean": float(np.mean(scores)),
            "standard_deviation": float(np.std(scores, ddof=1)),
            "standard_error": float(np.mean(errors)),
            "seeds": len(scores),
        }
    return results


if __name__ == "__main__":
    run(main)
