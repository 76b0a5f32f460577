"""Seed studies: two kinds of spread, and a study that continues after a failure."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from papertrail.core.errors import PapertrailError
from papertrail.core.params import load_params
from papertrail.evaluate.stats.samples import SCORES
from papertrail.experiments.revisions import Predicted
from papertrail.experiments.seeds import add_arguments, find_experiments, measure_spread, run
from tests.fixtures.commands import ROOT
from tests.fixtures.two_branches import make_repository


def study(*words: str) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args(words))


def test_the_spread_over_seeds_is_apart_from_that_over_papers() -> None:
    papers = np.random.default_rng(0).normal(size=400)
    evaluation = replace(load_params(ROOT / "params.yaml").evaluation, bootstrap_samples=4000)

    def shifted(shift: float) -> Predicted:
        columns = SCORES["summaries"]
        rows = [{"id": i, "paper": f"{i}", **dict.fromkeys(columns, v + shift)} for i, v in enumerate(papers)]
        return Predicted("summaries", rows)

    found = measure_spread([shifted(0), shifted(0.5), shifted(1)], evaluation, 1)["rougeL"]
    assert found["mean"] == pytest.approx(papers.mean() + 0.5)
    assert found["standard_deviation"] == pytest.approx(0.5)
    assert found["standard_error"] == pytest.approx(papers.std() / 20, rel=0.05)
    assert found["seeds"] == 3


def test_a_study_continues_where_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_repository(tmp_path / "repo", first={"learning_rate": 0.6})
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    before = (folder / "params.yaml").read_bytes()
    with pytest.raises(PapertrailError, match=r"first-seed-13 failed; .* finished seeds are kept"):
        study("first", "13", "2")
    done = find_experiments()
    assert list(done) == ["first-seed-2"]
    study("first", "2", "3")
    assert find_experiments()["first-seed-2"] == done["first-seed-2"]  # not run again
    numbers = json.loads((folder / "metrics/seeds/first.json").read_text())["test"]["macro_f1"]
    assert numbers["seeds"] == 2
    assert 0.5 < numbers["mean"] < 0.7
    assert numbers["standard_deviation"] > 0
    assert (folder / "params.yaml").read_bytes() == before
    (folder / "params.yaml").write_bytes(before + b"\n")
    with pytest.raises(PapertrailError, match=r"uncommitted changes in params\.yaml; commit them first"):
        study("first", "2", "3")


def test_one_seed_has_no_spread(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    with pytest.raises(PapertrailError, match="ner-base: 1 seed; expected at least two different ones"):
        study("ner-base", "1", "1")


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused_before_any_training(
    repo: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.chdir(repo)
    monkeypatch.setattr("papertrail.experiments.seeds.check_committed", lambda: pytest.fail("it continued"))
    with pytest.raises(PapertrailError, match=f"ner-base: seed {seed}: expected a whole number from 0 to 4294967295"):
        study("ner-base", "1", str(seed))


def test_a_model_without_a_study_needs_seeds(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    with pytest.raises(
        PapertrailError, match=r"seed_studies has no 'ner-base'; name its seeds, .*seeds ner-base 1 2 3"
    ):
        study("ner-base")
    with pytest.raises(PapertrailError, match="unknown study of seed_studies 'nre-base'"):
        study("nre-base")
