"""Citations and the entries of their bibliography, scored by a bi-encoder, by BM25, and by a weighted sum of both.

BM25 takes its word statistics from the bibliography that is ranked, so that it scores the same in evaluation and in an
answer, and a saved model needs no statistics.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from papertrail.core.artifacts import write_json
from papertrail.core.errors import DataError
from papertrail.core.records import Row
from papertrail.models.ranking import bm25_scores
from papertrail.models.sentence_encoder import Encode, embed, load_encoder

FILE = "linker.json"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Citation:
    """The context of a citation and the texts of the entries that it may cite."""

    context: str
    entries: tuple[str, ...]


def group_citations(rows: Sequence[Row], inputs: Sequence[str]) -> list[Citation]:
    """Return a citation per query; `inputs` are the columns of context and entry. Rows of a query are consecutive."""
    context, entry = inputs
    groups = (list(group) for _, group in groupby(rows, key=lambda row: row["query"]))
    return [Citation(group[0][context], tuple(row[entry] for row in group)) for group in groups]


def cosine_similarities(
    encoder: Any, citations: Sequence[Citation], batch_size: int, encode: Encode = embed
) -> list[Floats]:
    """Return the cosine similarity of each context and its entries, (entries,) per citation; a text is encoded once.

    For `encode` see `papertrail.models.linear.embed_texts`.
    """
    texts = list(dict.fromkeys(text for citation in citations for text in (citation.context, *citation.entries)))
    place = {text: number for number, text in enumerate(texts)}
    vectors = encode(encoder, texts, batch_size).astype(np.float64) if texts else np.empty((0, 0))
    return [
        vectors[[place[text] for text in citation.entries]] @ vectors[place[citation.context]] for citation in citations
    ]


def bm25_similarities(citations: Sequence[Citation]) -> list[Floats]:
    """Return the BM25 score of each entry for its context, (entries,) per citation; 0 if no entry has a word."""
    contexts: dict[tuple[str, ...], list[str]] = {}
    for citation in citations:
        contexts.setdefault(citation.entries, []).append(citation.context)
    scores = {entries: iter(_bm25(asked, entries)) for entries, asked in contexts.items()}
    return [next(scores[citation.entries]) for citation in citations]


def _bm25(contexts: Sequence[str], entries: Sequence[str]) -> Floats:
    try:
        return bm25_scores(contexts, entries)
    except DataError:  # no entry has a word that is not a stop word
        return np.zeros((len(contexts), len(entries)))


def standardise(scores: Floats) -> Floats:
    """Return scores with mean 0 and standard deviation 1; zeros if all are equal."""
    spread = scores.std()
    return (scores - scores.mean()) / spread if spread else np.zeros_like(scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion:
    """How the two similarities of an entry become its probability.

    Attributes:
        weight: Of the standardised cosine similarity; BM25, also standardised, has the rest. At 0 BM25 alone decides.
        temperature: Divides the weighted sum before the softmax over the entries.
    """

    weight: float
    temperature: float

    def probabilities(self, cosine: Sequence[Floats], bm25: Sequence[Floats]) -> list[Floats]:
        """Return the probability that each entry is the cited one, (entries,) per citation; they sum to 1."""
        return [softmax(scores / self.temperature) for scores in combine(cosine, bm25, self.weight)]

    def save(self, folder: str) -> None:
        """Write the values into the folder of a model."""
        write_json(asdict(self), Path(folder, FILE))


def combine(cosine: Sequence[Floats], bm25: Sequence[Floats], weight: float) -> list[Floats]:
    """Return the weighted sum of both standardised similarities, (entries,) per citation."""
    return [
        weight * standardise(of_encoder) + (1 - weight) * standardise(of_words)
        for of_encoder, of_words in zip(cosine, bm25, strict=True)
    ]


class LinkerNetwork(nn.Module):
    """An encoder and the fusion of its similarities with BM25."""

    def __init__(self, encoder: Any, fusion: Fusion) -> None:
        super().__init__()
        self.encoder = encoder
        self.fusion = fusion

    def probabilities(self, citations: Sequence[Citation], batch_size: int) -> list[Floats]:
        """Return the probability that each entry is the cited one, (entries,) per citation."""
        cosine = cosine_similarities(self.encoder, citations, batch_size)
        return self.fusion.probabilities(cosine, bm25_similarities(citations))


def load_linker(folder: Path, max_tokens: int, device: str) -> LinkerNetwork:
    """Load a saved linker.

    Raises:
        OSError: A file is missing.
        ValueError: linker.json is not JSON or has other keys.
    """
    values = json.loads((folder / FILE).read_text(encoding="utf-8"))
    try:
        fusion = Fusion(**values)
    except TypeError as error:
        raise ValueError(f"{FILE}: {error}") from None
    return LinkerNetwork(load_encoder(folder, max_tokens, device), fusion)
