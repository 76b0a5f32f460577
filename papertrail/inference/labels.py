"""Labels of texts and papers: a class, the probability of each class, and the decision threshold."""

from typing import Any

import numpy as np
from scipy.special import softmax

from papertrail.core.errors import DataError
from papertrail.core.params import Classifier, Linear
from papertrail.core.records import Row
from papertrail.inference.load import Model
from papertrail.models.batching import predict_logits
from papertrail.models.encoding import encode_rows
from papertrail.models.heads import join_inputs, load_head


def label_inputs(model: Model, inputs: list[Any]) -> list[Row]:
    """Label texts, or papers given as dicts of columns.

    A text goes to column "text", or to the first input of a model without that column. Inputs that a paper lacks are
    left out, as in the input ablations of the evaluation.

    Returns:
        For each input {"label", "probabilities": {label: probability}, "threshold", "cut"}. A label with a threshold is
        decided at it: the one with the best F1 on validation. "cut": whether the end of the input was truncated.

    Raises:
        DataError: An input is empty.
    """
    settings = model.settings_as(Classifier, Linear)
    column = "text" if "text" in settings.inputs else settings.inputs[0]
    rows = [dict(value) if isinstance(value, dict) else {column: value} for value in inputs]
    rows = [{**dict.fromkeys(settings.inputs, ""), **row, "label": 0} for row in rows]
    shown = [[name for name in settings.inputs if str(row[name]).strip()] for row in rows]
    for number, names in enumerate(shown, start=1):
        if not names:
            columns = " and ".join(settings.inputs)
            raise DataError(f"input {number} of {len(rows)} is empty; {model.name} reads {columns}")
    if isinstance(settings, Linear):
        logits, cut = _predict_linear(model, settings, rows)
    else:
        logits, cut = _predict(model, settings, rows)
    return [_decide(model, *values) for values in zip(shown, logits, cut, strict=True)]


def _predict(model: Model, settings: Classifier, rows: list[Row]) -> tuple[list[Any], list[bool]]:
    """Return the logits of each row, (labels,), and whether it was truncated."""
    head = load_head(settings.head)
    encoded = [encode_rows(head, [row], model.tokenizer, settings) for row in rows]
    items = [item for row_items, _ in encoded for item in row_items]
    collate, batch_size = head.build_collator(model.tokenizer), model.params.evaluation.classifier.batch_size
    return predict_logits(model.network, items, collate, batch_size), [bool(cut) for _, cut in encoded]


def _predict_linear(model: Model, settings: Linear, rows: list[Row]) -> tuple[list[Any], list[bool]]:
    """Return the same for a linear model, whose logits are logarithms of probabilities."""
    from papertrail.models.linear import to_logits  # takes seconds to import

    texts = [join_inputs(row, settings.inputs, frozenset()) for row in rows]
    probabilities = model.network.predict(texts, model.params.evaluation.linear.batch_size)
    return list(to_logits(probabilities)), [model.network.is_cut(text) for text in texts]


def _decide(model: Model, shown: list[str], logits: Any, cut: bool) -> Row:
    """Return the answer for one input, with temperature and threshold of the view that shows the same columns."""
    metrics = model.view_metrics(shown)
    probabilities = softmax(logits.astype(np.float64) / metrics.get("temperature", 1.0))  # (labels,)
    threshold = metrics.get("model", {}).get("threshold")
    best = int(probabilities.argmax()) if threshold is None else int(probabilities[1] >= threshold)
    by_label = dict(zip(model.labels, probabilities.tolist(), strict=True))
    return {"label": model.labels[best], "probabilities": by_label, "threshold": threshold, "cut": cut}
