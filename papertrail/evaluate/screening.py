"""Scores of binary classifiers: ranking by class 1 and decisions at a threshold, beside baselines."""

from typing import Any

from papertrail.core.artifacts import Cell
from papertrail.core.records import Row
from papertrail.evaluate.baselines import majority
from papertrail.evaluate.classes import class_errors, class_rows
from papertrail.evaluate.systems import ScoredSystems
from papertrail.evaluate.views import (
    ScoredView,
    View,
    labels_of,
    make_plots,
    probabilities_of,
    tfidf_probabilities,
)
from papertrail.metrics.classification import best_threshold, confusion_rows, screening_scores


def score_screening(view: View) -> ScoredView:
    """Score the ranking by the probability of class 1, and decisions at the threshold with the best F1 on validation.

    Baseline `everything` has the same score for every row, so at its threshold it predicts all positive.
    """
    labels, validation_labels = labels_of(view.test), labels_of(view.validation)
    classes, train = len(view.class_names), labels_of(view.train)
    systems = {  # probabilities on validation and on test
        "model": (probabilities_of(view.validation_predictions), probabilities_of(view.test_predictions)),
        "tfidf": (tfidf_probabilities(view, view.validation), tfidf_probabilities(view, view.test)),
        "frozen": (view.frozen["validation"], view.frozen["test"]),
        "everything": tuple(majority(train, classes, n) for n in (len(validation_labels), len(labels))),
    }
    scores: dict[str, dict[str, Any]] = {}
    decided, predictions = {}, {}
    for name, (validation, test) in systems.items():
        threshold = best_threshold(validation_labels, validation[:, 1])
        decided[name] = (test[:, 1] >= threshold).astype(int)
        counts = {"classes_predicted": len(set(decided[name].tolist()))}
        scores[name] = {**screening_scores(labels, test[:, 1], threshold), **counts}
        predictions[name] = class_rows(view.test, test, decided[name])
    scores["model"]["validation_positives"] = int(validation_labels.sum())
    probabilities = systems["model"][1]
    plots = make_plots(labels, probabilities, view.class_names, view.evaluation.classifier)
    columns = ["probability", *(column for column in view.test[0] if column != "label")]
    return ScoredView(
        systems=ScoredSystems("screening", predictions, scores),
        plots={**plots, "confusion": confusion_rows(labels, decided["model"], view.class_names)},
        errors=class_errors(view, probabilities, decided["model"]),
        tables={"false_positives": (false_positives(view.test, predictions["model"]), columns)},
    )


def false_positives(rows: list[Row], predictions: list[Row]) -> list[dict[str, Cell]]:
    """Return the rows wrongly predicted as class 1, the most probable first, with all columns but the label."""
    wrong = [
        {"probability": p["probabilities"][1], **{column: row[column] for column in row if column != "label"}}
        for row, p in zip(rows, predictions, strict=True)
        if p["prediction"] > row["label"]
    ]
    return sorted(wrong, key=lambda row: (-row["probability"], row["id"]))
