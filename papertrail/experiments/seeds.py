"""Seed studies: how much a score varies between training seeds, beside the sampling error of the test split.

Each seed is a DVC experiment of this commit, named <model>-seed-<seed> and run in a temporary folder, so the workspace
does not change. Experiments that exist are not run again.
"""

import argparse
import logging
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from dvc.repo import Repo

from papertrail.core.artifacts import write_json
from papertrail.core.errors import PapertrailError
from papertrail.core.params import Evaluation, Params, choose, load_params
from papertrail.evaluate.stats.bootstrap import bootstrap
from papertrail.evaluate.stats.samples import read_samples
from papertrail.experiments.revisions import Predicted, open_revision, read_predictions
from papertrail.experiments.warm import DVC

log = logging.getLogger(__name__)

SEEDS = 2**32  # a training seed is smaller


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `papertrail seeds`."""
    parser.add_argument("name", nargs="?", help="a model of params.yaml; all models of seed_studies by default")
    parser.add_argument(
        "seeds", metavar="SEED", nargs="*", type=int, help="at least two; those of seed_studies by default"
    )


def run(arguments: argparse.Namespace) -> None:
    """Train the missing seeds of each study and write metrics/seeds/<model>.json.

    Raises:
        PapertrailError: A name or seed is wrong, a tracked file has uncommitted changes, or a stage failed.
    """
    params = load_params()
    studies = choose_studies(arguments.name, arguments.seeds, params)
    check_committed()
    for name, seeds in studies.items():
        study(name, sorted(set(seeds)), params)


def choose_studies(name: str | None, seeds: list[int], params: Params) -> Mapping[str, list[int]]:
    """Return model -> seeds, from the command line or else from seed_studies of params.yaml.

    Raises:
        PapertrailError: The model has no study, a study has fewer than two seeds, or a seed is out of range.
    """
    studies: Mapping[str, list[int]] = params.seed_studies
    if seeds:
        studies = {choose("model", name or "", list(params.models)): seeds}
    elif name in params.models and name not in studies:
        example = f"`papertrail seeds {name} 1 2 3`"
        raise PapertrailError(f"params.yaml: seed_studies has no '{name}'; name its seeds, such as {example}")
    elif name:
        studies = {choose("study of seed_studies", name, list(studies)): studies[name]}
    for model, found in studies.items():
        if len(set(found)) < 2:
            raise PapertrailError(f"{model}: {len(set(found))} seed; expected at least two different ones")
        for seed in found:
            if not 0 <= seed < SEEDS:
                raise PapertrailError(f"{model}: seed {seed}: expected a whole number from 0 to {SEEDS - 1}")
    return studies


def study(name: str, seeds: list[int], params: Params) -> None:
    """Train a model under each seed and write metrics/seeds/<name>.json.

    Raises:
        PapertrailError: A stage failed; finished seeds are kept.
    """
    experiments = {seed: f"{name}-seed-{seed}" for seed in seeds}
    for seed, experiment in experiments.items():
        if experiment not in find_experiments():
            run_experiment(name, seed, experiment)
    revisions = find_experiments()
    results: dict[str, dict[str, dict[str, float]]] = {}
    for view in params.inputs_by_view(params.models[name]):
        found = [read_predictions(open_revision(revisions[e]), name, view) for e in experiments.values()]
        results[view] = measure_spread(found, params.evaluation, params.seed)
        for metric, numbers in results[view].items():
            log.info(
                "%s, %s: mean %.3f, standard deviation over %d seeds %.3f, standard error of the test split %.3f",
                *(view, metric, numbers["mean"], len(seeds)),
                *(numbers["standard_deviation"], numbers["standard_error"]),
            )
    write_json(results, Path("metrics/seeds", f"{name}.json"))


def check_committed() -> None:
    """Check that no tracked file has uncommitted changes, because DVC keeps experiments by commit.

    Raises:
        PapertrailError: A tracked file other than a seed study has changed.
    """
    command = ["git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!metrics/seeds"]
    changed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    if changed:
        others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise PapertrailError(f"uncommitted changes in {changed[0][3:]}{others}; commit them first")


def find_experiments() -> dict[str, str]:
    """Return name -> revision of the experiments of this commit."""
    with Repo() as repo:
        return {name: revision for found in repo.experiments.ls().values() for name, revision in found}


def run_experiment(name: str, seed: int, experiment: str) -> None:
    """Train and evaluate a model under one seed.

    Raises:
        PapertrailError: A stage failed.
    """
    log.info("running %s", experiment)
    setting = f"++models.{name}.seed={seed}"  # ++ also adds the key
    command = [*DVC, "exp", "run", "--temp", "--name", experiment, "--set-param", setting, f"evaluate@{name}"]
    if subprocess.run(command).returncode:
        raise PapertrailError(f"{experiment} failed; see its messages above; finished seeds are kept")


def measure_spread(found: list[Predicted], evaluation: Evaluation, seed: int) -> dict[str, dict[str, float]]:
    """Return metric -> mean and standard deviation over the seeds, and the mean bootstrap standard error of a seed.

    Args:
        found: Predictions of a model for the same rows under each seed.
        evaluation: Number of bootstrap samples.
        seed: Of the bootstrap.
    """
    samples = [read_samples(predicted.rows, predicted.kind) for predicted in found]
    results = {}
    for metric in samples[0]:
        ours = [by_metric[metric] for by_metric in samples]
        scores = [float(sample.score(np.ones((1, len(sample))))[0]) for sample in ours]
        errors = [
            np.nanstd(bootstrap(sample.score, len(sample), evaluation.bootstrap_samples, seed)) for sample in ours
        ]
        results[metric] = {
            "mean": float(np.mean(scores)),
            "standard_deviation": float(np.std(scores, ddof=1)),
            "standard_error": float(np.mean(errors)),
            "seeds": len(scores),
        }
    return results
