"""Outcomes made by hand: the scores of each system, what is drawn, and which mistakes come first."""

import itertools
from typing import Any

import numpy as np
import pytest

from scholar.heads import sequence_classification, token_classification
from scholar.metrics import classification_scores, entity_scores, ranking_scores
from scholar.params import Evaluation
from scholar.records import Row
from scholar.samples import paper_of, read_samples
from scholar.scoring import Outcome, Report, false_positives, is_screening, mark, needs_validation, score
from tests.fixtures import tiny_runs
from tests.fixtures.tiny_runs import PURPOSES, TAGS, make_rows, make_run

EVALUATION = Evaluation(**{**tiny_runs.EVALUATION, "most_wrong": 2})


def make_outcome(head: str, test: list[Row], predictions: list[Row], **changes: Any) -> Outcome:
    given = {
        "run": make_run(head),
        "names": [],
        "shown": make_run(head).inputs,
        "train": make_rows(head, 24),
        "validation": [],
        "test": test,
        "validation_predictions": [],
        "test_predictions": predictions,
        "seed": 1,
        "evaluation": EVALUATION,
    }
    return Outcome(**{**given, **changes})


def scores_of(report: Report) -> dict[str, Any]:
    """The scores of the model, without the ends of their intervals."""
    scores = report.scores["model"]
    ends = [key for key in scores if key.endswith(("_low", "_high"))]
    for name in {end.rpartition("_")[0] for end in ends}:
        assert scores[f"{name}_low"] <= scores[name] <= scores[f"{name}_high"]
    assert ends
    return {key: value for key, value in scores.items() if key not in ends}


def check_predictions(report: Report, rows: list[Row]) -> None:
    """A table per system, each with a row per example, from which the scores can be had again."""
    assert report.predictions.keys() == report.scores.keys()
    for system, predictions in report.predictions.items():
        assert [p["id"] for p in predictions] == [row["id"] for row in rows]
        assert {p["system"] for p in predictions} == {system}
        assert [p["paper"] for p in predictions] == [paper_of(row) for row in rows]
        for name, sample in read_samples(predictions).items():
            assert sample.score(np.ones((1, len(sample))))[0] == pytest.approx(report.scores[system][name])


def check_plots(report: Report) -> None:
    """The three files of dvc.yaml, each with the columns that it draws."""
    columns = {plot: set(rows[0]) for plot, rows in report.plots.items()}
    assert columns == {
        "confusion": {"actual", "predicted"},
        "reliability": {"confidence", "accuracy", "count"},
        "precision_recall": {"recall", "precision"},
    }
    assert len(report.plots["precision_recall"]) <= EVALUATION.plot_points
    assert len(report.plots["reliability"]) <= EVALUATION.calibration_bins


# --- mentions ---


def tagged(id_: str, text: str, tags: str, predicted: str) -> tuple[Row, Row]:
    tokens, right, guess = text.split(), tags.split(), predicted.split()
    row = {"id": id_, "tokens": tokens, "ner_tags": [TAGS.index(tag) for tag in right]}
    probabilities = [0.1 if tag == "O" else 0.9 for tag in guess]
    return row, {"id": id_, "tags": right, "predicted_tags": guess, "mention_probabilities": probabilities}


SENTENCES = [
    tagged("a", "see figure 2 .", "O B-FIGURE I-FIGURE O", "O B-FIGURE I-FIGURE O"),
    tagged("b", "see table 3 .", "O B-TABLE I-TABLE O", "O B-TABLE O O"),
    tagged("c", "table 3 and figure 2", "B-TABLE I-TABLE O B-FIGURE I-FIGURE", "O O O B-TABLE I-TABLE"),
    tagged("d", "a good figure", "O O O", "O O B-FIGURE"),
]


def score_sentences(**changes: Any) -> Report:
    rows, predictions = map(list, zip(*SENTENCES, strict=True))
    return score(make_outcome("token_classification", rows, predictions, names=TAGS, **changes))


