"""Scores of three or more classes, beside baselines: TF-IDF, the frozen base model and the majority class."""

from papertrail.core.records import Row
from papertrail.evaluate.baselines import majority
from papertrail.evaluate.systems import ScoredSystems
from papertrail.evaluate.views import (
    Floats,
    Integers,
    ScoredView,
    Texts,
    View,
    labels_of,
    make_plots,
    probabilities_of,
    tfidf_probabilities,
)
from papertrail.metrics.classification import classification_scores
from papertrail.models.heads import join_inputs


def score_classes(view: View) -> ScoredView:
    """Score classes by scikit-learn."""
    labels, probabilities = labels_of(view.test), probabilities_of(view.test_predictions)
    systems = {
        "model": probabilities,
        "tfidf": tfidf_probabilities(view, view.test),
        "frozen": view.frozen["test"],
        "majority": majority(labels_of(view.train), len(view.class_names), len(labels)),
    }
    bins = view.evaluation.classifier.calibration_bins
    scores = {name: classification_scores(labels, values, view.class_names, bins) for name, values in systems.items()}
    for name, values in systems.items():
        scores[name]["classes_predicted"] = len(set(values.argmax(axis=1).tolist()))
    predictions = {name: class_rows(view.test, values, values.argmax(axis=1)) for name, values in systems.items()}
    return ScoredView(
        systems=ScoredSystems("classes", predictions, scores),
        plots=make_plots(labels, probabilities, view.class_names, view.evaluation.classifier),
        errors=class_errors(view, probabilities, probabilities.argmax(axis=1)),
    )


def class_rows(rows: list[Row], probabilities: Floats, predicted: Integers) -> list[Row]:
    """Return the predictions of one system from probabilities (rows, classes) and class numbers (rows,)."""
    return [
        {"id": row["id"], "label": row["label"], "prediction": int(number), "probabilities": p.tolist()}
        for row, p, number in zip(rows, probabilities, predicted, strict=True)
    ]


def class_errors(view: View, probabilities: Floats, predicted: Integers) -> list[Texts]:
    """Return the wrong predictions with the least probability of the correct class; arguments as `class_rows`."""
    left_out = frozenset(view.model.inputs) - frozenset(view.inputs)
    rows = zip(view.test, probabilities, predicted, strict=True)
    wrong = sorted(
        (float(p[row["label"]]), row["id"], row, int(number)) for row, p, number in rows if number != row["label"]
    )
    return [
        {
            "id": id_,
            "text": join_inputs(row, view.model.inputs, left_out),
            "label": f"{view.class_names[row['label']]} (probability {probability:.3f})",
            "predicted": view.class_names[number],
        }
        for probability, id_, row, number in wrong[: view.evaluation.error_examples]
    ]
