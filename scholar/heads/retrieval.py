"""One vector for one text, near those of the texts that belong to it: a bi-encoder by sentence-transformers.

Trained by MultipleNegativesRankingLoss (Henderson et al., 2017): in a batch, each query must find its own document
among those of all others, and its hard negative if it has one. Batches hold no text twice, and no document that is
relevant to another query of the batch, since that would count as wrong.
"""

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import AutoConfig

from scholar.batching import length_grouped_order
from scholar.errors import ParamsError
from scholar.params import Retriever
from scholar.ranking import Floats, bm25_scores, top
from scholar.records import Row
from scholar.splits import draw
from scholar.trainer import EpochEnd, Settings, check_positions, dropout_of, keep_own_names, training_arguments

SCORE = "validation_cosine_ndcg@10"  # what the library's evaluator calls it


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and one relevant document, both by id; all that is relevant to the query; a hard negative, if any."""

    query: str
    document: str
    relevant: frozenset[str]
    negative: str | None

    @property
    def documents(self) -> set[str]:
        """What this pair brings into a batch."""
        return {self.document} if self.negative is None else {self.document, self.negative}


def document_text(document: Row, inputs: Sequence[str]) -> str:
    """The columns of a document that are not empty, joined by `. `."""
    return ". ".join(str(document[name]).rstrip(". ") for name in inputs if document[name])


def load_encoder(folder: Path, max_tokens: int, device: str, dropout: dict[str, float] | None = None) -> Any:
    """A SentenceTransformer: mean over tokens, length 1. `folder` may hold a plain encoder or a saved one.

    Raises:
        ParamsError: max_tokens exceeds the positions of the encoder.
    """
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    check_positions("retrievers: max_tokens", max_tokens, str(folder), config)
    words = Transformer(str(folder), max_seq_length=max_tokens, config_kwargs=dropout or {})
    keep_own_names(words.model)
    return SentenceTransformer(
        modules=[words, Pooling(words.get_embedding_dimension(), "mean"), Normalize()],
        device=device,
        local_files_only=True,
    )


def embed(model: Any, texts: list[str], batch_size: int) -> NDArray[np.float32]:
    """(texts, dimension) vectors of length 1; the library sorts by length and pads each batch to its longest."""
    vectors = model.encode(texts, batch_size=batch_size, show_progress_bar=sys.stderr.isatty(), convert_to_numpy=True)
    return np.ascontiguousarray(vectors, dtype=np.float32)


class ConflictFreeBatches(DefaultBatchSampler):
    """Batches in an order that depends on (seed, epoch) alone, in which no document answers another query.

    Every epoch has ceil(pairs / batch_size) batches; a pair that fits into none of them waits for the next epoch.
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
            batch: list[int] = []
            queries, documents, answers = set[str](), set[str](), set[str]()
            skipped = []
            while waiting and len(batch) < self.batch_size:
                place = waiting.popleft()
                pair = self.pairs[place]
                if pair.query in queries or pair.documents & (documents | answers) or pair.relevant & documents:
                    skipped.append(place)
                    continue
                batch.append(place)
                queries.add(pair.query)
                documents |= pair.documents
                answers |= pair.relevant
            waiting.extendleft(reversed(skipped))
            if batch:
                yield batch


class RetrieverTrainer(SentenceTransformerTrainer):
    """The library's trainer, with batches from a sampler that knows the pairs."""

    sampler: ConflictFreeBatches

    def get_batch_sampler(self, *_: Any, **__: Any) -> ConflictFreeBatches:
        """Called by the Trainer when it builds its data loader."""
        return self.sampler

    def _load_best_model(self) -> None:
        """As the library does it, but a checkpoint that cannot be read is an error, not a word in the log."""
        self._load_from_checkpoint(str(self.state.best_model_checkpoint))

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:  # type: ignore[override]
        model = SentenceTransformer(checkpoint_path, device="cpu", local_files_only=True)
        self.model.load_state_dict(model.state_dict())


def make_pairs(rows: list[Row], texts: dict[str, str], retriever: Retriever, seed: int, model: Any) -> list[Pair]:
    """A pair for each (query, positive document), with a hard negative if the retriever asks for them.

    The negative is drawn by (seed, query, document) from the documents that the miner ranks from the first to the last
    of hard_negative_ranks, those relevant to the query left out.
    """
    mined: dict[str, list[str]] = {}
    if retriever.hard_negatives != "none":
        first, last = retriever.hard_negative_ranks
        ids, queries = list(texts), [row["query"] for row in rows]
        if retriever.hard_negatives == "bm25":
            scores: Floats = bm25_scores(queries, list(texts.values()))
        else:
            documents = embed(model, list(texts.values()), retriever.batch_size)
            scores = embed(model, queries, retriever.batch_size) @ documents.T
        ranked = top(scores, min(last, len(ids)))[0]  # (queries, last)
        mined = {row["id"]: [ids[i] for i in best[first - 1 :]] for row, best in zip(rows, ranked, strict=True)}
    pairs = []
    for row in rows:
        others = [id_ for id_ in mined.get(row["id"], []) if id_ not in row["relevant"]]
        for document in row["positives"]:
            number = draw(seed, "hard negative", row["id"], document)
            negative = others[number % len(others)] if others else None
            pairs.append(Pair(row["query"], document, frozenset(row["relevant"]), negative))
    if mined:  # the loss needs as many columns in every row
        pairs = [pair for pair in pairs if pair.negative is not None]
    return pairs