def test_entity_scores_are_those_of_the_metrics_beside_two_baselines() -> None:
    report = score_sentences()
    assert report.scores.keys() == {"model", "memorised", "window"}
    check_predictions(report, [row for row, _ in SENTENCES])
    references = [prediction["tags"] for _, prediction in SENTENCES]
    assert scores_of(report) == entity_scores(references, [p["predicted_tags"] for _, p in SENTENCES])
    assert report.scores["model"]["recall"] == 1 / 4
    rows = [row for row, _ in SENTENCES]
    report = score_sentences(train=rows)  # it has seen them all, and knows them by heart
    assert report.scores["memorised"]["recall"] == 1.0
    for predictions in (report.predictions["memorised"], report.predictions["window"]):
        assert [p["mention_probabilities"] for p in predictions] == [
            [float(tag != "O") for tag in p["predicted_tags"]] for p in predictions
        ]


def test_entity_mistakes_are_marked_and_sorted_by_wrong_tags() -> None:
    report = score_sentences()
    assert report.mistakes == [
        {"id": "c", "text": "[TABLE table 3] and [FIGURE figure 2]", "predicted": "table 3 and [TABLE figure 2]"},
        {
            "id": "b",
            "text": "see [TABLE table 3] .",
            "predicted": "see [TABLE table] 3 .",
        },  # as wrong as d, first by id
    ]


def test_entity_plots_are_about_words() -> None:
    report = score_sentences()
    check_plots(report)
    pairs = [(row["actual"], row["predicted"]) for row in report.plots["confusion"]]
    assert pairs[:2] == [("FIGURE", "FIGURE")] * 2
    assert ("none", "none") not in pairs
    assert pairs.count(("TABLE", "none")) == 3
    assert pairs.count(("FIGURE", "TABLE")) == 2
    assert pairs.count(("none", "FIGURE")) == 1
    words = sum(len(row["tokens"]) for row, _ in SENTENCES)
    assert sum(row["count"] for row in report.plots["reliability"]) == words


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
def test_mark(tags: str, expected: str) -> None:
    assert mark(["x", "y", "z"], tags.split()) == expected


def test_scoring_takes_what_the_head_decodes() -> None:
    rows = make_rows("token_classification", 2)
    items = [{"labels": [-100, *row["ner_tags"], -100]} for row in rows]
    logits = [np.eye(len(TAGS))[[max(label, 0) for label in item["labels"]]] for item in items]
    predictions = token_classification.decode(rows, items, logits, TAGS)
    report = score(make_outcome("token_classification", rows, predictions, names=TAGS))
    assert report.scores["model"]["f1"] == 1.0
    assert report.mistakes == []


# --- classes ---


def classified(probabilities: list[list[float]], labels: list[int], names: list[str]) -> tuple[list[Row], list[Row]]:
    rows = [
        {"id": f"{i}", "title": "tree", "text": f"we use text {i}", "label": label} for i, label in enumerate(labels)
    ]
    predictions = [
        {"id": row["id"], "label": row["label"], "prediction": p.index(max(p)), "probabilities": p}
        for row, p in zip(rows, probabilities, strict=True)
    ]
    sequence_classification.validation_score(rows, predictions, names)  # takes the same rows
    return rows, predictions


PROBABILITIES = [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.9, 0.05, 0.05], [0.2, 0.3, 0.5], [0.1, 0.6, 0.3]]
LABELS = [0, 1, 1, 2, 0]


def test_class_scores_are_those_of_the_metrics_beside_two_baselines() -> None:
    rows, predictions = classified(PROBABILITIES, LABELS, PURPOSES)
    report = score(make_outcome("sequence_classification", rows, predictions, names=PURPOSES))
    assert report.scores.keys() == {"model", "tfidf", "majority"}
    assert scores_of(report) == classification_scores(LABELS, PROBABILITIES, PURPOSES, bins=5)
    assert report.scores["model"]["accuracy"] == 2 / 5
    assert report.scores["majority"]["accuracy"] == 2 / 5  # training has 8 of each: the first class wins
    assert not needs_validation("sequence_classification", PURPOSES)
    check_plots(report)
    check_predictions(report, rows)
    assert len(report.plots["confusion"]) == 5
    assert report.plots["confusion"][1] == {"actual": "approach", "predicted": "challenge"}


