"""Results are written as one folder, with the kind of the predictions."""

import json
from pathlib import Path

import pytest
from datasets import Features, Value

from papertrail.core.errors import DataError
from papertrail.core.parquet import read_kind, read_rows
from papertrail.evaluate.results import EXAMPLES, Example, Predictions, Results, write_results

PREDICTIONS = Predictions(kind="classes", features=Features(id=Value("string")), rows=[{"id": "1"}])
RESULTS = Results(
    scores={"test": {"model": {"f1": 0.5}}},
    predictions={"test": PREDICTIONS},
    plots={"recall": [{"rank": 1, "model": 0.5}]},
    examples=[Example(view="test", id="1", fields={"text": "a", "label": "b"})],
    tables={"false_positives": ([{"id": "1", "title": "x"}], ["title", "id"])},
)


def test_every_part_is_written(tmp_path: Path) -> None:
    folder, metrics = tmp_path / "predictions", tmp_path / "metrics.json"
    write_results(RESULTS, folder, metrics)
    assert read_rows(folder / "test.parquet").to_list() == PREDICTIONS.rows
    assert read_kind(folder / "test.parquet") == "classes"
    assert (folder / "plots/recall.csv").read_text(encoding="utf-8") == "rank,model\n1,0.5\n"
    assert (folder / "false_positives.csv").read_text(encoding="utf-8") == "title,id\nx,1\n"
    assert read_rows(folder / EXAMPLES).to_list() == [
        {"view": "test", "id": "1", "fields": [{"name": "text", "text": "a"}, {"name": "label", "text": "b"}]}
    ]
    assert json.loads(metrics.read_text(encoding="utf-8")) == RESULTS.scores


def test_earlier_results_are_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "predictions"
    folder.mkdir()
    (folder / "old.parquet").touch()
    write_results(RESULTS, folder, tmp_path / "metrics.json")
    assert not (folder / "old.parquet").exists()


def test_earlier_results_stay_if_the_new_ones_cannot_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "predictions"
    write_results(RESULTS, folder, tmp_path / "metrics.json")
    wrong = Predictions(kind="classes", features=PREDICTIONS.features, rows=[{"number": 1}])
    with pytest.raises(DataError, match="columns"):
        write_results(Results(scores={}, predictions={"test": wrong}), folder, tmp_path / "metrics.json")
    assert (folder / "test.parquet").is_file()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    assert json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8")) == RESULTS.scores
