"""Papers in S2ORC's JSON form: title, abstract, paragraphs with spans, bibliography.

Source: Lo et al., 2020, "S2ORC: The Semantic Scholar Open Research Corpus"; the files are those of
https://github.com/allenai/s2orc-doc2json, one paper each.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sentencex import get_sentence_boundaries

from scholar.errors import DataError
from scholar.records import Counts


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of a paragraph. `target` is the id of what it refers to, None where unresolved."""

    start: int
    end: int
    target: str | None


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of body text with its citations and its references to figures and tables, in order of appearance."""

    section: str
    text: str
    citations: tuple[Span, ...]
    references: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a bibliography; `authors` are surnames."""

    id: str
    title: str
    year: int | None
    venue: str
    authors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper; its id is the name of its file, since the parser's own paper_id is cut at the first full stop."""

    id: str
    title: str
    abstract: str
    body: tuple[Paragraph, ...]
    bibliography: dict[str, Entry]


@lru_cache(maxsize=10_000)  # a bibliography is asked for by each of its citations
def normalise_title(title: str) -> str:
    """Lower case words and digits alone: what two printings of one title have in common."""
    return " ".join(re.findall(r"\w+", title.lower()))


def has_title(text: str, entry: Entry) -> bool:
    """Whether the words of the entry's title stand in the text."""
    title = normalise_title(entry.title)
    return bool(title) and f" {title} " in f" {normalise_title(text)} "


def has_author_and_year(text: str, entry: Entry) -> bool:
    """Whether the text cites the entry as authors do: its first author's surname, perhaps others, then the year."""
    if not entry.year or not entry.authors or not entry.authors[0]:
        return False
    others = r"(\s+et\s+al\.?|,?\s+(and|&)\s+\w+)?"
    return re.search(rf"\b{re.escape(entry.authors[0])}{others}[\s,(]*{entry.year}", text) is not None


def sentence_bounds(text: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """[start, end) of each sentence; two sentences whose border cuts a span [start, end) are one."""
    start = 0
    for boundary in get_sentence_boundaries("en", text):
        end = boundary["end_index"]
        if not any(first < end < last for first, last in spans):
            yield start, end
            start = end
    if start < len(text):
        yield start, len(text)


def read_papers(folder: Path, counts: Counts) -> list[Paper]:
    """All papers of a folder of JSON files, sorted by id.

    Spans that do not match their text, or name an entry that is not there, are dropped and counted.

    Raises:
        DataError: the folder holds no paper; a file is no JSON, has no body text, or lacks a field.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise DataError(f"{folder}: no *.json file; the source is empty or its folder has another name")
    return [_read_paper(file, counts) for file in files]


def _read_paper(file: Path, counts: Counts) -> Paper:
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        parse = raw["pdf_parse"]
        bibliography = {key: _read_entry(key, entry) for key, entry in parse["bib_entries"].items()}
        body = tuple(_read_paragraph(part, bibliography, parse["ref_entries"], counts) for part in parse["body_text"])
        paper = Paper(file.stem, _text(raw["title"] or ""), _text(raw["abstract"] or ""), body, bibliography)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: not valid JSON ({error}); fetch the source anew") from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{file}: not a paper in S2ORC form: {type(error).__name__} at {error}") from None
    if not body:
        raise DataError(f"{file}: pdf_parse.body_text has no paragraph; a paper without sections cannot be used")
    counts.read["papers"] += 1
    counts.read["papers without a bibliography"] += not bibliography
    counts.read["paragraphs"] += len(body)
    return paper


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a value that should be text: {value!r:.60}")
    return value


def _read_entry(key: str, raw: dict[str, Any]) -> Entry:
    year = int(raw["year"]) if raw["year"] else None  # the parser writes "" or null where it found none
    authors = tuple(_text(author["last"]) for author in raw["authors"])
    return Entry(key, " ".join(_text(raw["title"]).split()), year, _text(raw["venue"] or ""), authors)


def _read_paragraph(
    raw: dict[str, Any], bibliography: dict[str, Entry], floats: dict[str, Any], counts: Counts
) -> Paragraph:
    text = _text(raw["text"])
    citations = _read_spans(raw["cite_spans"], text, bibliography, "citation spans", counts)
    references = _read_spans(raw["ref_spans"], text, floats, "reference spans", counts)
    return Paragraph(raw["section"] or "", text, citations, references)


def _read_spans(
    spans: list[dict[str, Any]], text: str, targets: dict[str, Any], kind: str, counts: Counts
) -> tuple[Span, ...]:
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span["start"], span["end"])):
        counts.read[kind] += 1
        if text[span["start"] : span["end"]] != span["text"]:
            counts.dropped[f"{kind}: text differs from the paragraph's"] += 1
        elif kept and span["start"] < kept[-1].end:
            counts.dropped[f"{kind}: overlaps the one before"] += 1
        else:
            target = span["ref_id"] if span["ref_id"] in targets else None
            counts.read[f"{kind} without a target"] += target is None
            kept.append(Span(span["start"], span["end"], target))
    return tuple(kept)
