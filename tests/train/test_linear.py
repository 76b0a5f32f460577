"""Training of linear models: the candidates, the choice on validation, and what is saved."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from papertrail.core.errors import DataError
from papertrail.core.parquet import write_rows
from papertrail.core.records import Row
from papertrail.data.prepared import split_file
from papertrail.evaluate.baselines import tfidf_logistic
from papertrail.models.linear import load_linear
from papertrail.train.kinds import Trained
from papertrail.train.linear import fit, train
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import FEATURES, PURPOSES, make_linear, make_rows, make_settings

HEAD = "sequence_classification"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_bert(tmp_path_factory.mktemp("encoder")))


def rows_of(count: int = 60) -> dict[str, list[Row]]:
    return {"train": make_rows(HEAD, count), "validation": make_rows(HEAD, 24, seed=1)}


def run(encoder: str, splits: dict[str, list[Row]], names: list[str] = PURPOSES, **changes: Any) -> Trained:
    return fit(make_linear(base_model=encoder, **changes), names, splits, "cpu")


def test_every_candidate_is_scored_and_the_best_is_kept(encoder: str) -> None:
    metrics = run(encoder, rows_of()).metrics
    candidates = metrics["candidates"]
    assert candidates.keys() == {"tfidf", "embeddings", "both"}
    assert candidates["tfidf"].keys() == candidates["embeddings"].keys() == {"1", "10"}
    assert list(candidates["both"]) == ["1 + 1", "1 + 10", "10 + 1", "10 + 10"]
    best = {features: max(scores.values()) for features, scores in candidates.items()}
    assert metrics["validation_score"] == max(best.values()) == best[metrics["features"]]
    penalties = " + ".join(f"{penalty:g}" for penalty in metrics["penalties"].values())
    assert candidates[metrics["features"]][penalties] == metrics["validation_score"]


def test_the_score_is_that_of_the_library(encoder: str) -> None:
    splits = rows_of()
    trained = run(encoder, splits, features=["tfidf"], penalties=[10.0])
    texts, labels = ([row[column] for row in splits["validation"]] for column in ("text", "label"))
    train_texts, train_labels = ([row[column] for row in splits["train"]] for column in ("text", "label"))
    expected = tfidf_logistic(train_texts, train_labels, texts, 3, balanced=False)
    assert trained.network.predict(texts, 8) == pytest.approx(expected)
    score = f1_score(labels, expected.argmax(axis=1), average="macro")
    assert trained.metrics["validation_score"] == pytest.approx(score)


def test_the_simple_method_is_the_model_when_it_wins(encoder: str, tmp_path: Path) -> None:
    splits = rows_of(300)  # a word decides the label, and the encoder is untrained
    trained = run(encoder, splits, penalties=[100.0])
    assert trained.metrics["features"] == "tfidf"
    assert trained.metrics["penalties"] == {"tfidf": 100.0}
    trained.network.save(str(tmp_path))
    assert not (tmp_path / "encoder").exists()


def test_equal_candidates_keep_the_first(encoder: str) -> None:
    splits = rows_of()
    constant = {**splits, "validation": [{**row, "text": ""} for row in splits["validation"]]}
    for features in (["tfidf", "embeddings"], ["embeddings", "tfidf"]):
        metrics = run(encoder, constant, features=features).metrics
        assert len({score for scores in metrics["candidates"].values() for score in scores.values()}) == 1
        assert metrics["features"] == features[0]
        assert metrics["penalties"] == {features[0]: 1.0}


def test_both_is_the_mean_of_its_parts(encoder: str) -> None:
    splits = rows_of()
    both = run(encoder, splits, features=["both"])
    penalties = both.metrics["penalties"]
    parts = [run(encoder, splits, features=[part], penalties=[penalties[part]]) for part in ("tfidf", "embeddings")]
    texts = [row["text"] for row in splits["validation"]]
    mean = np.mean([part.network.predict(texts, 8) for part in parts], axis=0)
    assert both.network.predict(texts, 8) == pytest.approx(mean)


def test_two_classes_are_scored_by_average_precision(encoder: str) -> None:
    splits = {split: [{**row, "label": int(row["label"] == 0)} for row in rows] for split, rows in rows_of(90).items()}
    assert run(encoder, splits, ["other", "relevant"], features=["tfidf"]).metrics["validation_score"] == 1.0


def test_texts_that_the_encoder_cuts_are_counted(encoder: str) -> None:
    splits = rows_of()
    splits["train"][0] = {**splits["train"][0], "text": "tree " * 50}
    cut = run(encoder, splits, features=["embeddings"]).metrics
    assert (cut["train_examples_cut"], cut["validation_examples_cut"]) == (1, 0)
    assert run(encoder, splits, features=["tfidf"]).metrics["train_examples_cut"] == 0  # it reads whole texts


def test_a_missing_column_is_an_error(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = make_linear(base_model=encoder)
    for split in ("train", "validation"):
        write_rows(make_rows(HEAD, 12), FEATURES[HEAD], split_file(model.task, model.dataset, split))
    with pytest.raises(DataError, match=r"has no column 'abstract' for head sequence_classification with inputs"):
        train(replace(model, inputs=["abstract"]), make_settings(tmp_path))
    trained = train(model, make_settings(tmp_path))
    trained.network.save(str(tmp_path / "model"))
    assert load_linear(tmp_path / "model", model.max_tokens, "cpu").labels == PURPOSES
