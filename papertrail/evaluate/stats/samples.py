"""Scores with confidence intervals from predictions.

A row of predictions has an id, the paper it comes from, the system, and columns that its kind requires. These suffice
to score a system, also one of another revision.
"""

from collections.abc import Callable, Sequence

import numpy as np
from seqeval.scheme import IOB2, Entities

from papertrail.core.errors import DataError
from papertrail.core.params import Evaluation
from papertrail.core.records import Row
from papertrail.evaluate.stats.bootstrap import (
    Integers,
    Sample,
    average_precision,
    bootstrap,
    interval,
    macro_f1,
    mean,
    micro_f1,
)
from papertrail.metrics.ranking import query_scores

SCORES = {  # kind of predictions -> scores with intervals; systems are compared by the first
    "entities": ("f1",),
    "classes": ("macro_f1", "accuracy"),
    "screening": ("average_precision", "f1"),
    "pairs": ("mrr", "recall@10", "pair_f1"),  # not recall@1: 0 in every paper gives an interval of no width
    "retrieval": ("ndcg@10", "mrr@10", "map@100", "recall@10", "recall@100"),
    "summaries": ("rougeL", "rouge1", "rouge2", "rougeLsum"),
}


def paper_of(row: Row) -> str:
    """Return the unit of resampling of a row: its paper, else its query, else its id."""
    return str(row.get("paper", row.get("query", row["id"])))


def read_samples(rows: Sequence[Row], kind: str) -> dict[str, Sample]:
    """Return score -> sample of it, in the order of SCORES.

    Args:
        rows: Predictions of one system.
        kind: What they are, a key of SCORES, as `papertrail.core.parquet.read_kind` returns it.

    Raises:
        DataError: There is no row, the kind is unknown, or a column is missing.
    """
    if kind not in READERS or not rows:
        raise DataError(
            f"predictions: {len(rows)} rows of kind {kind!r}; expected at least one row, and a kind of "
            f"{', '.join(READERS)}; run `dvc repro` to write them again"
        )
    try:
        units = {paper: number for number, paper in enumerate(sorted({row["paper"] for row in rows}))}
        return READERS[kind](rows, np.array([units[row["paper"]] for row in rows]))
    except KeyError as error:
        raise DataError(
            f"predictions of kind '{kind}': no column {error}, only {', '.join(sorted(rows[0]))}; run `dvc repro` to "
            "write them again"
        ) from None


def intervals(rows: Sequence[Row], kind: str, evaluation: Evaluation, seed: int) -> dict[str, float]:
    """Return <score>_low and <score>_high of every score of one system's predictions.

    Raises:
        DataError: See `read_samples` and `bootstrap`.
    """
    ends: dict[str, float] = {}
    for name, sample in read_samples(rows, kind).items():
        scores = bootstrap(sample.score, len(sample), evaluation.bootstrap_samples, seed)
        ends[f"{name}_low"], ends[f"{name}_high"] = interval(scores, len(sample), evaluation.confidence_level)
    return ends


def _read_entities(rows: Sequence[Row], unit: Integers) -> dict[str, Sample]:
    tagged = (Entities([row[column] for row in rows], IOB2).entities for column in ("tags", "predicted_tags"))
    actual, predicted = ([{(m.tag, m.start, m.end) for m in sentence} for sentence in side] for side in tagged)
    correct = [len(a & p) for a, p in zip(actual, predicted, strict=True)]
    return {"f1": micro_f1(unit, correct, list(map(len, predicted)), list(map(len, actual)))}


def _read_classes(rows: Sequence[Row], unit: Integers) -> dict[str, Sample]:
    labels, predicted = _columns(rows, "label", "prediction")
    return {
        "macro_f1": macro_f1(unit, labels, predicted, len(rows[0]["probabilities"])),
        "accuracy": mean(unit, labels == predicted),
    }


def _read_screening(rows: Sequence[Row], unit: Integers) -> dict[str, Sample]:
    labels, predicted, probabilities = _columns(rows, "label", "prediction", "probabilities")
    return {
        "average_precision": average_precision(unit, labels, probabilities[:, 1]),
        "f1": micro_f1(unit, labels * predicted, predicted, labels),
    }


def _read_pairs(rows: Sequence[Row], unit: Integers) -> dict[str, Sample]:
    queries, labels, scores, predicted, sampled = _columns(rows, "query", "label", "score", "prediction", "sampled")
    ids, values = query_scores(queries, labels, scores)
    unit_of = dict(zip(queries.tolist(), unit.tolist(), strict=True))
    units = np.array([unit_of[query] for query in ids.tolist()])
    means: dict[str, Sample] = {name: mean(units, values[name]) for name in SCORES["pairs"] if name in values}
    return {**means, "pair_f1": micro_f1(unit, sampled * labels * predicted, sampled * predicted, sampled * labels)}


def _columns(rows: Sequence[Row], *names: str) -> list[Integers]:
    """Return columns of rows as arrays, each (rows, ...)."""
    return [np.array([row[name] for row in rows]) for name in names]


def _means_of(kind: str) -> Callable[[Sequence[Row], Integers], dict[str, Sample]]:
    """Return a reader of predictions that have a column for each score."""

    def read(rows: Sequence[Row], unit: Integers) -> dict[str, Sample]:
        return {name: mean(unit, [row[name] for row in rows]) for name in SCORES[kind]}

    return read


READERS: dict[str, Callable[[Sequence[Row], Integers], dict[str, Sample]]] = {
    "entities": _read_entities,
    "classes": _read_classes,
    "screening": _read_screening,
    "pairs": _read_pairs,
    "retrieval": _means_of("retrieval"),
    "summaries": _means_of("summaries"),
}
