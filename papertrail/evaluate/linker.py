"""Evaluation of linkers: every test citation's bibliography is ranked by each system, and the rankings scored.

Systems: the fusion (model), its encoder without BM25 (encoder), the base model (untuned), and BM25. Each text is
encoded once per encoder.
"""

from pathlib import Path

import numpy as np
from datasets import Dataset

from papertrail.core.params import Linker, Params
from papertrail.core.parquet import read_rows
from papertrail.core.runtime import device, to_inference
from papertrail.data.prepared import split_file
from papertrail.evaluate.pairs import Pairs, score_systems
from papertrail.evaluate.results import Example, Predictions, Results
from papertrail.evaluate.systems import add_intervals
from papertrail.evaluate.views import Floats, labels_of
from papertrail.metrics.calibration import reliability_bins
from papertrail.models.embeddings import embed_once
from papertrail.models.linking import bm25_similarities, cosine_similarities, group_citations, load_linker
from papertrail.models.sentence_encoder import count_truncated, load_encoder


def evaluate(model: Linker, folder: Path, params: Params) -> Results:
    """Rank the bibliography of each test citation and score the rankings.

    Args:
        model: Parameters of the linker.
        folder: The trained model.
        params: All parameters.

    Raises:
        DataError: A query has no cited entry.
    """
    data = {split: read_rows(split_file(model.task, model.dataset, split)) for split in ("validation", "test")}
    test = data["test"].to_list()
    pairs = Pairs(
        inputs=model.inputs,
        class_names=list(data["test"].features["label"].names),
        validation=data["validation"].to_list(),
        test=test,
        plots=params.evaluation.linker,
        errors=params.evaluation.error_examples,
    )
    systems, truncated = rank_entries(model, folder, pairs, params)
    scored = score_systems(pairs, systems)
    probabilities = systems["model"][len(pairs.validation) :]  # they sum to 1 over a bibliography
    classes = np.stack([1 - probabilities, probabilities], axis=1)  # (pairs, 2)
    reliability = reliability_bins(labels_of(test), classes, params.evaluation.linker.calibration_bins)
    result = add_intervals(scored.systems, test, params.evaluation, params.seed)
    table = Predictions(kind=result.kind, features=Dataset.from_list(result.rows).features, rows=result.rows)
    examples = [
        Example(view="test", id=texts["id"], fields={key: texts[key] for key in texts if key != "id"})
        for texts in scored.errors
    ]
    scores = {**result.scores, "examples": len(test), "texts_cut": truncated}
    plots = {**scored.plots, "reliability": reliability}
    return Results(scores={"test": scores}, predictions={"test": table}, plots=plots, examples=examples)


def rank_entries(model: Linker, folder: Path, pairs: Pairs, params: Params) -> tuple[dict[str, Floats], int]:
    """Return system -> scores of validation, then test pairs, (pairs,); and how many texts the encoder truncated."""
    rows = [*pairs.validation, *pairs.test]
    citations = group_citations(rows, model.inputs)
    batch_size, place = params.evaluation.linker.batch_size, device(params.runtime)
    linker = to_inference(load_linker(folder, model.max_tokens, place), params.runtime)
    untuned = to_inference(load_encoder(Path(model.base_model), model.max_tokens, place), params.runtime)
    tuned, bm25 = cosine_similarities(linker.encoder, citations, batch_size, embed_once), bm25_similarities(citations)
    scores = {
        "model": linker.fusion.probabilities(tuned, bm25),
        "encoder": tuned,
        "untuned": cosine_similarities(untuned, citations, batch_size, embed_once),
        "bm25": bm25,
    }
    texts = sorted({row[name] for row in rows for name in model.inputs})
    return {system: np.concatenate(values) for system, values in scores.items()}, count_truncated(untuned, texts)
