"""Fine-tuning of a sentence encoder for search, by sentence-transformers.

The loss is MultipleNegativesRankingLoss (Henderson et al. 2017): each query must rank its own document above the
documents of all other pairs of the batch, and above its hard negative if it has one. A batch has no text twice, and no
document that is relevant to another query of the batch, since the loss would count it as wrong.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import DefaultBatchSampler
from transformers import AutoConfig

from papertrail.core.errors import ParamsError
from papertrail.core.params import Retriever
from papertrail.core.parquet import read_rows
from papertrail.core.records import Row
from papertrail.core.runtime import device
from papertrail.data.prepared import collection_file, split_file
from papertrail.models.search_systems import UNVALIDATED, best_system, write_system
from papertrail.models.sentence_encoder import count_truncated, document_text, load_encoder
from papertrail.train.arguments import dropout_of, training_arguments
from papertrail.train.checkpoints import EpochEnd, Settings, run_trainer
from papertrail.train.kinds import Trained, with_base_model
from papertrail.train.query_pairs import ConflictFreeBatches, Pair, make_pairs
from papertrail.train.ranking_loss import CachedRankingLoss, RankingLoss
from papertrail.train.search_validation import HYBRID, MODEL, SearchEvaluator

SPLITS = ("train", "validation")


def input_files(model: Retriever) -> list[Path]:
    """Return every file that the training reads."""
    splits = (split_file(model.task, model.dataset, split) for split in SPLITS)
    return with_base_model(model.base_model, [*splits, collection_file(model.task, model.dataset)])


def train(model: Retriever, settings: Settings) -> Trained:
    """Train a retriever on its data set.

    Raises:
        ParamsError: max_tokens exceeds the positions of the encoder, or no pair has a hard negative.
    """
    splits = {split: read_rows(split_file(model.task, model.dataset, split)).to_list() for split in SPLITS}
    return fit(model, splits, read_rows(collection_file(model.task, model.dataset)).to_list(), settings)


def fit(model: Retriever, splits: Mapping[str, list[Row]], collection: list[Row], settings: Settings) -> Trained:
    """Train on splits["train"]; keep the weights with the best nDCG@10 on splits["validation"].

    These are the weights of an epoch, or the base model's (epoch 0) if no epoch is better. The retriever answers with
    the best of three systems on the same queries: the model, BM25 and their fusion. Without validation queries the
    weights of the last epoch are kept, and the retriever answers with UNVALIDATED. With 0 epochs nothing is trained.

    Raises:
        ParamsError: max_tokens exceeds the positions of the encoder, no pair has a hard negative, or there are epochs
            but no training query.
    """
    train, validation = splits["train"], splits["validation"]
    if model.epochs and not train:
        raise ParamsError(
            f"params.yaml: models: epochs: data set {model.dataset} has no training query; expected 0, which evaluates "
            f"the base model as it is (got {model.epochs})"
        )
    config = AutoConfig.from_pretrained(model.base_model, local_files_only=True)
    dropout = dropout_of(config, model)
    encoder = load_encoder(Path(model.base_model), model.max_tokens, device(settings.runtime), dropout)
    texts = {document["id"]: document_text(document, model.inputs) for document in collection}
    evaluator = SearchEvaluator(validation, texts, model, settings.seed) if validation else None
    untuned = evaluator(encoder) if evaluator else {}
    base = {key: weight.clone() for key, weight in encoder.state_dict().items()}
    log, counts = _train(encoder, model, train, collection, evaluator, settings) if model.epochs else ([], {"steps": 0})
    if evaluator:
        history = with_untuned(log, untuned)
        scores = summarize(history, evaluator.score(evaluator.bm25))
        if scores["best_epoch"] == 0:
            encoder.load_state_dict(base)
    else:
        history = log
        scores = {"answers_with": UNVALIDATED, "best_epoch": model.epochs, "epochs": model.epochs}
    texts_cut = count_truncated(encoder, [*(row["query"] for row in train), *texts.values()])
    metrics = {**scores, **counts, "texts_cut": texts_cut}
    savers = (saver(encoder), lambda folder: write_system(scores["answers_with"], Path(folder)))
    return Trained(network=encoder, tokenizer=encoder.tokenizer, history=history, metrics=metrics, savers=savers)


def _train(
    encoder: Any,
    model: Retriever,
    train: list[Row],
    collection: list[Row],
    evaluator: SearchEvaluator | None,
    settings: Settings,
) -> tuple[list[dict[str, float]], dict[str, int]]:
    """Train an encoder; return the log and the counts of steps and pairs."""
    texts = {document["id"]: document_text(document, model.inputs) for document in collection}
    pairs = make_pairs(train, texts, model, settings.seed, encoder)
    columns = _columns(pairs, texts, {row["id"]: row["title"] for row in collection})
    trainer = _make_trainer(encoder, model, columns, evaluator, settings)
    trainer.sampler = ConflictFreeBatches(pairs, model.batch_size, settings.seed)
    run_trainer(trainer, settings)
    counts = {"steps": trainer.state.global_step, **count_pairs(train, pairs, model, settings.seed)}
    return trainer.state.log_history, counts


class RetrieverTrainer(SentenceTransformerTrainer):
    """The library's trainer with the batches of `sampler`."""

    sampler: DefaultBatchSampler

    def get_batch_sampler(self, *_: Any, **__: Any) -> DefaultBatchSampler:
        """Return the sampler; the Trainer calls this when it builds its data loader."""
        return self.sampler

    def _load_best_model(self) -> None:
        """Load the best checkpoint; unlike in the library, an unreadable checkpoint is an error."""
        self._load_from_checkpoint(str(self.state.best_model_checkpoint))

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:  # type: ignore[override]
        encoder = SentenceTransformer(checkpoint_path, device="cpu", local_files_only=True)
        self.model.load_state_dict(encoder.state_dict())


