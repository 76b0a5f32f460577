"""Scores read back from predictions are those that were reported, by the libraries that define them."""

from typing import Any

import numpy as np
import pytest

from scholar.errors import DataError
from scholar.metrics import classification_scores, entity_scores, pair_scores, ranking_scores, screening_scores
from scholar.params import Evaluation
from scholar.records import Row
from scholar.samples import intervals, paper_of, read_samples
from tests.fixtures.tiny_runs import EVALUATION

SETTINGS = Evaluation(**EVALUATION)
RNG = np.random.default_rng(0)
COUNT = 60


def table(**columns: Any) -> list[Row]:
    """Rows with these columns, six of a paper."""
    values = [[value.item() if hasattr(value, "item") else value for value in column] for column in columns.values()]
    return [
        {"id": f"{i}", "paper": f"paper {i // 6}", **dict(zip(columns, row, strict=True))}
        for i, row in enumerate(zip(*values, strict=True))
    ]


def once(rows: list[Row]) -> dict[str, float]:
    """Each score when every paper counts once."""
    return {name: sample.score(np.ones((1, len(sample))))[0] for name, sample in read_samples(rows).items()}


def test_mentions() -> None:
    tags = [[["O", "B-A", "I-A", "B-B", "O", "I-B"][k] for k in row] for row in RNG.integers(0, 6, (2 * COUNT, 8))]
    found = once(table(tags=tags[:COUNT], predicted_tags=tags[COUNT:]))
    assert found == {"f1": pytest.approx(entity_scores(tags[:COUNT], tags[COUNT:])["f1"])}
    assert found["f1"] > 0


def test_classes() -> None:
    labels, probabilities = RNG.integers(0, 3, COUNT), RNG.dirichlet(np.ones(3), COUNT)
    found = once(table(label=labels, prediction=probabilities.argmax(1), probabilities=probabilities.tolist()))
    expected = classification_scores(labels, probabilities, "abc", 10)
    assert found == pytest.approx({name: expected[name] for name in ("macro_f1", "accuracy")})


def test_a_class_of_two() -> None:
    labels, scores = RNG.integers(0, 2, COUNT), RNG.integers(0, 9, COUNT) / 8
    two = np.stack([1 - scores, scores], axis=1).tolist()
    found = once(table(label=labels, prediction=(scores >= 0.5).astype(int), probabilities=two))
    expected = screening_scores(labels, scores, 0.5)
    assert found == pytest.approx({name: expected[name] for name in ("average_precision", "f1")})


def test_pairs() -> None:
    queries = [f"q{i // 3}" for i in range(COUNT)]
    labels, scores = np.tile([0, 1, 0], COUNT // 3), RNG.integers(0, 5, COUNT).astype(float)
    drawn = RNG.random(COUNT) < 0.7
    drawn[:6] = False  # a paper without a sampled pair
    columns = {"label": labels, "sampled": drawn, "score": scores, "prediction": (scores >= 2).astype(int)}
    found = once(table(query=queries, **columns))
    expected = ranking_scores(queries, labels, scores)
    assert found.pop("pair_f1") == pytest.approx(pair_scores(labels[drawn], scores[drawn], 2)["f1"])
    assert list(found) == ["mrr", "recall@10"]
    assert found == pytest.approx({name: expected[name] for name in found})


@pytest.mark.parametrize("first", ["ndcg@10", "rougeL"])
def test_means(first: str) -> None:
    values = RNG.random(COUNT)
    names = ("ndcg@10", "mrr@10", "map@100", "recall@10", "recall@100", "rouge1", "rouge2", "rougeL", "rougeLsum")
    kept = [name for name in names if ("rouge" in name) == (first == "rougeL")]
    found = once(table(**dict.fromkeys(kept, values)))
    assert next(iter(found)) == first
    assert set(found) == set(kept)
    assert list(found.values()) == pytest.approx([values.mean()] * len(kept))


def test_intervals_are_ends_of_each_score_whatever_the_order_of_rows() -> None:
    labels, probabilities = RNG.integers(0, 3, COUNT), RNG.dirichlet(np.ones(3), COUNT)
    rows = table(label=labels, prediction=probabilities.argmax(1), probabilities=probabilities.tolist())
    found = intervals(rows, SETTINGS, 1)
    assert list(found) == ["macro_f1_low", "macro_f1_high", "accuracy_low", "accuracy_high"]
    for name, score in once(rows).items():
        assert found[f"{name}_low"] < score < found[f"{name}_high"]
    assert intervals(rows[::-1], SETTINGS, 1) == found
    assert intervals(rows, SETTINGS, 2) != found
    own = [{**row, "paper": row["id"]} for row in rows]
    assert intervals(own, SETTINGS, 1) != found


def test_a_row_without_a_paper_is_one() -> None:
    assert paper_of({"id": "1/2", "paper": "1"}) == "1"
    assert paper_of({"id": "1/2"}) == "1/2"
    assert paper_of({"id": "1/2/3", "query": "1/2"}) == "1/2"


@pytest.mark.parametrize(
    "rows", [[], [{"id": "1", "paper": "1"}], [{"id": "1", "label": 0, "prediction": 0, "probabilities": [1, 0, 0]}]]
)
def test_predictions_without_what_is_needed_are_told(rows: list[Row]) -> None:
    with pytest.raises(DataError, match=rf"{len(rows)} rows of columns .* expected 'paper' and one of"):
        read_samples(rows)
