"""Scores and their intervals from predictions: rows with an id, the paper they come from, what is right, what was said.

Nothing else is needed to score a system, now or in another revision.
"""

from collections.abc import Callable, Sequence

import numpy as np
from seqeval.scheme import IOB2, Entities

from scholar.errors import DataError
from scholar.metrics import query_scores
from scholar.params import Evaluation
from scholar.records import Row
from scholar.resampling import Integers, Sample, average_precision, bootstrap, interval, macro_f1, mean, micro_f1

PAIRS = ("mrr", "recall@10")  # recall@1 is often 0 in every paper, of which a bootstrap makes an interval of no width
SEARCH = ("ndcg@10", "mrr@10", "map@100", "recall@10", "recall@100")
SUMMARY = ("rougeL", "rouge1", "rouge2", "rougeLsum")


def paper_of(row: Row) -> str:
    """The paper that a row comes from; without one, the query whose rows hang together, or the row itself."""
    return str(row.get("paper", row.get("query", row["id"])))


def read_samples(rows: Sequence[Row]) -> dict[str, Sample]:
    """Score -> sample of it, from the predictions of one system; the first is what systems are compared by.

    Raises:
        DataError: there is no row, or a column that is needed is not there.
    """
    columns = rows[0].keys() if rows else set()
    reader = next((reader for column, reader in READERS.items() if column in columns), None)
    if reader is None or "paper" not in columns:
        raise DataError(
            f"predictions: {len(rows)} rows of columns {sorted(columns)}; expected 'paper' and one of "
            f"{sorted(READERS)}; make them anew by `dvc repro`"
        )
    units = {paper: number for number, paper in enumerate(sorted({row["paper"] for row in rows}))}
    return reader(rows, np.array([units[row["paper"]] for row in rows]))


def intervals(rows: Sequence[Row], evaluation: Evaluation, seed: int) -> dict[str, float]:
    """<score>_low and <score>_high of every score of one system's predictions."""
    ends: dict[str, float] = {}
    for name, sample in read_samples(rows).items():
        scores = bootstrap(sample.score, len(sample), evaluation.replicates, seed)
        ends[f"{name}_low"], ends[f"{name}_high"] = interval(scores, len(sample), evaluation.level)
    return ends


def _entities(rows: Sequence[Row], unit: Integers) -> dict[str, Sample]:
    tagged = (Entities([row[column] for row in rows], IOB2).entities for column in ("tags", "predicted_tags"))
    actual, predicted = ([{(m.tag, m.start, m.end) for m in sentence} for sentence in side] for side in tagged)
    right = [len(a & p) for a, p in zip(actual, predicted, strict=True)]
    return {"f1": micro_f1(unit, right, list(map(len, predicted)), list(map(len, actual)))}


def _classes(rows: Sequence[Row], unit: Integers) -> dict[str, Sample]:
    labels, predicted = (np.array([row[column] for row in rows]) for column in ("label", "prediction"))
    probabilities = np.array([row["probabilities"] for row in rows])  # (rows, classes)
    if probabilities.shape[1] == 2:
        return {
            "average_precision": average_precision(unit, labels, probabilities[:, 1]),
            "f1": micro_f1(unit, labels * predicted, predicted, labels),
        }
    return {
        "macro_f1": macro_f1(unit, labels, predicted, probabilities.shape[1]),
        "accuracy": mean(unit, labels == predicted),
    }


def _pairs(rows: Sequence[Row], unit: Integers) -> dict[str, Sample]:
    queries, labels, scores, predicted, drawn = (
        np.array([row[column] for row in rows]) for column in ("query", "label", "score", "prediction", "sampled")
    )
    ids, values = query_scores(queries, labels, scores)
    unit_of = dict(zip(queries.tolist(), unit.tolist(), strict=True))
    asked = np.array([unit_of[query] for query in ids.tolist()])
    means = {name: mean(asked, values[name]) for name in PAIRS}
    return {**means, "pair_f1": micro_f1(unit, drawn * labels * predicted, drawn * predicted, drawn * labels)}


def _means(names: Sequence[str]) -> Callable[[Sequence[Row], Integers], dict[str, Sample]]:
    def read(rows: Sequence[Row], unit: Integers) -> dict[str, Sample]:
        return {name: mean(unit, [row[name] for row in rows]) for name in names}

    return read


READERS: dict[str, Callable[[Sequence[Row], Integers], dict[str, Sample]]] = {  # by a column that only they have
    "predicted_tags": _entities,
    "probabilities": _classes,
    "sampled": _pairs,
    SEARCH[0]: _means(SEARCH),
    SUMMARY[0]: _means(SUMMARY),
}
