"""A text cut where something stands in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of a text; without a type nothing is marked there."""

    text: str
    type: str | None
    probability: float


def mark(text: str, mentions: Sequence[dict[str, Any]]) -> list[Piece]:
    """The whole text in pieces, by mentions {"start", "end", "type", "probability"} that do not overlap."""
    pieces = []
    last = 0
    for mention in sorted(mentions, key=lambda mention: mention["start"]):
        start, end = mention["start"], mention["end"]
        pieces.append(Piece(text=text[last:start], type=None, probability=0.0))
        pieces.append(Piece(text=text[start:end], type=mention["type"], probability=mention["probability"]))
        last = end
    pieces.append(Piece(text=text[last:], type=None, probability=0.0))
    return [piece for piece in pieces if piece.text]


def split_sentences(text: str) -> list[str]:
    """Its sentences, split as in training; pieces without a letter or digit are left out."""
    from scholar.corpora.s2orc import sentence_bounds  # with libraries that read the caps when they are loaded

    sentences = (text[start:end].strip() for start, end in sentence_bounds(text, []))
    return [sentence for sentence in sentences if any(character.isalnum() for character in sentence)]
