"""What scoring of a classifier reads and returns, for one view of the test split."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from papertrail.core.params import Classifier, ClassifierEvaluation, Evaluation, Linear, LinkerEvaluation
from papertrail.core.records import Row
from papertrail.evaluate.baselines import tfidf_logistic
from papertrail.evaluate.results import Table
from papertrail.evaluate.systems import ScoredSystems
from papertrail.metrics.calibration import reliability_bins
from papertrail.metrics.classification import confusion_rows, precision_recall_points

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Plots = dict[str, Table]
Texts = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The rows of a data set and the predictions of a classifier; predictions are in the order of the rows.

    Attributes:
        model: The classifier, or a linear model.
        class_names: Meaning of its outputs.
        inputs: The inputs that it reads in this view.
        train, validation, test: Prepared rows.
        validation_predictions: Empty unless a threshold or a temperature is fitted on them.
        test_predictions: As the head of the model decodes them.
        frozen: Split -> probabilities (rows, classes) by the frozen base model and logistic regression, for head
            sequence_classification; of "validation" only if there are validation predictions.
        seed: Seed of the pipeline.
        evaluation: Settings of params.yaml.
    """

    model: Classifier | Linear
    class_names: list[str]
    inputs: list[str]
    train: list[Row]
    validation: list[Row]
    test: list[Row]
    validation_predictions: list[Row]
    test_predictions: list[Row]
    frozen: dict[str, Floats]
    seed: int
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredView:
    """The scores of a view.

    Attributes:
        systems: Predictions and scores of the model and its baselines. Binary predictions are those at the threshold.
        plots: Kind of plot -> rows of its CSV file, of the model.
        errors: Errors of the model, the worst first: an id and texts.
        tables: Name -> rows of a CSV file and its columns.
    """

    systems: ScoredSystems
    plots: Plots
    errors: list[Texts]
    tables: dict[str, tuple[Table, list[str]]] = field(default_factory=dict)


def labels_of(rows: list[Row]) -> Integers:
    """Return class numbers (rows,)."""
    return np.array([row["label"] for row in rows])


def probabilities_of(predictions: list[Row]) -> Floats:
    """Return class probabilities (rows, classes)."""
    return np.array([prediction["probabilities"] for prediction in predictions])


def tfidf_probabilities(view: View, rows: list[Row]) -> Floats:
    """Return probabilities (rows, classes) of TF-IDF, trained on all inputs and tested on those of the view."""
    return tfidf_logistic(
        [" ".join(row[name] for name in view.model.inputs) for row in view.train],
        labels_of(view.train),
        [" ".join(row[name] for name in view.model.inputs if name in view.inputs) for row in rows],
        len(view.class_names),
        balanced=view.model.class_weights == "balanced",
    )


def make_plots(
    labels: Integers, probabilities: Floats, names: list[str], evaluation: ClassifierEvaluation | LinkerEvaluation
) -> Plots:
    """Return the plots of a classifier: confusion, reliability and precision_recall.

    Precision and recall are those of class 1 of two, or the micro average over more classes.

    Args:
        labels: (n,) class numbers.
        probabilities: (n, classes).
        names: (classes,) class names.
        evaluation: Number of bins and points.
    """
    relevant = labels if len(names) == 2 else np.eye(len(names))[labels].ravel()
    scores = probabilities[:, 1] if len(names) == 2 else probabilities.ravel()
    return {
        "confusion": confusion_rows(labels, probabilities.argmax(axis=1), names),
        "reliability": reliability_bins(labels, probabilities, evaluation.calibration_bins),
        "precision_recall": precision_recall_points(relevant, scores, evaluation.plot_points),
    }
