"""Validation of a retriever: nDCG@10 of the model, BM25 and their fusion, each searching the collection."""

from collections.abc import Mapping
from typing import Any

from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator

from papertrail.core.params import Retriever
from papertrail.core.randomness import sample
from papertrail.core.records import Row
from papertrail.metrics.ranking import mean_scores, relevance_of, retrieval_scores
from papertrail.models.ranking import Integers, bm25_ranking, fuse, top
from papertrail.models.search_systems import FUSED_RANKS
from papertrail.models.sentence_encoder import embed

SCORE = "ndcg@10"
MODEL = f"validation_{SCORE}_model"  # names of scores in the log of the Trainer
HYBRID = f"validation_{SCORE}_hybrid"


class SearchEvaluator(SentenceEvaluator):
    """nDCG@10 of an encoder and of its fusion with BM25 on the validation queries; each query's own paper is excluded.

    Args:
        rows: Validation queries.
        texts: Document id -> text; at most `validation_documents` of them, with the relevant ones, are searched.
        model: Parameters of the retriever.
        seed: Of the drawn documents.
    """

    def __init__(self, rows: list[Row], texts: Mapping[str, str], model: Retriever, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        relevant = {id_ for row in rows for id_ in row["relevant"]}
        chosen = relevant | sample(texts.keys() - relevant, _rest(model, relevant), seed, "validation documents")
        self.rows, self.batch_size, self.constant = rows, model.batch_size, model.fusion_constant
        self.ids = [id_ for id_ in texts if id_ in chosen]
        self.texts = [texts[id_] for id_ in self.ids]
        self.queries = [row["query"] for row in rows]
        self.depth = min(FUSED_RANKS, len(self.ids))
        self.bm25 = bm25_ranking(self.queries, self.texts, self.depth)

    def __call__(
        self, model: Any, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """Return the scores of the model and of the hybrid; the library calls this at the end of each epoch."""
        documents = embed(model, self.texts, self.batch_size)
        ranked = top(embed(model, self.queries, self.batch_size) @ documents.T, self.depth)[0]
        hybrid = fuse([self.bm25, ranked], self.constant, self.depth, len(self.ids))[0]
        return {MODEL: self.score(ranked), HYBRID: self.score(hybrid)}

    def score(self, ranked: Integers) -> float:
        """Return the mean nDCG@10 of rankings, (queries, ranks) positions of documents; -1 for none."""
        rankings = {
            row["id"]: [self.ids[i] for i in best if i >= 0 and self.ids[i] != row["own"]]
            for row, best in zip(self.rows, ranked, strict=True)
        }
        return mean_scores(retrieval_scores(relevance_of(self.rows), rankings))[SCORE]


def _rest(model: Retriever, relevant: set[str]) -> int | None:
    """Return how many documents are searched besides the relevant ones; None for all."""
    limit = model.validation_documents
    return None if limit is None else max(limit - len(relevant), 0)
