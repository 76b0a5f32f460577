"""In-batch ranking losses of sentence-transformers, computed by portable operations.

The library takes a logsumexp and a product that may be narrow; both have other bits on Intel than on AMD. Cross entropy
over padded products has the same value and gradient.
"""

from typing import Any

import torch
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch import Tensor
from torch.nn.functional import cross_entropy

from papertrail.models.kernels import similarity


class RankingLoss(MultipleNegativesRankingLoss):
    """MultipleNegativesRankingLoss with the library's default directions."""

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """Return the loss of (pairs, dimension) embeddings: queries, their documents and any hard negatives."""
        return rank(embeddings, self.scale)


class CandidateLoss(RankingLoss):
    """The loss of queries that share a set of candidates; the label of a query is the place of its own candidate."""

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """Return the loss of (queries, dimension) and (candidates, dimension) embeddings with (queries,) labels."""
        queries, candidates = embeddings
        return cross_entropy(similarity(queries, candidates) * self.scale, labels)


class CachedRankingLoss(CachedMultipleNegativesRankingLoss):
    """CachedMultipleNegativesRankingLoss with the library's default directions."""

    def calculate_loss(self, reps: list[list[Tensor]], labels: Any = None, *, with_backward: bool = False) -> Tensor:
        """Return the loss of embeddings in mini-batches; with_backward computes their gradients."""
        loss = rank([torch.cat(batches) for batches in reps], self.scale)
        if not with_backward:
            return loss
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()


def rank(embeddings: list[Tensor], scale: float) -> Tensor:
    """Return the mean cross entropy of each query's own document among all documents and hard negatives."""
    queries, *documents = embeddings
    scores = similarity(queries, torch.cat(documents)) * scale
    return cross_entropy(scores, torch.arange(len(queries), device=queries.device))
