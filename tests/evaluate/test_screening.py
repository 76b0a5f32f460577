"""Scores of a search for one class of two from predictions made by hand."""

from papertrail.core.records import Row
from papertrail.evaluate.classifier import is_screening, needs_validation
from papertrail.evaluate.screening import false_positives
from tests.fixtures.tiny_runs import make_rows
from tests.fixtures.views import check_plots, check_predictions, score_rows

HEAD = "sequence_classification"
NAMES = ["other", "relevant"]


def screened(probabilities: list[float], labels: list[int]) -> tuple[list[Row], list[Row]]:
    """Return rows and predictions, given the probability of class 1."""
    rows = [
        {"id": f"{i}", "title": "tree", "text": f"we use text {i}", "label": label} for i, label in enumerate(labels)
    ]
    predictions = [
        {"id": row["id"], "label": row["label"], "prediction": int(p > 0.5), "probabilities": [1 - p, p]}
        for row, p in zip(rows, probabilities, strict=True)
    ]
    return rows, predictions


def test_decisions_are_at_the_threshold_of_the_validation_split() -> None:
    validation, validation_predictions = screened([0.1, 0.3, 0.25, 0.05], [0, 1, 1, 0])
    test, predictions = screened([0.2, 0.26, 0.4, 0.01], [0, 1, 0, 1])
    train = [{**row, "label": int(row["label"] == 0)} for row in make_rows(HEAD, 24)]
    scored = score_rows(
        HEAD,
        test,
        predictions,
        class_names=NAMES,
        train=train,
        validation=validation,
        validation_predictions=validation_predictions,
    )
    assert scored.systems.kind == "screening"
    assert scored.systems.scores.keys() == {"model", "tfidf", "frozen", "everything"}
    model, everything = (scored.systems.scores[system] for system in ("model", "everything"))
    assert model["threshold"] == 0.25  # both positives of the validation split and no negative
    assert (model["precision"], model["recall"], model["accuracy"]) == (1 / 2, 1 / 2, 1 / 2)
    assert model["prevalence"] == everything["average_precision"] == everything["precision"] == 1 / 2
    assert everything["recall"] == 1
    assert [row["predicted"] for row in scored.plots["confusion"]] == ["other", "relevant", "relevant", "other"]
    assert [p["prediction"] for p in scored.systems.predictions["model"]] == [0, 1, 1, 0]
    check_predictions(scored, test)
    check_plots(scored)
    assert [error["id"] for error in scored.errors] == ["3", "2"]  # probability of the correct class: 0.01, 0.6
    assert scored.errors[0]["label"] == "relevant (probability 0.010)"
    rows, columns = scored.tables["false_positives"]
    assert columns == ["probability", "id", "title", "text"]
    assert [row["id"] for row in rows] == ["2"]


def test_false_positives_are_sorted_by_probability() -> None:
    rows = [
        {"id": id_, "title": f"T{id_}", "label": label} for id_, label in zip("abcde", [0, 1, 0, 0, 1], strict=True)
    ]
    decisions = [(0.4, 1), (0.9, 1), (0.7, 1), (0.1, 0), (0.2, 0)]  # probability and decision for class 1
    predictions = [{"probabilities": [1 - p, p], "prediction": decided} for p, decided in decisions]
    assert false_positives(rows, predictions) == [
        {"probability": 0.7, "id": "c", "title": "Tc"},
        {"probability": 0.4, "id": "a", "title": "Ta"},
    ]


def test_two_classes_of_a_text_are_screening() -> None:
    assert is_screening(HEAD, NAMES)
    assert needs_validation(HEAD, NAMES)
    assert not is_screening("pair_classification", ["other", "cited"])
    assert not is_screening(HEAD, ["a", "b", "c"])
