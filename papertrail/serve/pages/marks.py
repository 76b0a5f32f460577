"""Texts as pages show them: split at mentions or into sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from papertrail.data.text import sentence_bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a text; `type` is None outside mentions."""

    text: str
    type: str | None
    probability: float


def mark(text: str, mentions: Sequence[dict[str, Any]]) -> list[Piece]:
    """Split a text at its mentions {"start", "end", "type", "probability"}, which must not overlap."""
    pieces = []
    last = 0
    for mention in sorted(mentions, key=lambda mention: mention["start"]):
        start, end = mention["start"], mention["end"]
        pieces.append(Piece(text=text[last:start], type=None, probability=0.0))
        pieces.append(Piece(text=text[start:end], type=mention["type"], probability=mention["probability"]))
        last = end
    pieces.append(Piece(text=text[last:], type=None, probability=0.0))
    return [piece for piece in pieces if piece.text]


def list_types(answers: Sequence[dict[str, Any]]) -> list[str]:
    """Return the types of the mentions of some answers, sorted."""
    return sorted({mention["type"] for answer in answers for mention in answer["entities"]})


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text, split as in training; those without a letter or digit are left out."""
    sentences = (text[start:end].strip() for start, end in sentence_bounds(text, []))
    return [sentence for sentence in sentences if any(character.isalnum() for character in sentence)]
