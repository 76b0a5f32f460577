"""Fitting of extractors: the regression against scikit-learn, and the choice on validation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as LibraryRidge
from sklearn.preprocessing import StandardScaler

from papertrail.core.parquet import read_rows
from papertrail.data.prepared import split_file
from papertrail.metrics.rouge import rouge_scores
from papertrail.models.extractor import SentenceExtractor, join
from papertrail.train.extractor import TARGETS, fit_ridge, train
from papertrail.train.kinds import Trained
from tests.fixtures.tiny_generators import DATASET, TASK, make_extractor, write_papers
from tests.fixtures.tiny_runs import make_settings, write_experiment


@given(st.integers(0, 1000), st.sampled_from([0.1, 10.0, 1000.0]))
def test_the_regression_agrees_with_the_library(seed: int, strength: float) -> None:
    rng = np.random.default_rng(seed)
    features, values = rng.normal(3, 2, (20, 4)), rng.normal(size=20)
    features[:, 3] = 7  # constant
    ridge = fit_ridge(features, values, strength)
    scaled = StandardScaler().fit_transform(features)
    expected = LibraryRidge(alpha=strength).fit(scaled, values)
    assert ridge.weights == pytest.approx(expected.coef_, abs=1e-9)
    assert ridge.score(features) + values.mean() == pytest.approx(expected.predict(scaled))


def test_targets_by_hand() -> None:
    row = {
        "source": ["Wet pebbles roll.", "Tea is hot.", "Keepers drink."],
        "target": ["Wet pebbles roll.", "Keepers drink."],
    }
    assert TARGETS["oracle"](row, 10).tolist() == [1, 0, 1]
    assert TARGETS["gain"](row, 10) == pytest.approx([6 / 8 + 4 / 6, 0, 4 / 7 + 2 / 5])


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_experiment(tmp_path, {})
    write_papers(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fit(**changes: Any) -> Trained:
    return train(make_extractor(**changes), make_settings(Path("checkpoints")))


def test_the_best_candidate_on_validation_is_the_model(experiment: Path) -> None:
    trained = fit()
    extractor, metrics = trained.network, trained.metrics
    assert isinstance(extractor, SentenceExtractor)
    scores = metrics["candidates"]
    assert len(scores) == 8 + 3 * 4  # regressions, then three methods with each length and trade-off
    assert metrics["validation_score"] == max(scores.values()) == scores[metrics["chosen"]]
    rows = read_rows(split_file(TASK, DATASET, "validation")).to_list()
    texts = [join(row["source"], own) for row, own in zip(rows, extractor.extract(rows, 8), strict=True)]
    expected = [rouge_scores(row["target"], text)["rougeL"] for row, text in zip(rows, texts, strict=True)]
    assert metrics["validation_score"] == pytest.approx(np.mean(expected))


def test_a_simpler_method_wins_if_it_is_better(experiment: Path) -> None:
    papers = [  # the reference is the first sentence; the regression cannot see where a sentence is from its words
        {"id": f"{i}", "title": "", "source": ["a b c.", *["we use tree."] * (i % 3 + 1)], "target": ["a b c."]}
        for i in range(6)
    ]
    misleading = [{**paper, "target": ["we use tree."]} for paper in papers]
    write_papers(experiment, train=misleading, validation=papers)
    metrics = fit(lengths=[1.0], trade_offs=[1.0]).metrics
    assert metrics["method"] == "lead"
    assert metrics["chosen"].startswith("lead, ")
    assert metrics["validation_score"] == 1