def test_class_mistakes_begin_with_the_least_likely() -> None:
    rows, predictions = classified(PROBABILITIES, LABELS, PURPOSES)
    mistakes = score(make_outcome("sequence_classification", rows, predictions, names=PURPOSES)).mistakes
    assert mistakes == [
        {
            "id": "2",
            "text": "we use text 2",
            "label": "approach (probability 0.050)",
            "predicted": "challenge",
        },
        {
            "id": "4",
            "text": "we use text 4",
            "label": "challenge (probability 0.100)",
            "predicted": "approach",
        },
    ]


def test_tfidf_sees_what_the_model_is_shown() -> None:
    learnable = make_rows("sequence_classification", 12, seed=1)
    _, predictions = classified([[0.8, 0.1, 0.1]] * 12, [0] * 12, PURPOSES)
    run = make_run(inputs=["title", "text"])
    outcome = {"names": PURPOSES, "run": run, "train": make_rows("sequence_classification", 300)}
    full = score(make_outcome("sequence_classification", learnable, predictions, shown=run.inputs, **outcome))
    title = score(make_outcome("sequence_classification", learnable, predictions, shown=["title"], **outcome))
    assert full.scores["tfidf"]["accuracy"] > 0.8  # the text decides
    assert title.scores["tfidf"]["accuracy"] < 0.6
    assert full.scores["model"] == title.scores["model"]
    assert full.mistakes[0]["text"].startswith("Title: ")
    assert "Text: " in full.mistakes[0]["text"]
    assert "Text: " not in title.mistakes[0]["text"]


# --- one class of two ---


def test_a_binary_task_is_scored_at_the_threshold_of_the_validation_split() -> None:
    names = ["other", "relevant"]
    validation, validation_predictions = classified(
        [[0.9, 0.1], [0.7, 0.3], [0.75, 0.25], [0.95, 0.05]], [0, 1, 1, 0], names
    )
    test, predictions = classified([[0.8, 0.2], [0.74, 0.26], [0.6, 0.4], [0.99, 0.01]], [0, 1, 0, 1], names)
    assert needs_validation("sequence_classification", names)
    train = [{**row, "label": int(row["label"] == 0)} for row in make_rows("sequence_classification", 24)]
    report = score(
        make_outcome(
            "sequence_classification",
            test,
            predictions,
            names=names,
            train=train,
            validation=validation,
            validation_predictions=validation_predictions,
        )
    )
    assert report.scores.keys() == {"model", "tfidf", "everything"}
    model = report.scores["model"]
    assert model["threshold"] == 0.25  # both positives of validation, nothing else
    assert (model["precision"], model["recall"], model["accuracy"]) == (1 / 2, 1 / 2, 1 / 2)
    everything = report.scores["everything"]
    assert model["prevalence"] == everything["average_precision"] == everything["precision"] == 1 / 2
    assert everything["recall"] == 1
    assert [row["predicted"] for row in report.plots["confusion"]] == ["other", "relevant", "relevant", "other"]
    assert [p["prediction"] for p in report.predictions["model"]] == [0, 1, 1, 0]  # at the threshold
    check_predictions(report, test)
    check_plots(report)
    assert [mistake["id"] for mistake in report.mistakes] == ["3", "2"]  # 0.01 for what is right, then 0.6
    assert report.mistakes[0]["label"] == "relevant (probability 0.010)"


