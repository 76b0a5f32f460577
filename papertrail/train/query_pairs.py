"""Training pairs of a retriever: queries with relevant documents and hard negatives, in batches without conflicts."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sentence_transformers.base.sampler import DefaultBatchSampler

from papertrail.core.errors import ParamsError
from papertrail.core.params import Retriever
from papertrail.core.randomness import draw
from papertrail.core.records import Row
from papertrail.models.batching import length_grouped_order
from papertrail.models.ranking import Floats, bm25_scores, top
from papertrail.models.sentence_encoder import embed


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and one relevant document.

    Attributes:
        query: Text of the query.
        document: Id of the document.
        relevant: Ids of all documents that are relevant to the query.
        negative: Id of a hard negative, if there is one.
    """

    query: str
    document: str
    relevant: frozenset[str]
    negative: str | None

    @property
    def documents(self) -> set[str]:
        """Ids of the documents that this pair adds to a batch."""
        return {self.document} if self.negative is None else {self.document, self.negative}


def make_pairs(rows: list[Row], texts: dict[str, str], model: Retriever, seed: int, encoder: Any) -> list[Pair]:
    """Return a pair for each query and positive document, with hard negatives if the retriever uses them.

    A query with more than `positives_per_query` documents has that many, drawn by (seed, query, document).

    The negative of a pair is drawn by (seed, query, document) from the mined documents that are not relevant to the
    query. Pairs without a mined document are dropped, since the loss needs the same columns in every row.

    Args:
        rows: Training rows with query, relevant and positives.
        texts: Document id -> text.
        model: Its hard negatives.
        seed: Of the draws.
        encoder: For hard negatives of kind encoder.

    Raises:
        ParamsError: No pair has a hard negative.
    """
    mined = {} if model.hard_negatives == "none" else _mine(rows, texts, model, encoder)
    pairs = []
    for row in rows:
        negatives = [id_ for id_ in mined.get(row["id"], []) if id_ not in row["relevant"]]
        for document in draw_positives(row, model.positives_per_query, seed):
            number = draw(seed, "hard negative", row["id"], document)
            negative = negatives[number % len(negatives)] if negatives else None
            pairs.append(Pair(row["query"], document, frozenset(row["relevant"]), negative))
    if mined:
        pairs = [pair for pair in pairs if pair.negative is not None]
    if not pairs:
        raise ParamsError(
            f"params.yaml: models: hard_negative_ranks: {model.hard_negative_ranks} leave no pair with a hard negative "
            f"among {len(texts)} documents; lower the first rank"
        )
    return pairs


def draw_positives(row: Row, size: int | None, seed: int) -> list[str]:
    """Return so many positive documents of a query, in their order; all if `size` is None."""
    chosen = sorted(row["positives"], key=lambda id_: draw(seed, "positive", row["id"], id_))[:size]
    return [id_ for id_ in row["positives"] if id_ in chosen]


def _mine(rows: list[Row], texts: dict[str, str], model: Retriever, encoder: Any) -> dict[str, list[str]]:
    """Return query id -> documents that BM25 or the encoder ranks from the first to the last hard negative rank."""
    first, last = model.hard_negative_ranks
    ids, queries = list(texts), [row["query"] for row in rows]
    if model.hard_negatives == "bm25":
        scores: Floats = bm25_scores(queries, list(texts.values()))
    else:
        documents = embed(encoder, list(texts.values()), model.batch_size)
        scores = embed(encoder, queries, model.batch_size) @ documents.T
    ranked = top(scores, min(last, len(ids)))[0]  # (queries, last)
    return {row["id"]: [ids[i] for i in best[first - 1 :]] for row, best in zip(rows, ranked, strict=True)}


class ConflictFreeBatches(DefaultBatchSampler):
    """Batches in an order that is a function of (seed, epoch), without a document that is relevant to another query.

    Every epoch has ceil(pairs / batch_size) batches. A pair that fits into none of them is left out of the epoch.
    """

    def __init__(self, pairs: list[Pair], batch_size: int, seed: int) -> None:
        super().__init__(range(len(pairs)), batch_size=batch_size, drop_last=False, seed=seed)
        self.pairs = pairs
        self.lengths = [len(pair.query) for pair in pairs]

    def __len__(self) -> int:
        return -(-len(self.pairs) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        waiting = deque(length_grouped_order(self.lengths, self.batch_size, self.seed, self.epoch))
        for _ in range(len(self)):
            if batch := self._next_batch(waiting):
                yield batch

    def _next_batch(self, waiting: deque[int]) -> list[int]:
        """Take a batch from the pairs that wait; those in conflict with it stay in front."""
        batch: list[int] = []
        queries, documents, relevant = set[str](), set[str](), set[str]()
        skipped = []
        while waiting and len(batch) < self.batch_size:
            number = waiting.popleft()
            pair = self.pairs[number]
            if pair.query in queries or pair.documents & (documents | relevant) or pair.relevant & documents:
                skipped.append(number)
                continue
            batch.append(number)
            queries.add(pair.query)
            documents |= pair.documents
            relevant |= pair.relevant
        waiting.extendleft(reversed(skipped))
        return batch
