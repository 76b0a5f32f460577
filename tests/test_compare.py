"""A branch compared with main, on a small repository: a better model, another seed, what cannot be compared."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scholar.compare import MARK, escape, find_changes, headline, main, render, score_row
from scholar.errors import ScholarError
from scholar.params import load_params
from scholar.samples import READERS, read_samples
from scholar.tables import HEADLINES
from tests.fixtures.two_branches import call, make_branch, make_repository

GOOD, FAIR = {"learning_rate": 0.9}, {"learning_rate": 0.6}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Branches main, better (also with one model in place of another) and seed; a remote has everything."""
    folder = make_repository(tmp_path_factory.mktemp("git") / "repo", first=FAIR, second=FAIR, third=FAIR)
    make_branch(folder, "seed", first={**FAIR, "seed": 1}, second=FAIR, third=FAIR)
    call(folder, "git", "checkout", "-q", "main")
    make_branch(folder, "better", first=GOOD, second=FAIR, fourth=FAIR)
    return folder


@pytest.fixture
def repository(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(built)
    return built


def switch(folder: Path, branch: str) -> None:
    call(folder, "git", "checkout", "-q", branch)
    call(folder, "dvc", "checkout", "-q")


def test_a_better_model_is_told(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    switch(repository, "better")
    comment = repository / "build/comment.md"
    monkeypatch.setattr(sys, "argv", ["compare", "main", "--markdown", str(comment)])
    main()
    text, markdown = capsys.readouterr().out, comment.read_text()
    assert "1 better, 1 with the same predictions" in text
    (row,) = [line.split("  ") for line in text.splitlines() if line.startswith("first ")]
    assert row[-1] == "better"
    for told in (text, markdown):
        assert "Same predictions: second." in told
        assert "Only now: fourth." in told
        assert "Only before: third." in told
    assert markdown.startswith(MARK)
    assert "| `runs.first.learning_rate` | `0.6`" in markdown


@pytest.mark.parametrize("revision", ["", " "])
def test_an_empty_revision_is_not_the_workspace(repository: Path, revision: str) -> None:
    with pytest.raises(ScholarError, match="the revision is empty"):
        find_changes(revision, load_params())


def test_another_seed_is_no_difference(repository: Path) -> None:
    switch(repository, "seed")
    changes = find_changes("main", load_params())
    assert list(changes.parameters) == ["runs.first.seed"]
    assert list(changes.verdicts) == [("first", "test")]
    score = changes.scores["first", "test"]["macro_f1"]
    assert score["old"] != score["new"]  # it moved, and must not read as news
    assert score["new"] - score["old"] == pytest.approx(changes.verdicts["first", "test"]["effect"])
    assert score_row(changes, ("first", "test"))[-1].startswith("no difference seen")
    for markdown in (False, True):
        told = render(changes, markdown=markdown)
        assert "1 no difference seen" in told
        assert "better" not in told


def test_other_rows_are_told_not_compared(repository: Path) -> None:
    switch(repository, "seed")
    file = repository / "predictions/second/test.parquet"
    rows = pq.read_table(file).to_pylist()
    file.unlink()  # a copy of the cache may be a link
    pq.write_table(pa.Table.from_pylist([{**row, "label": 0} for row in rows]), file)
    changes = find_changes("main", load_params())
    assert "label is 1 before and 0 after" in changes.untested["second", "test"]
    assert list(changes.verdicts) == [("first", "test")]  # the rest is still told
    assert "- second: row 1: label" in render(changes, markdown=True)
    call(repository, "dvc", "checkout", "-q", "--force")


def test_predictions_come_from_a_remote_or_are_said_to_be_missing(repository: Path, tmp_path: Path) -> None:
    switch(repository, "better")
    call(repository, "dvc", "remote", "add", "-q", "-d", "--local", "store", str(tmp_path / "store"))
    call(repository, "dvc", "push", "-q", "--all-branches")
    cache = repository / ".dvc/cache"
    cache.rename(tmp_path / "cache")
    assert find_changes("main", load_params()).verdicts["first", "test"]["effect"] > 0.2
    (tmp_path / "store").rename(tmp_path / "gone")
    changes = find_changes("main", load_params())
    assert not changes.verdicts
    assert "`dvc push`" in changes.untested["first", "test"]
    assert changes.scores["first", "test"]["macro_f1"]["new"] > 0.8  # git has the metrics
    assert score_row(changes, ("first", "test"))[-1] == "not tested, see below"
    assert changes.added == ["fourth"]
    (tmp_path / "cache").rename(cache)
    call(repository, "dvc", "remote", "remove", "-q", "--local", "store")


def test_unknown_revision(repository: Path) -> None:
    with pytest.raises(ScholarError, match="unknown revision 'mian'; give a branch"):
        find_changes("mian", load_params())


def test_headlines_are_the_scores_that_models_are_tested_by() -> None:
    row = {"id": "a", "paper": "p", "label": 1, "prediction": 1, "probabilities": [0.0, 1.0]}
    samples = [
        read_samples([row]),
        read_samples([{**row, "probabilities": [0.0, 1.0, 0.0]}]),
        read_samples([{"id": "a", "paper": "p", "tags": ["B-X"], "predicted_tags": ["B-X"]}]),
        dict.fromkeys(["mrr", "recall@10", "pair_f1"]),
        dict.fromkeys(["ndcg@10", "map@100"]),
        dict.fromkeys(["rougeL", "rouge1"]),
    ]
    assert len(samples) == len(READERS) + 1  # labels are of two classes or more
    for given in samples:
        metrics = {f"test.model.{name}{end}": {} for name in sorted(given) for end in ("", "_low", "_high")}
        assert list(headline(metrics, "test")) == list(given)[:1]
    assert headline({"test.model.macro_f1": {}, "test.model.f1": {}, "test.model.f1_low": {}}, "test") == {"f1": {}}
    assert set(HEADLINES) == {next(iter(given)) for given in samples}


def test_another_way_of_scoring_is_told(repository: Path) -> None:
    switch(repository, "seed")
    changes = find_changes("main", load_params())
    changes.scores["second", "test"]["macro_f1"]["old"] = 0.5
    assert score_row(changes, ("second", "test"))[-1] == "same predictions, scored in another way"
    assert "scored in another way" in render(changes, markdown=True)


def test_values_stay_in_their_cell() -> None:
    assert escape("a|b`c") == "a\\|b'c"
