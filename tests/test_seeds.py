"""Two kinds of uncertainty, and a study that goes on where it stopped."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from scholar.errors import ScholarError
from scholar.params import Evaluation
from scholar.samples import SUMMARY
from scholar.seeds import find_experiments, main, spread
from tests.fixtures.tiny_runs import EVALUATION
from tests.fixtures.two_branches import make_repository


def study(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["seeds", *arguments])
    main()


def test_spread_over_seeds_stands_apart_from_that_over_papers() -> None:
    papers = np.random.default_rng(0).normal(size=400)

    def table(shift: float) -> list[dict[str, object]]:
        return [{"id": i, "paper": f"{i}", **dict.fromkeys(SUMMARY, v + shift)} for i, v in enumerate(papers)]

    found = spread([table(0), table(0.5), table(1)], Evaluation(**{**EVALUATION, "replicates": 4000}), 1)["rougeL"]
    assert found["mean"] == pytest.approx(papers.mean() + 0.5)
    assert found["standard_deviation"] == pytest.approx(0.5)
    assert found["standard_error"] == pytest.approx(papers.std() / 20, rel=0.05)
    assert found["seeds"] == 3


def test_a_study_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_repository(tmp_path / "repo", first={"learning_rate": 0.6})
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    before = (folder / "params.yaml").read_bytes()
    with pytest.raises(ScholarError, match=r"first-seed-13 failed; .* the seeds before it are kept"):
        study(monkeypatch, "first", "13", "2")
    done = find_experiments()
    assert list(done) == ["first-seed-2"]
    study(monkeypatch, "first", "2", "3")
    assert find_experiments()["first-seed-2"] == done["first-seed-2"]  # not run again
    numbers = json.loads((folder / "metrics/seeds/first.json").read_text())["test"]["macro_f1"]
    assert numbers["seeds"] == 2
    assert 0.5 < numbers["mean"] < 0.7
    assert numbers["standard_deviation"] > 0  # other draws were made
    assert (folder / "params.yaml").read_bytes() == before
    (folder / "params.yaml").write_bytes(before + b"\n")
    with pytest.raises(ScholarError, match=r"params\.yaml and 0 more files changed; commit them first"):
        study(monkeypatch, "first", "2", "3")


def test_one_seed_has_no_spread(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    with pytest.raises(ScholarError, match="ner-base: 1 seed: a spread needs two"):
        study(monkeypatch, "ner-base", "1", "1")


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_generator_takes_is_refused_before_any_training(
    repo: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.chdir(repo)
    monkeypatch.setattr("scholar.seeds.check_committed", lambda: pytest.fail("it went on"))
    with pytest.raises(ScholarError, match=f"ner-base: seed {seed}: a whole number from 0 to 4294967295 was expected"):
        study(monkeypatch, "ner-base", "1", str(seed))


def test_a_model_without_a_study_is_told_how_to_get_one(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    with pytest.raises(ScholarError, match=r"seed_studies has no 'ner-base'; give its seeds, .*seeds ner-base 1 2 3"):
        study(monkeypatch, "ner-base")
    with pytest.raises(ScholarError, match="unknown study of seed_studies 'nre-base'"):
        study(monkeypatch, "nre-base")
