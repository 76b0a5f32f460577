"""Extractors: summaries of whole sentences, chosen by a score of each and by how much they repeat each other.

A saved extractor is a folder: model.safetensors (the ridge regression, float64), extractor.json (its settings and the
names of its features) and encoder/ (a copy of the encoder that embeds sentences).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import load_file, save
from torch import nn

from papertrail.core.artifacts import write_json
from papertrail.core.errors import DataError
from papertrail.core.records import Row
from papertrail.data.text import count_words
from papertrail.models.extracts import Floats
from papertrail.models.sentence_encoder import embed, load_encoder
from papertrail.models.sentence_features import FEATURES, Described, describe

SETTINGS, WEIGHTS, ENCODER = "extractor.json", "model.safetensors", "encoder"
Method = Literal["ridge", "lexrank", "lead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ridge:
    """A ridge regression over standardised features, each (features,); a higher score is a better sentence."""

    means: Floats
    scales: Floats
    weights: Floats

    def score(self, features: Floats) -> Floats:
        """Return a score per sentence, (sentences,); features: (sentences, features)."""
        scores: Floats = ((features - self.means) / self.scales) @ self.weights
        return scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """How sentences are chosen.

    Attributes:
        method: What scores them: the regression, LexRank, or their order (lead).
        words: Maximum number of words of a summary; a single sentence may have more.
        min_words: Shorter sentences, such as headings and formulas, are not chosen, unless all are shorter.
        trade_off: Of maximal marginal relevance: 1 ignores what is repeated, 0 ignores the scores.
    """

    method: Method
    words: int
    min_words: int
    trade_off: float


class SentenceExtractor(nn.Module):
    """A fitted extractor: encoder, regression and selection; sentences are embedded up to `max_tokens`."""

    def __init__(self, encoder: Any, ridge: Ridge, selection: Selection, max_tokens: int) -> None:
        super().__init__()
        self.encoder, self.ridge, self.selection, self.max_tokens = encoder, ridge, selection, max_tokens

    def extract(self, papers: Sequence[Row], batch_size: int) -> list[list[int]]:
        """Return the positions of the chosen sentences of each paper, in the order of its source.

        Args:
            papers: Rows with `source`, at least one sentence, and `title`, "" if it is unknown.
            batch_size: Sentences embedded at a time.
        """
        found = describe_papers(self.encoder, papers, batch_size)
        return [
            choose_sentences(self.selection, self.ridge, paper["source"], described)
            for paper, described in zip(papers, found, strict=True)
        ]

    def save(self, folder: str) -> None:
        """Write the extractor into a folder."""
        Path(folder, WEIGHTS).write_bytes(save(asdict(self.ridge)))  # save_file would make it private to its owner
        settings = {**asdict(self.selection), "max_tokens": self.max_tokens, "features": list(FEATURES)}
        write_json(settings, Path(folder, SETTINGS))
        self.encoder.save_pretrained(str(Path(folder, ENCODER)), create_model_card=False)


def load_extractor(folder: Path, device: str) -> SentenceExtractor:
    """Load a saved extractor.

    Raises:
        DataError: It was fitted on other features than this code computes.
        OSError, ValueError, SafetensorError: A file is missing or broken.
    """
    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    if settings.pop("features") != list(FEATURES):
        raise DataError(f"{folder / SETTINGS}: other features than this code has; `dvc repro` trains it again")
    max_tokens = settings.pop("max_tokens")
    encoder = load_encoder(folder / ENCODER, max_tokens, device)
    return SentenceExtractor(encoder, Ridge(**load_file(folder / WEIGHTS)), Selection(**settings), max_tokens)


def describe_papers(encoder: Any, papers: Sequence[Row], batch_size: int) -> list[Described]:
    """Return the features of the sentences of each paper; all are embedded together, with the titles."""
    texts = [text for paper in papers for text in (*paper["source"], paper["title"])]
    vectors = embed(encoder, texts, batch_size)
    ends = np.cumsum([len(paper["source"]) + 1 for paper in papers])
    return [
        describe(paper["source"], paper["title"], own)
        for paper, own in zip(papers, np.split(vectors, ends[:-1]), strict=True)
    ]


def score_sentences(method: Method, ridge: Ridge, features: Floats) -> Floats:
    """Return the score of each sentence by a method, (sentences,)."""
    if method == "ridge":
        return ridge.score(features)
    column = features[:, list(FEATURES).index("lexrank" if method == "lexrank" else "position")]
    return column if method == "lexrank" else -column


def choose_sentences(selection: Selection, ridge: Ridge, source: Sequence[str], described: Described) -> list[int]:
    """Return the positions of the chosen sentences, in the order of the source, at least one."""
    scores = score_sentences(selection.method, ridge, described.features)
    lengths = [count_words(sentence) for sentence in source]
    return select(scores, described.cosines, lengths, selection)


def select(scores: Floats, cosines: Floats, lengths: Sequence[int], selection: Selection) -> list[int]:
    """Return positions by maximal marginal relevance, sorted; sentences that do not fit any more are skipped.

    The next sentence has the highest trade_off * score - (1 - trade_off) * cosine, with scores scaled to [0, 1] and the
    highest cosine with a chosen sentence; of equals the first.

    Args:
        scores: Of the sentences, (sentences,), at least one.
        cosines: Of each two sentences, (sentences, sentences).
        lengths: Words of each.
        selection: Word budget, minimum and trade-off; its method is not used.

    Source: Carbonell and Goldstein 1998, The Use of MMR.
    """
    scaled = (scores - scores.min()) / (np.ptp(scores) or 1.0)
    repeated = np.zeros(len(scores))
    long_enough = np.array(lengths) >= selection.min_words
    free = long_enough if long_enough.any() else ~long_enough
    chosen: list[int] = []
    words = 0
    while free.any():
        marginal = selection.trade_off * scaled - (1 - selection.trade_off) * repeated
        best = int(np.argmax(np.where(free, marginal, -np.inf)))
        free[best] = False
        if chosen and words + lengths[best] > selection.words:
            continue
        chosen.append(best)
        words += lengths[best]
        repeated = np.maximum(repeated, cosines[best])
    return sorted(chosen)


def join(source: Sequence[str], positions: Sequence[int]) -> str:
    """Return the sentences at some positions as a text."""
    return " ".join(source[i] for i in positions)
