"""Evaluation of classifiers: predictions of the model and its baselines in every view of the test split, and scores."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset

from papertrail.core.params import Classifier, Linear, Params
from papertrail.core.parquet import read_rows
from papertrail.core.records import SPLITS, Row
from papertrail.core.runtime import to_inference
from papertrail.data.prepared import split_file
from papertrail.evaluate.baselines import FrozenBaseline
from papertrail.evaluate.calibration import fit_temperature
from papertrail.evaluate.classes import score_classes
from papertrail.evaluate.entities import score_entities
from papertrail.evaluate.pairs import score_pairs
from papertrail.evaluate.results import Example, Predictions, Results
from papertrail.evaluate.screening import score_screening
from papertrail.evaluate.systems import add_intervals
from papertrail.evaluate.views import ScoredView, View
from papertrail.models.batching import Item, predict_logits
from papertrail.models.encoding import check_columns, encode_rows, load_tokenizer
from papertrail.models.heads import load_head
from papertrail.models.kernels import make_portable

SCORERS: dict[str, Callable[[View], ScoredView]] = {  # by head
    "token_classification": score_entities,
    "sequence_classification": score_classes,
    "pair_classification": score_pairs,
}
WITH_FROZEN = "sequence_classification"  # head whose models have the frozen base model as a baseline


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a model says about rows: items with `labels`, logits of each, and how many inputs were truncated."""

    items: list[Item]
    logits: list[Any]
    truncated: int


Predict = Callable[[list[Row], frozenset[str]], Outputs]  # of rows without some inputs


def evaluate(model: Classifier, folder: Path, params: Params) -> Results:
    """Predict and score the test split in every view of params.yaml; plots are those of the first view.

    Args:
        model: Parameters of the classifier.
        folder: The trained model.
        params: All parameters.

    Raises:
        DataError: The data set lacks a column of the head or of the model's inputs, or cannot be scored.
    """
    head = load_head(model.head)
    network = head.AUTO_MODEL.from_pretrained(folder, local_files_only=True)
    network = to_inference(make_portable(network), params.runtime)
    tokenizer = load_tokenizer(folder, model.max_tokens)
    collate: Any = head.build_collator(tokenizer)
    batch_size = params.evaluation.classifier.batch_size

    def predict(rows: list[Row], left_out: frozenset[str]) -> Outputs:
        items, truncated = encode_rows(head, rows, tokenizer, model, left_out)
        return Outputs(items, predict_logits(network, items, collate, batch_size), truncated)

    return evaluate_views(Predictor(model, predict, batch_size, params))


def evaluate_views(predictor: "Predictor") -> Results:
    """Predict and score every view of the test split.

    Raises:
        DataError: The rows cannot be scored.
    """
    params, model = predictor.params, predictor.model
    scaled = params.evaluation.classifier.temperature == "validation"
    results = Results(scores={}, predictions={})
    for name, inputs in params.inputs_by_view(model).items():
        view, predicted = predictor.predict_view(inputs or model.inputs, scaled)
        scored = score_view(view)
        kind = scored.systems.kind
        prefix = "" if name == "test" else f"{name}_"
        if view.validation_predictions:
            stem = "validation" if name == "test" else f"validation_{name}"
            results.predictions[stem] = _table(kind, view.validation_predictions)
        results.predictions[name] = _table(kind, scored.systems.rows)
        results.tables.update({f"{prefix}{table}": rows for table, rows in scored.tables.items()})
        if not results.plots:
            results.plots.update(scored.plots)
        results.examples.extend(
            Example(view=name, id=texts["id"], fields={key: texts[key] for key in texts if key != "id"})
            for texts in scored.errors
        )
        counts = {"examples": len(view.test), "examples_cut": predicted.truncated}
        temperature = {"temperature": predicted.temperature} if scaled else {}
        results.scores[name] = {**scored.systems.scores, **counts, **temperature}
    return results


