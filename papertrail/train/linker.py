"""Fine-tuning of a bi-encoder that links citations to entries of a bibliography, and its fusion with BM25.

A batch has citations of one paper. Each must rank its entry above all other entries in the rows of the batch, which are
of the same bibliography. The epoch with the best MRR on validation is kept; epoch 0 is the base model, so a training
that does not help is not used. Then the fusion is fitted, see papertrail.train.linker_fusion.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainingArguments
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.base.sampler import DefaultBatchSampler
from transformers import AutoConfig

from papertrail.core.params import Linker
from papertrail.core.parquet import read_rows
from papertrail.core.randomness import draw
from papertrail.core.records import Row
from papertrail.core.runtime import device
from papertrail.data.prepared import split_file
from papertrail.models.linking import cosine_similarities
from papertrail.models.sentence_encoder import count_truncated, load_encoder
from papertrail.train.arguments import dropout_of, training_arguments
from papertrail.train.checkpoints import EpochEnd, Settings, run_trainer
from papertrail.train.kinds import Trained, with_base_model
from papertrail.train.linker_fusion import Validation, fit_fusion
from papertrail.train.ranking_loss import CandidateLoss
from papertrail.train.retriever import RetrieverTrainer, saver

SPLITS = ("train", "validation")
SCORE = "eval_score"


def input_files(model: Linker) -> list[Path]:
    """Return every file that the training reads."""
    return with_base_model(model.base_model, [split_file(model.task, model.dataset, split) for split in SPLITS])


def train(model: Linker, settings: Settings) -> Trained:
    """Train a linker on its data set.

    Raises:
        ParamsError: max_tokens exceeds the positions of the encoder.
        DataError: A validation query has no cited entry.
    """
    rows = {split: read_rows(split_file(model.task, model.dataset, split)).to_list() for split in SPLITS}
    return fit(model, rows, settings)


def fit(model: Linker, splits: Mapping[str, list[Row]], settings: Settings) -> Trained:
    """Train on splits["train"]; keep the epoch with the best MRR of the encoder on splits["validation"].

    Raises:
        ParamsError: max_tokens exceeds the positions of the encoder.
        DataError: A validation query has no cited entry.
    """
    config = AutoConfig.from_pretrained(model.base_model, local_files_only=True)
    load = partial(load_encoder, Path(model.base_model), model.max_tokens, device(settings.runtime))
    encoder = load(dropout_of(config, model))
    examples = make_examples(splits["train"], model.inputs)
    evaluator = LinkingEvaluator(Validation.of(splits["validation"], model.inputs), model.batch_size)
    untuned = cosine_similarities(encoder, *evaluator.arguments)
    trainer = _make_trainer(model, settings, encoder, examples, evaluator)
    run_trainer(trainer, settings)
    history = [{"epoch": 0.0, "step": 0, SCORE: evaluator.validation.mrr(untuned)}, *trainer.state.log_history]
    scores = [entry[SCORE] for entry in history if SCORE in entry]
    best = scores.index(max(scores))  # the first of equal epochs, so the base model if no epoch is better
    if best == 0:
        encoder = load()
    fusion, fitted = fit_fusion(evaluator.validation, cosine_similarities(encoder, *evaluator.arguments))
    metrics = {
        **fitted,
        "validation_mrr_untuned": scores[0],
        "validation_mrr_untuned_fusion": fit_fusion(evaluator.validation, untuned)[1]["validation_score"],
        "best_epoch": best,
        "epochs": len(scores) - 1,
        "steps": trainer.state.global_step,
        "queries": len(examples),
        "texts_cut": count_truncated(encoder, sorted({row[name] for row in splits["train"] for name in model.inputs})),
    }
    savers = (saver(encoder), fusion.save)
    return Trained(network=encoder, tokenizer=encoder.tokenizer, history=history, metrics=metrics, savers=savers)


def _make_trainer(
    model: Linker, settings: Settings, encoder: Any, examples: Sequence["Example"], evaluator: "LinkingEvaluator"
) -> RetrieverTrainer:
    arguments = training_arguments(
        model,
        settings,
        SentenceTransformerTrainingArguments,
        eval_strategy="epoch",
        save_total_limit=2,  # the best and the newest
        load_best_model_at_end=True,
        metric_for_best_model=SCORE,
        greater_is_better=True,
    )
    collator: Any = Collator(encoder, examples)
    trainer = RetrieverTrainer(
        model=encoder,
        args=arguments,
        train_dataset=Dataset.from_dict({"number": range(len(examples))}),
        data_collator=collator,
        evaluator=evaluator,
        loss=CandidateLoss(encoder, model.scale),
        callbacks=[EpochEnd(), *settings.trackers],
    )
    trainer.sampler = PaperBatches([example.paper for example in examples], model.batch_size, settings.seed)
    return trainer


@dataclass(frozen=True, slots=True)
class Example:
    """A citation with its cited entry and some others of the same bibliography."""

    paper: str
    context: str
    cited: str
    others: tuple[str, ...]


def make_examples(rows: Sequence[Row], inputs: Sequence[str]) -> list[Example]:
    """Return an example per query and cited entry; `inputs` are the columns of context and entry."""
    context, entry = inputs
    queries: dict[str, list[Row]] = {}
    for row in rows:
        queries.setdefault(row["query"], []).append(row)
    return [
        Example(row["paper"], row[context], row[entry], tuple(r[entry] for r in of_query if not r["label"]))
        for of_query in queries.values()
        for row in of_query
        if row["label"]
    ]


class PaperBatches(DefaultBatchSampler):
    """Batches of examples of one paper, in an order that is a function of (seed, epoch)."""

    def __init__(self, papers: Sequence[str], batch_size: int, seed: int) -> None:
        super().__init__(range(len(papers)), batch_size=batch_size, drop_last=False, seed=seed)
        self.of_paper: dict[str, list[int]] = {}
        for number, paper in enumerate(papers):
            self.of_paper.setdefault(paper, []).append(number)

    def __len__(self) -> int:
        return sum(-(-len(numbers) // self.batch_size) for numbers in self.of_paper.values())

    def __iter__(self) -> Iterator[list[int]]:
        batches = []
        for numbers in self.of_paper.values():
            shuffled = sorted(numbers, key=lambda number: self._draw("example", number))
            batches += [shuffled[i : i + self.batch_size] for i in range(0, len(shuffled), self.batch_size)]
        yield from sorted(batches, key=lambda batch: self._draw("batch", batch[0]))

    def _draw(self, what: str, number: int) -> int:
        return draw(self.seed, what, str(self.epoch), str(number))


class Collator:
    """Token batches of contexts, and of the entries of all examples without repetition."""

    valid_label_columns = ("label",)  # the library reads it

    def __init__(self, encoder: Any, examples: Sequence[Example]) -> None:
        self.encoder = encoder
        self.examples = examples

    def __call__(self, rows: Sequence[Mapping[str, int]]) -> dict[str, Any]:
        """Return the tokens of contexts and entries; `label` (contexts,) is the place of the cited entry."""
        examples = [self.examples[row["number"]] for row in rows]
        entries = list(dict.fromkeys(text for example in examples for text in (example.cited, *example.others)))
        batch = {"label": torch.tensor([entries.index(example.cited) for example in examples])}
        for name, texts in {"context": [example.context for example in examples], "entry": entries}.items():
            batch |= {f"{name}_{key}": value for key, value in self.encoder.preprocess(texts).items()}
        return batch


class LinkingEvaluator(BaseEvaluator):
    """MRR of the encoder on validation."""

    def __init__(self, validation: Validation, batch_size: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.primary_metric = "score"
        self.validation = validation
        self.batch_size = batch_size

    @property
    def arguments(self) -> tuple[Any, int]:
        """Citations and batch size, as `cosine_similarities` reads them."""
        return self.validation.citations, self.batch_size

    def __call__(self, model: Any, *_: Any, **__: Any) -> dict[str, float]:
        """Return {"score": MRR}; the Trainer calls this at the end of each epoch."""
        return {"score": self.validation.mrr(cosine_similarities(model, *self.arguments))}