def test_false_positives_begin_with_the_most_probable() -> None:
    rows = [
        {"id": id_, "title": f"T{id_}", "label": label} for id_, label in zip("abcde", [0, 1, 0, 0, 1], strict=True)
    ]
    given = [(0.4, 1), (0.9, 1), (0.7, 1), (0.1, 0), (0.2, 0)]  # probability of class 1, decision at some threshold
    predictions = [{"probabilities": [1 - p, p], "prediction": decided} for p, decided in given]
    assert false_positives(rows, predictions) == [
        {"probability": 0.7, "id": "c", "title": "Tc"},
        {"probability": 0.4, "id": "a", "title": "Ta"},
    ]
    assert is_screening("sequence_classification", ["other", "interesting"])
    assert not is_screening("pair_classification", ["other", "cited"])
    assert not is_screening("sequence_classification", ["a", "b", "c"])


# --- pairs ---


def paired(query: str, probabilities: list[float], cited: int) -> tuple[list[Row], list[Row]]:
    rows = [
        {
            "id": f"{query}/{i}",
            "query": query,
            "context": f"the {query} of [CITATION]",
            "candidate": f"{query} paper {i}",
            "label": int(i == cited),
            "sampled": i in (0, cited),
        }
        for i in range(len(probabilities))
    ]
    predictions = [
        {**{name: row[name] for name in ("id", "query", "label", "sampled")}, "probability": p}
        for row, p in zip(rows, probabilities, strict=True)
    ]
    return rows, predictions


def score_pairs(*queries: tuple[list[Row], list[Row]]) -> Report:
    rows, predictions = (list(itertools.chain(*column)) for column in zip(*queries, strict=True))
    same = {"validation": rows, "validation_predictions": predictions}  # the threshold is chosen on the same pairs
    return score(make_outcome("pair_classification", rows, predictions, names=["other", "cited"], **same))


def test_pairs_are_ranked_and_sampled_ones_decided() -> None:
    queries = [paired("graph", [0.1, 0.9, 0.2], 1), paired("tree", [0.8, 0.6, 0.7], 1)]
    report = score_pairs(*queries)
    assert report.scores.keys() == {"model", "bm25"}
    model = scores_of(report)
    pair = {key: model.pop(f"pair_{key}") for key in ("accuracy", "precision", "recall", "f1", "threshold")}
    labels, probabilities = [0, 1, 0, 0, 1, 0], [0.1, 0.9, 0.2, 0.8, 0.6, 0.7]
    assert model == ranking_scores(["graph"] * 3 + ["tree"] * 3, labels, probabilities)
    assert model["mrr"] == pytest.approx((1 + 1 / 3) / 2)
    assert pair == {"accuracy": 3 / 4, "precision": 2 / 3, "recall": 1.0, "f1": pytest.approx(4 / 5), "threshold": 0.6}
    check_predictions(report, [row for rows, _ in queries for row in rows])
    assert report.scores["bm25"].keys() == report.scores["model"].keys()
    check_plots(report)
    assert len(report.plots["confusion"]) == 4  # the sampled pairs alone


def test_pair_mistakes_begin_with_the_lowest_rank() -> None:
    queries = [
        paired("graph", [0.1, 0.9, 0.2], 1),
        paired("tree", [0.8, 0.6, 0.7], 2),
        paired("word", [0.4, 0.3, 0.1, 0.2], 2),
        paired("task", [0.9, 0.8, 0.7], 2),
    ]
    assert score_pairs(*queries).mistakes == [
        {
            "id": "word",
            "text": "the word of [CITATION]",
            "label": "word paper 2 (rank 4 of 4)",
            "predicted": "word paper 0",
        },
        {
            "id": "task",
            "text": "the task of [CITATION]",
            "label": "task paper 2 (rank 3 of 3)",
            "predicted": "task paper 0",
        },
    ]


def test_ties_are_mistakes_as_in_the_ranking_scores() -> None:
    report = score_pairs(*(paired(query, [0.5, 0.5, 0.5], 0) for query in ("graph", "tree")))
    assert report.scores["model"]["mrr"] == pytest.approx(1 / 3)
    assert [mistake["label"] for mistake in report.mistakes] == [
        f"{query} paper 0 (rank 3 of 3)" for query in ("graph", "tree")
    ]