def _make_trainer(
    encoder: Any, model: Retriever, columns: dict[str, list[str]], evaluator: SearchEvaluator | None, settings: Settings
) -> RetrieverTrainer:
    """Return the trainer of an encoder; without evaluator it keeps the weights of the last epoch."""
    arguments = training_arguments(
        model,
        settings,
        SentenceTransformerTrainingArguments,
        eval_strategy="epoch" if evaluator else "no",
        save_total_limit=2,  # the best and the newest
        load_best_model_at_end=evaluator is not None,
        metric_for_best_model=MODEL,
        greater_is_better=True,
    )
    return RetrieverTrainer(
        model=encoder,
        args=arguments,
        train_dataset=Dataset.from_dict(columns),
        evaluator=evaluator,
        loss=_loss(encoder, model),
        callbacks=[EpochEnd(), *settings.trackers],
    )


def _columns(pairs: list[Pair], texts: dict[str, str], titles: dict[str, str]) -> dict[str, list[str]]:
    """Return the columns of the training set: anchor, positive and, if pairs have them, negative."""
    documents = {"positive": [pair.document for pair in pairs]}
    if pairs[0].negative is not None:  # all pairs have one, or none
        documents["negative"] = [str(pair.negative) for pair in pairs]
    return {"anchor": [pair.query for pair in pairs]} | {
        column: [
            _without_query(pair, texts[id_], titles[pair.document], titles[id_])
            for pair, id_ in zip(pairs, ids, strict=True)
        ]
        for column, ids in documents.items()
    }


def _without_query(pair: Pair, text: str, positive_title: str, title: str) -> str:
    """Return the text of a document; without its title if the query is a title, which would be label leakage."""
    if pair.query != positive_title:
        return text
    title = title.rstrip(". ")
    return text.removeprefix(f"{title}. ").removesuffix(f". {title}")


def _loss(encoder: Any, model: Retriever) -> Any:
    if model.mini_batch_size is None:
        return RankingLoss(encoder, model.scale)
    return CachedRankingLoss(encoder, model.scale, mini_batch_size=model.mini_batch_size)


def summarize(history: list[dict[str, float]], bm25: float) -> dict[str, Any]:
    """Return the scores of the systems on validation, the best of them, and the epoch of the model (0 is untuned).

    Args:
        history: Log entries; those of an evaluation have the scores of model and hybrid, the first untuned.
        bm25: nDCG@10 of BM25.
    """
    epochs = [entry for entry in history if "eval_score" in entry]
    scores = [entry["eval_score"] for entry in epochs]
    best = scores.index(max(scores))
    systems = {"model": scores[best], "bm25": bm25, "hybrid": epochs[best][f"eval_{HYBRID}"]}
    winner = best_system(systems)
    return {
        "validation_score": systems[winner],
        "answers_with": winner,
        "validation": {system: {"ndcg@10": score} for system, score in {**systems, "untuned": scores[0]}.items()},
        "best_epoch": best,
        "epochs": len(scores) - 1,
    }


def with_untuned(history: list[dict[str, float]], untuned: dict[str, float]) -> list[dict[str, float]]:
    """Return the log entries after one for the scores of the untuned model; that of the model is `eval_score`."""
    start = {"epoch": 0.0, "step": 0.0, **{f"eval_{name}": score for name, score in untuned.items()}}
    return [{k.replace(f"eval_{MODEL}", "eval_score"): v for k, v in e.items()} for e in [start, *history]]


def count_pairs(rows: list[Row], pairs: list[Pair], model: Retriever, seed: int) -> dict[str, int]:
    """Return how many pairs of the training queries there are, and how many were dropped, by reason."""
    every = [len(row["positives"]) for row in rows]
    drawn = sum(min(count, model.positives_per_query or count) for count in every)
    first_epoch = ConflictFreeBatches(pairs, model.batch_size, seed)
    return {
        "pairs": len(pairs),
        "pairs_not_drawn": sum(every) - drawn,
        "pairs_dropped_for_lack_of_a_hard_negative": drawn - len(pairs),
        "pairs_left_out_in_first_epoch": len(pairs) - sum(map(len, first_epoch)),
    }


def saver(encoder: Any) -> Any:
    """Return save_pretrained without the library's model card, which would quote training sentences."""
    return partial(encoder.save_pretrained, create_model_card=False)
