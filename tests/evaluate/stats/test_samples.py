"""Scores read from predictions equal the reported ones; every kind of predictions has a reader."""

from typing import Any

import numpy as np
import pytest

from papertrail.core.errors import DataError
from papertrail.core.records import Row
from papertrail.evaluate.stats.samples import READERS, SCORES, intervals, paper_of, read_samples
from papertrail.metrics.classification import binary_scores, classification_scores, screening_scores
from papertrail.metrics.entities import entity_scores
from papertrail.metrics.ranking import ranking_scores
from tests.fixtures.tiny_runs import make_evaluation

SETTINGS = make_evaluation()
RNG = np.random.default_rng(0)
COUNT = 60


def make_rows(**columns: Any) -> list[Row]:
    """Return rows with these columns, six per paper."""
    values = [[value.item() if hasattr(value, "item") else value for value in column] for column in columns.values()]
    return [
        {"id": f"{i}", "paper": f"paper {i // 6}", **dict(zip(columns, row, strict=True))}
        for i, row in enumerate(zip(*values, strict=True))
    ]


def score_once(rows: list[Row], kind: str) -> dict[str, float]:
    """Return each score when every paper counts once."""
    found = {name: sample.score(np.ones((1, len(sample))))[0] for name, sample in read_samples(rows, kind).items()}
    assert tuple(found) == SCORES[kind]
    return found


def test_every_kind_has_a_reader() -> None:
    assert READERS.keys() == SCORES.keys()


def test_entities() -> None:
    tags = [[["O", "B-A", "I-A", "B-B", "O", "I-B"][k] for k in row] for row in RNG.integers(0, 6, (2 * COUNT, 8))]
    found = score_once(make_rows(tags=tags[:COUNT], predicted_tags=tags[COUNT:]), "entities")
    assert found == {"f1": pytest.approx(entity_scores(tags[:COUNT], tags[COUNT:])["f1"])}
    assert found["f1"] > 0


def test_classes() -> None:
    labels, probabilities = RNG.integers(0, 3, COUNT), RNG.dirichlet(np.ones(3), COUNT)
    rows = make_rows(label=labels, prediction=probabilities.argmax(1), probabilities=probabilities.tolist())
    found = score_once(rows, "classes")
    expected = classification_scores(labels, probabilities, "abc", 10)
    assert found == pytest.approx({name: expected[name] for name in ("macro_f1", "accuracy")})


def test_screening() -> None:
    labels, scores = RNG.integers(0, 2, COUNT), RNG.integers(0, 9, COUNT) / 8
    two = np.stack([1 - scores, scores], axis=1).tolist()
    rows = make_rows(label=labels, prediction=(scores >= 0.5).astype(int), probabilities=two)
    found = score_once(rows, "screening")
    expected = screening_scores(labels, scores, 0.5)
    assert found == pytest.approx({name: expected[name] for name in ("average_precision", "f1")})


def test_pairs() -> None:
    queries = [f"q{i // 3}" for i in range(COUNT)]
    labels, scores = np.tile([0, 1, 0], COUNT // 3), RNG.integers(0, 5, COUNT).astype(float)
    sampled = RNG.random(COUNT) < 0.7
    sampled[:6] = False  # a paper without a sampled pair
    columns = {"label": labels, "sampled": sampled, "score": scores, "prediction": (scores >= 2).astype(int)}
    found = score_once(make_rows(query=queries, **columns), "pairs")
    expected = ranking_scores(queries, labels, scores)
    assert found.pop("pair_f1") == pytest.approx(binary_scores(labels[sampled], scores[sampled], 2)["f1"])
    assert found == pytest.approx({name: expected[name] for name in found})


@pytest.mark.parametrize("kind", ["retrieval", "summaries"])
def test_scores_per_row_are_averaged(kind: str) -> None:
    values = RNG.random(COUNT)
    found = score_once(make_rows(**dict.fromkeys(SCORES[kind], values)), kind)
    assert list(found.values()) == pytest.approx([values.mean()] * len(SCORES[kind]))


def test_intervals_contain_the_score_and_do_not_depend_on_the_order_of_rows() -> None:
    labels, probabilities = RNG.integers(0, 3, COUNT), RNG.dirichlet(np.ones(3), COUNT)
    rows = make_rows(label=labels, prediction=probabilities.argmax(1), probabilities=probabilities.tolist())
    found = intervals(rows, "classes", SETTINGS, 1)
    assert list(found) == ["macro_f1_low", "macro_f1_high", "accuracy_low", "accuracy_high"]
    for name, score in score_once(rows, "classes").items():
        assert found[f"{name}_low"] < score < found[f"{name}_high"]
    assert intervals(rows[::-1], "classes", SETTINGS, 1) == found
    assert intervals(rows, "classes", SETTINGS, 2) != found
    papers = [{**row, "paper": row["id"]} for row in rows]
    assert intervals(papers, "classes", SETTINGS, 1) != found


def test_a_row_without_a_paper_is_a_unit_by_its_query_or_id() -> None:
    assert paper_of({"id": "1/2", "paper": "1"}) == "1"
    assert paper_of({"id": "1/2"}) == "1/2"
    assert paper_of({"id": "1/2/3", "query": "1/2"}) == "1/2"


CLASS_ROW = {"id": "1", "label": 0, "prediction": 0, "probabilities": [1, 0, 0]}


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        ([], "classes", "0 rows of kind 'classes'; expected at least one row"),
        ([CLASS_ROW], "labels", "1 rows of kind 'labels'; expected .* a kind of entities, classes"),
        ([CLASS_ROW], "classes", "kind 'classes': no column 'paper', only id, label, prediction, probabilities"),
        ([{**CLASS_ROW, "paper": "1"}], "pairs", "kind 'pairs': no column 'query', only"),
    ],
)
def test_unreadable_predictions_are_an_error(rows: list[Row], kind: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_samples(rows, kind)