def _table(kind: str, rows: list[Row]) -> Predictions:
    return Predictions(kind=kind, features=Dataset.from_list(rows).features, rows=rows)


def score_view(view: View) -> ScoredView:
    """Score the predictions of a view and its baselines, with confidence intervals."""
    score = score_screening if is_screening(view.model.head, view.class_names) else SCORERS[view.model.head]
    scored = score(view)
    systems = add_intervals(scored.systems, view.test, view.evaluation, view.seed)
    return ScoredView(systems=systems, plots=scored.plots, errors=scored.errors, tables=scored.tables)


def needs_validation(head: str, class_names: list[str]) -> bool:
    """Return whether decisions are binary, so that their threshold is chosen on validation predictions."""
    return len(class_names) == 2 and head in ("sequence_classification", "pair_classification")


def is_screening(head: str, class_names: list[str]) -> bool:
    """Return whether examples of one class are searched for among those of another."""
    return len(class_names) == 2 and head == "sequence_classification"


@dataclass(frozen=True, slots=True)
class Predicted:
    """Predictions of a split, how many inputs were truncated, and the temperature of the probabilities."""

    rows: list[Row]
    truncated: int
    temperature: float


class Predictor:
    """A trained classifier or linear model, and the prepared rows of its data set.

    Args:
        model: Its parameters.
        outputs: Its function of rows.
        batch_size: Texts that the frozen base model embeds at a time.
        params: All parameters.

    Raises:
        DataError: The data set lacks a column of the head or of the model's inputs.
    """

    def __init__(self, model: Classifier | Linear, outputs: Predict, batch_size: int, params: Params) -> None:
        self.model = model
        self.params = params
        self.head = load_head(model.head)
        self.outputs = outputs
        data = {split: read_rows(split_file(model.task, model.dataset, split)) for split in SPLITS}
        check_columns(self.head, model, data["test"].column_names)
        self.class_names = self.head.class_names(data["train"].features)
        self.rows: dict[str, list[Row]] = {split: rows.to_list() for split, rows in data.items()}
        self.frozen: FrozenBaseline | None = None
        if model.head == WITH_FROZEN:
            classes = len(self.class_names)
            self.frozen = FrozenBaseline(model, self.rows["train"], classes, params.runtime, batch_size)

    def predict_view(self, inputs: list[str], scaled: bool) -> tuple[View, Predicted]:
        """Predict the test split, and the validation split if a threshold or a temperature is chosen on it.

        Args:
            inputs: Inputs that the model reads.
            scaled: Whether to fit a temperature on the validation split.

        Returns:
            The view, and the predictions of the test split.
        """
        left_out = frozenset(self.model.inputs) - frozenset(inputs)
        validation = Predicted([], 0, 1.0)
        if scaled or needs_validation(self.model.head, self.class_names):
            validation = self.predict("validation", left_out, None if scaled else 1.0)
        test = self.predict("test", left_out, validation.temperature)
        splits = ["validation", "test"] if validation.rows else ["test"]
        frozen = {split: self.frozen.predict(self.rows[split], left_out) for split in splits} if self.frozen else {}
        view = View(
            model=self.model,
            class_names=self.class_names,
            inputs=inputs,
            **self.rows,
            validation_predictions=validation.rows,
            test_predictions=test.rows,
            frozen=frozen,
            seed=self.params.seed,
            evaluation=self.params.evaluation,
        )
        return view, test

    def predict(self, split: str, left_out: frozenset[str], temperature: float | None) -> Predicted:
        """Predict a split without some inputs. If the temperature is None, it is fitted on this split."""
        rows = self.rows[split]
        outputs = self.outputs(rows, left_out)
        divisor = fit_temperature(outputs.items, outputs.logits) if temperature is None else temperature
        logits = [values / divisor for values in outputs.logits]
        decoded = self.head.decode(rows, outputs.items, logits, self.class_names)
        return Predicted(decoded, outputs.truncated, divisor)
