"""Scores of entity mentions from predictions made by hand."""

from typing import Any

import numpy as np
import pytest

from papertrail.core.records import Row
from papertrail.evaluate.entities import mark_mentions
from papertrail.evaluate.views import ScoredView
from papertrail.metrics.entities import entity_scores
from papertrail.models.heads import token_classification
from tests.fixtures.tiny_runs import TAGS, make_rows
from tests.fixtures.views import check_plots, check_predictions, model_scores, score_rows


def tagged(id_: str, text: str, tags: str, predicted: str) -> tuple[Row, Row]:
    """Return a row and its prediction; tokens and tags are separated by spaces."""
    tokens, actual, predictions = text.split(), tags.split(), predicted.split()
    row = {"id": id_, "tokens": tokens, "ner_tags": [TAGS.index(tag) for tag in actual]}
    probabilities = [0.1 if tag == "O" else 0.9 for tag in predictions]
    return row, {"id": id_, "tags": actual, "predicted_tags": predictions, "mention_probabilities": probabilities}


SENTENCES = [
    tagged("a", "see figure 2 .", "O B-FIGURE I-FIGURE O", "O B-FIGURE I-FIGURE O"),
    tagged("b", "see table 3 .", "O B-TABLE I-TABLE O", "O B-TABLE O O"),
    tagged("c", "table 3 and figure 2", "B-TABLE I-TABLE O B-FIGURE I-FIGURE", "O O O B-TABLE I-TABLE"),
    tagged("d", "a good figure", "O O O", "O O B-FIGURE"),
]
ROWS = [row for row, _ in SENTENCES]


def score_sentences(**changes: Any) -> ScoredView:
    predictions = [prediction for _, prediction in SENTENCES]
    return score_rows("token_classification", ROWS, predictions, class_names=TAGS, **changes)


def test_scores_are_those_of_the_metrics() -> None:
    scored = score_sentences()
    assert scored.systems.kind == "entities"
    assert scored.systems.scores.keys() == {"model", "memorised", "window"}
    check_predictions(scored, ROWS)
    references = [prediction["tags"] for _, prediction in SENTENCES]
    assert model_scores(scored) == entity_scores(references, [p["predicted_tags"] for _, p in SENTENCES])
    assert scored.systems.scores["model"]["recall"] == 1 / 4


def test_baselines_are_trained_on_the_training_rows() -> None:
    systems = score_sentences(train=ROWS).systems
    assert systems.scores["memorised"]["recall"] == 1.0
    for predictions in (systems.predictions["memorised"], systems.predictions["window"]):
        assert [p["mention_probabilities"] for p in predictions] == [
            [float(tag != "O") for tag in p["predicted_tags"]] for p in predictions
        ]


def test_errors_are_marked_and_sorted_by_wrong_tags() -> None:
    assert score_sentences().errors == [
        {"id": "c", "text": "[TABLE table 3] and [FIGURE figure 2]", "predicted": "table 3 and [TABLE figure 2]"},
        {  # as many wrong tags as d, which has the later id
            "id": "b",
            "text": "see [TABLE table 3] .",
            "predicted": "see [TABLE table] 3 .",
        },
    ]


def test_plots_are_over_words() -> None:
    scored = score_sentences()
    check_plots(scored)
    pairs = [(row["actual"], row["predicted"]) for row in scored.plots["confusion"]]
    assert pairs[:2] == [("FIGURE", "FIGURE")] * 2
    assert ("none", "none") not in pairs
    assert pairs.count(("TABLE", "none")) == 3
    assert pairs.count(("FIGURE", "TABLE")) == 2
    assert pairs.count(("none", "FIGURE")) == 1
    words = sum(len(row["tokens"]) for row in ROWS)
    assert sum(row["count"] for row in scored.plots["reliability"]) == words


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O O O", "x y z"),
        ("B-A I-A O", "[A x y] z"),
        ("B-A B-A B-B", "[A x] [A y] [B z]"),
        ("O B-A I-A", "x [A y z]"),
        ("B-A I-A I-A", "[A x y z]"),
    ],
)
def test_mark_mentions(tags: str, expected: str) -> None:
    assert mark_mentions(["x", "y", "z"], tags.split()) == expected


def test_the_predictions_of_the_head_are_scored() -> None:
    rows = make_rows("token_classification", 2)
    items = [{"labels": [-100, *row["ner_tags"], -100]} for row in rows]
    logits = [np.eye(len(TAGS))[[max(label, 0) for label in item["labels"]]] for item in items]
    predictions = token_classification.decode(rows, items, logits, TAGS)
    scored = score_rows("token_classification", rows, predictions, class_names=TAGS)
    assert scored.systems.scores["model"]["f1"] == 1.0
    assert scored.errors == []
