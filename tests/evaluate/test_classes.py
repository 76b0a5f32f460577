"""Scores of three classes from predictions made by hand."""

from papertrail.core.records import Row
from papertrail.evaluate.classifier import needs_validation
from papertrail.metrics.classification import classification_scores
from papertrail.models.heads import sequence_classification
from tests.fixtures.tiny_runs import PURPOSES, make_classifier, make_rows
from tests.fixtures.views import check_plots, check_predictions, model_scores, score_rows

HEAD = "sequence_classification"
PROBABILITIES = [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.9, 0.05, 0.05], [0.2, 0.3, 0.5], [0.1, 0.6, 0.3]]
LABELS = [0, 1, 1, 2, 0]


def classified(probabilities: list[list[float]], labels: list[int]) -> tuple[list[Row], list[Row]]:
    """Return rows and predictions as the head decodes them."""
    rows = [
        {"id": f"{i}", "title": "tree", "text": f"we use text {i}", "label": label} for i, label in enumerate(labels)
    ]
    predictions = [
        {"id": row["id"], "label": row["label"], "prediction": p.index(max(p)), "probabilities": p}
        for row, p in zip(rows, probabilities, strict=True)
    ]
    sequence_classification.validation_score(rows, predictions, PURPOSES)  # reads the same columns
    return rows, predictions


def test_scores_are_those_of_the_metrics() -> None:
    rows, predictions = classified(PROBABILITIES, LABELS)
    scored = score_rows(HEAD, rows, predictions, class_names=PURPOSES)
    scores = scored.systems.scores
    assert scored.systems.kind == "classes"
    assert scores.keys() == {"model", "tfidf", "frozen", "majority"}
    expected = classification_scores(LABELS, PROBABILITIES, PURPOSES, bins=5)
    assert model_scores(scored) == {**expected, "classes_predicted": 3}
    assert scores["model"]["accuracy"] == 2 / 5
    assert scores["frozen"]["accuracy"] == 2 / 5  # equal probabilities: the first class
    assert scores["majority"]["accuracy"] == 2 / 5  # training has 8 rows of each class, so the first one is predicted
    assert not needs_validation(HEAD, PURPOSES)
    check_plots(scored)
    check_predictions(scored, rows)
    assert len(scored.plots["confusion"]) == 5
    assert scored.plots["confusion"][1] == {"actual": "approach", "predicted": "challenge"}


def test_errors_are_sorted_by_the_probability_of_the_correct_class() -> None:
    rows, predictions = classified(PROBABILITIES, LABELS)
    assert score_rows(HEAD, rows, predictions, class_names=PURPOSES).errors == [
        {"id": "2", "text": "we use text 2", "label": "approach (probability 0.050)", "predicted": "challenge"},
        {"id": "4", "text": "we use text 4", "label": "challenge (probability 0.100)", "predicted": "approach"},
    ]


def test_tfidf_reads_the_inputs_of_the_view() -> None:
    learnable = make_rows(HEAD, 12, seed=1)
    _, predictions = classified([[0.8, 0.1, 0.1]] * 12, [0] * 12)
    model = make_classifier(inputs=["title", "text"])
    changes = {"class_names": PURPOSES, "model": model, "train": make_rows(HEAD, 300)}
    full = score_rows(HEAD, learnable, predictions, inputs=model.inputs, **changes)
    title = score_rows(HEAD, learnable, predictions, inputs=["title"], **changes)
    assert full.systems.scores["tfidf"]["accuracy"] > 0.8  # the label follows from the text
    assert title.systems.scores["tfidf"]["accuracy"] < 0.6
    assert full.systems.scores["model"] == title.systems.scores["model"]
    assert full.errors[0]["text"].startswith("Title: ")
    assert "Text: " in full.errors[0]["text"]
    assert "Text: " not in title.errors[0]["text"]
