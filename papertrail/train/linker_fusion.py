"""The fusion of a bi-encoder with BM25: its weight and temperature, fitted on validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from papertrail.core.records import Row
from papertrail.metrics.ranking import ranking_scores
from papertrail.models.linking import Citation, Floats, Fusion, bm25_similarities, combine, group_citations

WEIGHTS = [step / 10 for step in range(11)]
TEMPERATURES = (0.01, 100.0)  # first and last that are searched


@dataclass(frozen=True, slots=True)
class Validation:
    """The validation rows as citations.

    Attributes:
        queries: Query of each row.
        labels: Per citation (entries,), 1 for the cited entry and 0 for others.
        citations: In the order of the rows.
    """

    queries: list[str]
    labels: list[Floats]
    citations: list[Citation]

    @classmethod
    def of(cls, rows: Sequence[Row], inputs: Sequence[str]) -> "Validation":
        """Return the citations of rows; `inputs` are the columns of context and entry."""
        citations = group_citations(rows, inputs)
        ends = np.cumsum([len(citation.entries) for citation in citations])
        labels = np.split(np.array([row["label"] for row in rows], dtype=np.float64), ends[:-1])
        return cls([row["query"] for row in rows], labels, citations)

    def mrr(self, scores: Sequence[Floats]) -> float:
        """Return the mean reciprocal rank of the cited entries; ties count against them.

        Raises:
            DataError: A citation has no cited entry.
        """
        return ranking_scores(self.queries, np.concatenate(self.labels), np.concatenate(scores))["mrr"]


def fit_fusion(validation: Validation, cosine: Sequence[Floats]) -> tuple[Fusion, dict[str, float]]:
    """Return the fusion with the best MRR on validation, and metrics; of equal weights the one with less encoder.

    Args:
        validation: Citations.
        cosine: Their similarities by the encoder.
    """
    bm25 = bm25_similarities(validation.citations)
    scores = {weight: validation.mrr(combine(cosine, bm25, weight)) for weight in WEIGHTS}
    weight = max(scores, key=lambda weight: (scores[weight], -weight))
    temperature = fit_temperature(combine(cosine, bm25, weight), validation.labels)
    return Fusion(weight=weight, temperature=temperature), {
        "validation_score": scores[weight],
        "validation_mrr_bm25": validation.mrr(bm25),
        "validation_mrr_encoder": validation.mrr(cosine),
        "weight": weight,
        "temperature": temperature,
    }


def fit_temperature(scores: Sequence[Floats], labels: Sequence[Floats]) -> float:
    """Return the temperature T for which softmax(scores / T) maximises the likelihood of the cited entries.

    Args:
        scores: Per citation (entries,).
        labels: Likewise, 1 for the cited entry.
    """

    def loss(log_temperature: float) -> float:
        likelihoods = [
            log_softmax(values / np.exp(log_temperature))[of > 0].sum()
            for values, of in zip(scores, labels, strict=True)
        ]
        return -float(np.mean(likelihoods))

    return float(np.exp(minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded").x))
