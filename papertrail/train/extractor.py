"""Fitting of extractors: a ridge regression over sentence features, and the choice of everything else on validation.

Candidates are scored by the mean ROUGE-L of the validation papers, in two steps. First each target of the regression,
each strength, with and without titles, at the mean length of a reference and without regard to repetition. Then the
best regression, LexRank and the first sentences, each with every length and trade-off. The best of all is the model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from statistics import mean

import numpy as np

from papertrail.core.params import Extractor
from papertrail.core.parquet import read_rows
from papertrail.core.records import Row
from papertrail.core.runtime import device
from papertrail.data.prepared import split_file
from papertrail.metrics.rouge import ROUGE, mean_words, references_of, score_summary, scorer
from papertrail.models.extractor import (
    Method,
    Ridge,
    Selection,
    SentenceExtractor,
    choose_sentences,
    describe_papers,
)
from papertrail.models.extracts import Floats, oracle_positions
from papertrail.models.sentence_encoder import load_encoder
from papertrail.models.sentence_features import Described, without_title
from papertrail.train.checkpoints import Settings
from papertrail.train.kinds import Trained, with_base_model

SPLITS = ("train", "validation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A possible model: its name in the metrics, its regression and how it chooses sentences."""

    name: str
    ridge: Ridge
    selection: Selection


@dataclass(slots=True)
class Validation:
    """The validation papers and the mean ROUGE-L of every candidate that was scored.

    Attributes:
        papers, described: The papers and the features of their sentences.
        scores: Name of a candidate -> its score.
        known: (paper, positions) -> ROUGE-L, because candidates often choose the same sentences.
    """

    papers: Sequence[Row]
    described: Sequence[Described]
    scores: dict[str, float] = field(default_factory=dict)
    known: dict[tuple[int, tuple[int, ...]], float] = field(default_factory=dict)

    def score(self, candidate: Candidate) -> float:
        """Return the mean ROUGE-L of a candidate, and keep it under its name."""
        found = [
            self._score_paper(number, choose_sentences(candidate.selection, candidate.ridge, paper["source"], own))
            for number, (paper, own) in enumerate(zip(self.papers, self.described, strict=True))
        ]
        self.scores[candidate.name] = mean(found)
        return self.scores[candidate.name]

    def _score_paper(self, number: int, positions: list[int]) -> float:
        key = (number, tuple(positions))
        if key not in self.known:
            paper = self.papers[number]
            sentences = [paper["source"][i] for i in positions]
            if len(references_of(paper)) > 1:
                self.known[key] = score_summary(paper, " ".join(sentences))["rougeL"]
            else:
                score = scorer(("rougeL",)).score("\n".join(paper["target"]), "\n".join(sentences))
                self.known[key] = float(score["rougeL"].fmeasure)
        return self.known[key]


def input_files(model: Extractor) -> list[Path]:
    """Return every file that the training reads."""
    return with_base_model(model.base_model, (split_file(model.task, model.dataset, split) for split in SPLITS))


def train(model: Extractor, settings: Settings) -> Trained:
    """Fit an extractor on its data set; see the module.

    Raises:
        ParamsError: max_tokens exceeds the positions of the base model.
    """
    train_rows, rows = (read_rows(split_file(model.task, model.dataset, split)).to_list() for split in SPLITS)
    encoder = load_encoder(Path(model.base_model), model.max_tokens, device(settings.runtime)).eval()
    described = describe_papers(encoder, train_rows, model.batch_size)
    words = mean_words([row["target"] for row in train_rows])
    validation = Validation(rows, describe_papers(encoder, rows, model.batch_size))
    best = search(model, _ridges(model, train_rows, described, words), words, validation)
    extractor = SentenceExtractor(encoder, best.ridge, best.selection, model.max_tokens)
    score = validation.scores[best.name]
    untitled = Validation(rows, [without_title(own) for own in validation.described])
    metrics = {
        "validation_score": score,
        "validation_score_without_title": untitled.score(best),
        "chosen": best.name,
        "method": best.selection.method,
        "words": best.selection.words,
        "train_papers": len(train_rows),
        "train_sentences": sum(len(row["source"]) for row in train_rows),
        "validation_papers": len(rows),
        "candidates": validation.scores,
    }
    history = [{"epoch": 1.0, "eval_score": score}]
    return Trained(
        network=extractor, tokenizer=encoder.tokenizer, history=history, metrics=metrics, savers=(extractor.save,)
    )


