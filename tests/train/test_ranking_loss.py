"""The portable ranking losses equal those of sentence-transformers."""

import pytest
import torch
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from papertrail.models.guard import refuse_unportable
from papertrail.train.ranking_loss import CachedRankingLoss, CandidateLoss, RankingLoss


@pytest.mark.parametrize("pairs", [1, 7, 64, 100])
@pytest.mark.parametrize("columns", [1, 2])
def test_value_and_gradients_are_those_of_the_library(pairs: int, columns: int) -> None:
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Identity())  # unused
    embeddings = [torch.randn(pairs, 48, requires_grad=True) for _ in range(1 + columns)]
    theirs = MultipleNegativesRankingLoss(model, 20.0).compute_loss_from_embeddings(embeddings, torch.empty(0))
    expected = torch.autograd.grad(theirs, embeddings)
    with refuse_unportable():
        ours = RankingLoss(model, 20.0).compute_loss_from_embeddings(embeddings, torch.empty(0))
        found = torch.autograd.grad(ours, embeddings)
        cached = CachedRankingLoss(model, 20.0).calculate_loss(
            [list(embedding.split(3)) for embedding in embeddings], with_backward=True
        )
    torch.testing.assert_close([ours, cached, *found], [theirs, theirs.detach(), *expected], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close([embedding.grad for embedding in embeddings], list(expected), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("queries", [1, 7, 40])
def test_candidates_that_each_query_has_alone_are_the_loss_of_the_library(queries: int) -> None:
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Identity())  # unused
    embeddings = [torch.randn(queries, 48, requires_grad=True) for _ in range(2)]
    order = torch.randperm(queries)
    theirs = MultipleNegativesRankingLoss(model, 20.0).compute_loss_from_embeddings(embeddings, torch.empty(0))
    expected = torch.autograd.grad(theirs, embeddings)
    with refuse_unportable():
        shuffled = [embeddings[0], embeddings[1][order]]
        ours = CandidateLoss(model, 20.0).compute_loss_from_embeddings(shuffled, order.argsort())
        found = torch.autograd.grad(ours, embeddings)
    torch.testing.assert_close([ours, *found], [theirs, *expected], rtol=1e-3, atol=1e-5)


def test_queries_may_share_a_candidate() -> None:
    torch.manual_seed(1)
    queries, candidates, labels = torch.randn(3, 16), torch.randn(2, 16), torch.tensor([1, 0, 1])
    model = torch.nn.Sequential(torch.nn.Identity())  # unused
    found = CandidateLoss(model, 5.0).compute_loss_from_embeddings([queries, candidates], labels)
    cosine = torch.nn.functional.cosine_similarity(queries[:, None], candidates[None], dim=-1)
    expected = -torch.log_softmax(5 * cosine, dim=1)[torch.arange(3), labels].mean()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
