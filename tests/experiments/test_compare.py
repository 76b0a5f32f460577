"""A branch compared with main in a small repository: better models, other seeds, and models that cannot be compared."""

import argparse
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from papertrail.core.errors import PapertrailError
from papertrail.core.params import load_params
from papertrail.evaluate.stats.samples import SCORES
from papertrail.experiments.changes import Change, Changes, Significance, find_changes, headline
from papertrail.experiments.compare import MARK, add_arguments, escape, explain, render, run, score_row, summarise
from tests.fixtures.commands import ROOT
from tests.fixtures.two_branches import DVC_YAML, call, make_branch, make_repository, write_models

GOOD, FAIR = {"learning_rate": 0.9}, {"learning_rate": 0.6}
EVALUATION = load_params(ROOT / "params.yaml").evaluation


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Branches main, seed and better; the last has one model in place of another."""
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
    call(folder, "git", "checkout", "-q", "--force", branch)
    call(folder, "dvc", "checkout", "-q")


def find(model: str, changes: Changes) -> Change:
    (change,) = (change for change in changes.models if change.model == model)
    return change


def test_a_better_model(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    switch(repository, "better")
    comment = repository / "build/comment.md"
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args(["main", "--markdown", str(comment)]))
    text, markdown = capsys.readouterr().out, comment.read_text()
    assert "Models: 1 better; 1 unchanged." in text
    (row,) = [line.split("  ") for line in text.splitlines() if line.startswith("first ")]
    assert row[-1].startswith("better (corrected p = 0.00")
    for form in (text, markdown):
        assert "Same predictions: second." in form
        assert "New: fourth." in form
        assert "Removed: third." in form
        assert "secondary numbers changed; no significance test" in form
    assert markdown.startswith(MARK)
    assert "| `models.first.learning_rate` | `0.6`" in markdown
    assert "models.fourth" not in markdown  # of a new model


@pytest.mark.parametrize("revision", ["", " "])
def test_an_empty_revision_is_not_the_workspace(repository: Path, revision: str) -> None:
    with pytest.raises(PapertrailError, match="the revision is empty"):
        find_changes(revision, load_params())


def test_another_seed_is_not_significant(repository: Path) -> None:
    switch(repository, "seed")
    changes = find_changes("main", load_params())
    assert list(changes.parameters) == ["models.first.seed"]
    assert [change.model for change in changes.models if change.test] == ["first"]
    first = find("first", changes)
    assert first.test is not None
    assert (first.metric, first.test.units) == ("macro_f1", "40 papers")
    assert first.old is not None
    assert first.new is not None
    assert first.old != first.new
    assert first.new - first.old == pytest.approx(first.test.numbers["effect"])
    assert score_row(first, EVALUATION)[-1].startswith("not significant (corrected p = ")
    for markdown in (False, True):
        text = render(changes, EVALUATION, markdown=markdown)
        assert "Models: 1 changed, not significantly; 2 unchanged." in text
        assert "better" not in text


def test_other_rows_are_not_compared(repository: Path) -> None:
    switch(repository, "seed")
    file = repository / "predictions/second/test.parquet"
    table = pq.read_table(file)
    file.unlink()  # it may be a link into the cache
    rows = [{**row, "label": 0} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)
    changes = find_changes("main", load_params())
    assert "label is 1 before and 0 after" in find("second", changes).reason
    assert find("first", changes).test  # the others are still compared
    assert "- second: row 1: label" in render(changes, EVALUATION, markdown=True)
    call(repository, "dvc", "checkout", "-q", "--force")


def test_predictions_of_another_kind_are_not_compared(repository: Path) -> None:
    switch(repository, "seed")
    file = repository / "predictions/second/test.parquet"
    table = pq.read_table(file)
    file.unlink()
    pq.write_table(table.replace_schema_metadata({"papertrail.kind": "screening"}), file)
    changes = find_changes("main", load_params())
    assert find("second", changes).reason == "predictions are of kind classes in main and of kind screening now"
    call(repository, "dvc", "checkout", "-q", "--force")


def test_predictions_of_an_older_version_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_repository(tmp_path / "repo", first={**FAIR, "epochs": 1}, second=FAIR)  # 1 writes no kind
    make_branch(folder, "now", first=FAIR, second=GOOD)
    monkeypatch.chdir(folder)
    changes = find_changes("main", load_params())
    assert "main: predictions/first/test.parquet was written by an older version" in find("first", changes).reason
    assert find("second", changes).test
    assert score_row(find("first", changes), EVALUATION)[-1] == "not compared, see below"


def test_predictions_come_from_a_remote(repository: Path, tmp_path: Path) -> None:
    switch(repository, "better")
    call(repository, "dvc", "remote", "add", "-q", "-d", "--local", "store", str(tmp_path / "store"))
    call(repository, "dvc", "push", "-q", "--all-branches")
    cache = repository / ".dvc/cache"
    cache.rename(tmp_path / "cache")
    test = find("first", find_changes("main", load_params())).test
    assert test is not None
    assert test.numbers["effect"] > 0.2
    shutil.rmtree(cache, ignore_errors=True)
    (tmp_path / "cache").rename(cache)
    call(repository, "dvc", "remote", "remove", "-q", "--local", "store")


def test_missing_predictions_of_the_revision_are_listed_with_a_remedy(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"  # has no cache, as a new checkout
    call(tmp_path, "git", "clone", "-q", "-b", "better", str(built), str(clone))
    call(clone, "git", "branch", "-q", "main", "origin/main")
    for name in ("first", "second", "fourth"):
        shutil.copytree(built / "predictions" / name, clone / "predictions" / name)
    monkeypatch.chdir(clone)
    changes = find_changes("main", load_params())
    assert not any(change.test for change in changes.models)
    first = find("first", changes)
    assert first.reason == (
        "main: predictions/first/test.parquet is not in the workspace, DVC's cache or a remote; run `dvc push "
        "predictions/first` in a checkout of main that has it, then `dvc fetch --all-commits predictions/first` here"
    )
    assert first.new is not None
    assert first.new > 0.8  # git has the metrics
    assert changes.new == ["fourth"]
    text = render(changes, EVALUATION, markdown=False)
    assert "Models: 2 not compared." in text
    assert "Not compared:\n- first: main: predictions/first" in text


def test_missing_predictions_of_the_workspace_are_listed_with_a_remedy(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"
    call(tmp_path, "git", "clone", "-q", "-b", "better", str(built), str(clone))
    call(clone, "git", "branch", "-q", "main", "origin/main")
    (clone / ".dvc/cache").symlink_to(built / ".dvc/cache")
    hidden = clone / ".dvc/cache"
    monkeypatch.chdir(clone)
    assert not [change.reason for change in find_changes("main", load_params()).models if change.reason]
    hidden.unlink()
    write_models(clone, first={**GOOD, "epochs": 3}, second=FAIR, fifth=FAIR)
    changes = find_changes("main", load_params())
    assert changes.never_run == ["fifth"]
    assert "Never run: fifth." in render(changes, EVALUATION, markdown=False)


def test_a_model_without_a_score_on_one_side_is_not_compared(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"
    call(tmp_path, "git", "clone", "-q", "-b", "main", str(built), str(clone))
    (clone / ".dvc/cache").symlink_to(built / ".dvc/cache")
    (clone / "metrics/evaluate/first.json").unlink()
    monkeypatch.chdir(clone)
    changes = find_changes("HEAD", load_params())
    assert find("first", changes).reason == (
        "workspace: metrics/evaluate/first.json has no score; run `dvc repro evaluate@first`"
    )
    assert score_row(find("first", changes), EVALUATION)[-1] == "not compared, see below"
    assert "Models: 2 unchanged; 1 not compared." in render(changes, EVALUATION, markdown=False)


def test_models_that_were_never_evaluated_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "dvc.yaml").write_text(DVC_YAML)
    call(folder, "git", "init", "-q", "-b", "main")
    call(folder, "dvc", "init", "-q")
    write_models(folder, first=FAIR, second=FAIR)
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-q", "-m", "nothing has run")
    monkeypatch.chdir(folder)
    text = render(find_changes("main", load_params()), EVALUATION, markdown=False)
    assert "Models: none on both sides." in text
    assert "Never run: first, second." in text


def test_an_unknown_revision_is_an_error(repository: Path) -> None:
    with pytest.raises(PapertrailError, match="unknown revision 'mian'; use a branch"):
        find_changes("mian", load_params())


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("ner", "entities"),
        ("citation_intent", "classes"),
        ("paper_interest", "screening"),
        ("citation_linking", "pairs"),
        ("semantic_search", "retrieval"),
        ("summarization", "summaries"),
    ],
)
def test_the_headline_metric_is_the_one_that_models_are_tested_by(task: str, kind: str) -> None:
    metrics = {f"test.model.{name}{end}": {} for name in sorted(SCORES[kind]) for end in ("", "_low", "_high")}
    assert headline(metrics, "test", task) == (SCORES[kind][0], {})


def test_a_score_without_an_interval_is_no_headline() -> None:
    metrics = {"test.model.macro_f1": {}, "test.model.average_precision": {}, "test.model.average_precision_low": {}}
    assert headline(metrics, "test", "citation_intent")[0] == "average_precision"
    assert headline({}, "test", "citation_intent") == (None, {})


def test_the_same_predictions_with_another_score_are_shown() -> None:
    change = Change(model="second", metric="macro_f1", old=0.5, new=0.6, test=None, reason="")
    assert score_row(change, EVALUATION)[-1] == "same predictions, scored differently"
    changes = Changes(revision="main", parameters={}, models=[change], new=[], removed=[], never_run=[], secondary=0)
    assert summarise(changes, EVALUATION) == "Parameters: 0 changed. Models: 1 same predictions, scored differently."


def test_a_verdict_that_is_not_significant_says_what_the_test_can_detect() -> None:
    numbers = {"effect": 0.042, "low": 0.0, "high": 0.1, "p_holm": 0.1287, "minimum_detectable_effect": 0.051}
    assert explain(Significance(numbers=numbers, units="139 texts"), "changed, not significantly") == (
        "not significant (corrected p = 0.13); gaps below about 0.05 are usually too small to detect with 139 texts"
    )


def test_values_stay_in_their_cell() -> None:
    assert escape("a|b`c") == "a\\|b'c"