def search(model: Extractor, ridges: Mapping[str, Ridge], words: int, validation: Validation) -> Candidate:
    """Return the best candidate on validation, the first of equals.

    Args:
        model: Lengths and trade-offs to try.
        ridges: Name -> fitted regression.
        words: Mean number of words of a training reference, which the lengths multiply.
        validation: Gets the score of every candidate.
    """
    first = [
        Candidate(
            name=name,
            ridge=ridge,
            selection=Selection(method="ridge", words=words, min_words=model.min_words, trade_off=1.0),
        )
        for name, ridge in ridges.items()
    ]
    best = max(first, key=validation.score)
    tried = [best, *_grid(model, best, words)]
    return max(tried, key=validation.score)


def _grid(model: Extractor, best: Candidate, words: int) -> Iterator[Candidate]:
    """Yield the best regression, LexRank and the first sentences with each length and trade-off."""
    methods: tuple[Method, ...] = ("ridge", "lexrank", "lead")
    for method, factor, trade_off in product(methods, model.lengths, model.trade_offs):
        selection = replace(best.selection, method=method, words=round(factor * words), trade_off=trade_off)
        name = best.name if method == "ridge" else method
        yield Candidate(
            name=f"{name}, {selection.words} words, trade-off {trade_off}", ridge=best.ridge, selection=selection
        )


def _ridges(model: Extractor, rows: Sequence[Row], described: Sequence[Described], words: int) -> dict[str, Ridge]:
    """Return name -> regression of each target, with each strength, with and without titles."""
    values = {target: np.concatenate([TARGETS[target](row, words) for row in rows]) for target in model.targets}
    ridges = {}
    for titles in model.titles:
        used = described if titles else [without_title(own) for own in described]
        features = np.concatenate([own.features for own in used])
        for target, strength in product(model.targets, model.strengths):
            name = f"ridge {strength:g} on {target}{'' if titles else ', no title'}"
            ridges[name] = fit_ridge(features, values[target], strength)
    return ridges


def fit_ridge(features: Floats, values: Floats, strength: float) -> Ridge:
    """Fit a ridge regression over standardised features; a constant feature has the weight 0.

    Args:
        features: (sentences, features).
        values: What to predict, (sentences,).
        strength: Factor of the squared weights in the loss.
    """
    means, scales = features.mean(axis=0), features.std(axis=0)
    scales = np.where(scales > 0, scales, 1.0)
    scaled = (features - means) / scales
    penalty = strength * np.eye(features.shape[1])
    weights = np.linalg.solve(scaled.T @ scaled + penalty, scaled.T @ (values - values.mean()))
    return Ridge(means=means, scales=scales, weights=weights)


def _gains(row: Row, words: int) -> Floats:
    """Return rouge1 + rouge2 of each sentence with the reference; F-measures."""
    rouge, target = scorer(ROUGE[:2]), "\n".join(row["target"])
    return np.array(
        [sum(score.fmeasure for score in rouge.score(target, sentence).values()) for sentence in row["source"]]
    )


def _in_oracle(row: Row, words: int) -> Floats:
    """Return 1 for the sentences that the oracle chooses with that many words, 0 for the others."""
    chosen = oracle_positions(row["source"], row["target"], words)
    return np.isin(np.arange(len(row["source"])), chosen).astype(np.float64)


TARGETS = {"gain": _gains, "oracle": _in_oracle}
