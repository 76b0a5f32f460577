"""Evaluation of linear models: that of a classifier with head sequence_classification, from other probabilities."""

from pathlib import Path

import numpy as np

from papertrail.core.params import Linear, Params
from papertrail.core.records import Row
from papertrail.core.runtime import device
from papertrail.evaluate.classifier import Outputs, Predictor, evaluate_views
from papertrail.evaluate.results import Results
from papertrail.models.embeddings import embed_once
from papertrail.models.heads import join_inputs
from papertrail.models.linear import load_linear, to_logits


def evaluate(model: Linear, folder: Path, params: Params) -> Results:
    """Predict and score the test split in every view of params.yaml.

    Args:
        model: Parameters of the model.
        folder: The trained model.
        params: All parameters.

    Raises:
        DataError: The data set lacks a column of the model, or cannot be scored.
    """
    network = load_linear(folder, model.max_tokens, device(params.runtime))
    batch_size = params.evaluation.linear.batch_size

    def predict(rows: list[Row], left_out: frozenset[str]) -> Outputs:
        texts = [join_inputs(row, model.inputs, left_out) for row in rows]
        logits = list(to_logits(network.predict(texts, batch_size, embed_once)))
        return Outputs([{"labels": np.int64(row["label"])} for row in rows], logits, sum(map(network.is_cut, texts)))

    return evaluate_views(Predictor(model, predict, batch_size, params))