def train(
    retriever: Retriever, splits: dict[str, list[Row]], collection: list[Row], settings: Settings, device: str
) -> tuple[Any, list[dict[str, float]], dict[str, float]]:
    """Tune the encoder on splits["train"], keep the epoch with the best ndcg@10 on splits["validation"].

    On validation a query is answered from the documents that are relevant to some validation query.

    Raises:
        ParamsError: max_tokens exceeds the positions of the encoder, or no pair has a hard negative.

    Returns:
        The SentenceTransformer, the Trainer's log history, metrics.
    """
    config = AutoConfig.from_pretrained(retriever.encoder, local_files_only=True)
    model = load_encoder(Path(retriever.encoder), retriever.max_tokens, device, dropout_of(config, retriever))
    texts = {document["id"]: document_text(document, retriever.inputs) for document in collection}
    titles = {document["id"]: document["title"] for document in collection}
    pairs = make_pairs(splits["train"], texts, retriever, settings.seed, model)
    if not pairs:
        raise ParamsError(
            f"params.yaml: retrievers: hard_negative_ranks: {retriever.hard_negative_ranks} leave no pair with a hard "
            f"negative among {len(texts)} documents; lower the first rank"
        )
    documents = {"positive": [pair.document for pair in pairs]}
    if retriever.hard_negatives != "none":
        documents["negative"] = [str(pair.negative) for pair in pairs]
    columns = {"anchor": [pair.query for pair in pairs]} | {
        name: [
            _unlike(pair, texts[id_], titles[pair.document], titles[id_]) for pair, id_ in zip(pairs, ids, strict=True)
        ]
        for name, ids in documents.items()
    }
    loss = (
        MultipleNegativesRankingLoss(model, retriever.scale)
        if retriever.mini_batch_size is None
        else CachedMultipleNegativesRankingLoss(model, retriever.scale, mini_batch_size=retriever.mini_batch_size)
    )
    sampler = ConflictFreeBatches(pairs, retriever.batch_size, settings.seed)
    trainer = RetrieverTrainer(
        model=model,
        args=training_arguments(
            retriever,
            settings,
            SentenceTransformerTrainingArguments,
            weight_decay=retriever.weight_decay,
            eval_strategy="epoch",
            save_total_limit=2,  # the best and the newest
            load_best_model_at_end=True,
            metric_for_best_model=SCORE,
            greater_is_better=True,
        ),
        train_dataset=Dataset.from_dict(columns),
        evaluator=_evaluator(splits["validation"], texts, retriever.batch_size),
        loss=loss,
        callbacks=[EpochEnd(), *settings.trackers],
    )
    trainer.sampler = sampler
    trainer.train(resume_from_checkpoint=settings.resume_from)
    history = [{k.replace(f"eval_{SCORE}", "eval_score"): v for k, v in e.items()} for e in trainer.state.log_history]
    scores = [entry["eval_score"] for entry in history if "eval_score" in entry]
    metrics = {
        "validation_ndcg@10": max(scores),
        "best_epoch": scores.index(max(scores)) + 1,
        "epochs": len(scores),
        "steps": trainer.state.global_step,
        "pairs": len(pairs),
        "pairs_dropped_for_lack_of_a_hard_negative": sum(len(row["positives"]) for row in splits["train"]) - len(pairs),
        "pairs_left_out_in_first_epoch": len(pairs)
        - sum(map(len, ConflictFreeBatches(pairs, sampler.batch_size, sampler.seed))),
        "texts_cut": count_cut(model, [*(row["query"] for row in splits["train"]), *texts.values()]),
    }
    return model, history, metrics


def count_cut(model: Any, texts: list[str]) -> int:
    """How many texts are longer than the encoder reads."""
    encoded = model.tokenizer(texts, truncation=True, max_length=model.max_seq_length)
    return sum(bool(encoding.overflowing) for encoding in encoded.encodings)


def _unlike(pair: Pair, text: str, positive_title: str, title: str) -> str:
    """The text of a document, without its title where titles are the queries: it would give the answer away."""
    if pair.query != positive_title:
        return text
    title = title.rstrip(". ")
    return text.removeprefix(f"{title}. ").removesuffix(f". {title}")


def _evaluator(rows: list[Row], texts: dict[str, str], batch_size: int) -> InformationRetrievalEvaluator:
    relevant = {row["id"]: set(row["relevant"]) for row in rows}
    return InformationRetrievalEvaluator(
        queries={row["id"]: row["query"] for row in rows},
        corpus={id_: texts[id_] for id_ in sorted(set().union(*relevant.values()))},
        relevant_docs=relevant,
        batch_size=batch_size,
        name="validation",
        write_csv=False,
    )


def saver(model: Any) -> Any:
    """Its save_pretrained; the library's model card would quote training sentences."""
    return partial(model.save_pretrained, create_model_card=False)
