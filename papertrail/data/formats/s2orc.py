"""Papers in S2ORC's JSON form and its relatives: title, abstract, paragraphs with spans, bibliography.

`read_papers` reads the papers of a data source. It refuses a paper of doc2json that lacks a field which that parser
always writes, because the file is damaged. `parse_paper` reads a user's paper, in which most fields are optional. Both
accept the forms of papertrail.data.formats.paper_forms, drop and count bad spans, and normalise text to NFC.

Source: Lo et al., 2020, "S2ORC: The Semantic Scholar Open Research Corpus"; files as written by
https://github.com/allenai/s2orc-doc2json.
"""

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from papertrail.core.errors import DataError
from papertrail.core.records import Counts
from papertrail.data.formats.paper_forms import is_paper, unify
from papertrail.data.formats.tei import read_tei
from papertrail.data.formats.text import parse_json, read_lines
from papertrail.data.text import find_year

Json = dict[str, Any]
FILES = ("*.json", "*.json.gz", "*.jsonl", "*.jsonl.gz", "*.xml", "*.xml.gz")
KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a string"}  # in messages
UNREADABLE = {"start": 0, "end": 0, "text": None, "ref_id": None}  # a span that is dropped, as no text equals None


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of a paragraph; `target` is the id of an entry, figure or table, None if unresolved."""

    start: int
    end: int
    target: str | None


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of body text with its citations and its references to figures and tables, each in text order."""

    section: str
    text: str
    citations: tuple[Span, ...]
    references: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a bibliography; `authors` are surnames. The parser writes no `abstract`; users' files may."""

    id: str
    title: str
    year: int | None
    venue: str
    authors: tuple[str, ...]
    abstract: str = ""


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper. Its id is the name of its file: the parser's own paper_id ends at the first full stop."""

    id: str
    title: str
    abstract: str
    body: tuple[Paragraph, ...]
    bibliography: dict[str, Entry]


def read_papers(folder: Path, counts: Counts) -> list[Paper]:
    """Return all papers of a folder of JSON, JSON lines and TEI files, also with gzip, sorted by id.

    Spans that do not match their text are dropped and counted; a span of an unknown entry has no target. A line of
    JSON lines without body text is dropped and counted: releases of S2ORC have such lines.

    Raises:
        DataError: The folder has no paper; a file is not JSON or XML, has no body text, or is in no known form.
    """
    files = sorted(file for pattern in FILES for file in folder.glob(pattern))
    if not files:
        raise DataError(f"{folder}: no *.json file; the source is empty or its folder has another name")
    papers = [paper for file in files for paper in _read_file(file, counts)]
    if not papers:
        raise DataError(f"{folder}: no paper with body text; dropped: {dict(counts.dropped)}")
    for paper in papers:
        counts.read["papers"] += 1
        counts.read["papers without a bibliography"] += not paper.bibliography
        counts.read["paragraphs"] += len(paper.body)
    return sorted(papers, key=lambda paper: paper.id)


def _read_file(file: Path, counts: Counts) -> Iterator[Paper]:
    name = file.name.removesuffix(".gz")
    if name.endswith(".jsonl"):
        for number, line in enumerate(read_lines(file), start=1):
            if line.strip():
                raw = parse_json(line, file, number)
                id_ = next((str(raw[key]) for key in ("paper_id", "corpusid") if key in raw), f"{name}:{number}")
                paper = _read_paper(raw, id_, f"{file}:{number}", counts)
                if paper.body:
                    yield paper
                else:
                    counts.dropped["papers: no body text"] += 1
        return
    id_ = name.removesuffix(".json").removesuffix(".xml").removesuffix(".tei").removesuffix(".grobid")
    try:
        content = "".join(read_lines(file)) if file.suffix == ".gz" else file.read_text(encoding="utf-8-sig")
        raw = read_tei(content, str(file)) if name.endswith(".xml") else json.loads(content)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{file}: not valid JSON ({error}); fetch the source again") from None
    paper = _read_paper(raw, id_, str(file), counts)
    if not paper.body:
        raise DataError(f"{file}: pdf_parse.body_text has no paragraph; a paper without sections cannot be used")
    yield paper


def _read_paper(raw: Any, id_: str, place: str, counts: Counts) -> Paper:
    try:
        if isinstance(raw, dict) and "pdf_parse" not in raw and is_paper(raw):
            return parse_paper(raw, id_, counts)
        return _make_paper(raw, id_, counts)
    except DataError as error:
        raise DataError(f"{place}: not a paper in S2ORC form: {error}") from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{place}: not a paper in S2ORC form: {type(error).__name__} at {error}") from None


def parse_paper(raw: Json, id_: str, counts: Counts) -> Paper:
    """Return the paper in a user's JSON, in any form of papertrail.data.formats.paper_forms.

    Only the body text, such as `pdf_parse.body_text`, and the text of each paragraph are required. Spans that are
    malformed, outside the text, overlapping or different from their text are dropped and counted.

    Args:
        raw: The decoded JSON.
        id_: Id of the paper, also its place in messages, such as the name of its file.
        counts: Receives the numbers of spans read and dropped.

    Raises:
        DataError: A required field is missing, or a field has another type; the message has its dotted name.
    """
    if not isinstance(raw, dict):
        raise _wrong_kind(id_, dict, raw)
    unified, name = unify(raw, counts)
    parse = _take(unified, "pdf_parse", dict, f"{id_}: ")
    place = f"{id_}: {name}." if name else f"{id_}: "
    body = _take(parse, "body_text", list, place)
    completed = {
        "title": _take(unified, "title", str, f"{id_}: ", ""),
        "abstract": unified["abstract"],
        "pdf_parse": {
            "bib_entries": _complete_entries(_take(parse, "bib_entries", dict, place, {}), f"{place}bib_entries"),
            "ref_entries": _take(parse, "ref_entries", dict, place, {}),
            "body_text": [_complete_paragraph(part, f"{place}body_text.{n}.") for n, part in enumerate(body)],
        },
    }
    return _make_paper(completed, id_, counts)


def parse_entries(raw: Json, place: str) -> dict[str, Entry]:
    """Return the bibliography in a user's `bib_entries`.

    Args:
        raw: Id -> {"title", "abstract", "year", "venue", "authors"}, all of them optional.
        place: File and dotted name, for messages.

    Raises:
        DataError: An entry is not an object, or one of its fields has another type.
    """
    return {key: _read_entry(key, entry) for key, entry in _complete_entries(raw, place).items()}


def _take(raw: Any, name: str, kind: type, prefix: str, default: Any = None) -> Any:
    """Return a field of a user's JSON, or the default if it is missing or null.

    Raises:
        DataError: It is of another kind, or missing without a default.
    """
    if not isinstance(raw, dict):
        raise _wrong_kind(prefix.rstrip(".: "), dict, raw)
    value = default if raw.get(name) is None else raw[name]
    if not isinstance(value, kind):
        raise _wrong_kind(f"{prefix}{name}", kind, value)
    return value


def _wrong_kind(place: str, kind: type, value: Any) -> DataError:
    found = "nothing" if value is None else f"{json.dumps(value, ensure_ascii=False):.60}"
    return DataError(f"{place}: expected {KINDS[kind]}, got {found}")


def _complete_entries(raw: Json, place: str) -> dict[str, Json]:
    """Return entries with every field that the parser writes."""
    completed = {}
    for key, entry in raw.items():
        prefix = f"{place}.{key}."
        authors = _take(entry, "authors", list, prefix, [])
        surnames = [author.get("last") for author in authors if isinstance(author, dict)]
        completed[key] = {
            "title": _take(entry, "title", str, prefix, ""),
            "abstract": entry.get("abstract"),
            "year": find_year(entry.get("year")),
            "venue": _take(entry, "venue", str, prefix, ""),
            "authors": [{"last": surname} for surname in surnames if isinstance(surname, str)],
        }
    return completed


def _complete_paragraph(raw: Any, prefix: str) -> Json:
    """Return a paragraph with every field that the parser writes."""
    text = _take(raw, "text", str, prefix)
    return {
        "text": text,
        "section": _take(raw, "section", str, prefix, ""),
        "cite_spans": _take(raw, "cite_spans", list, prefix, []),
        "ref_spans": _take(raw, "ref_spans", list, prefix, []),
    }


def _complete_span(raw: Any, text: str) -> Json:
    """Return a span with every field that the parser writes; UNREADABLE if it is malformed or outside the text."""
    start, end = (raw.get(name) if isinstance(raw, dict) else None for name in ("start", "end"))
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(text):
        return UNREADABLE
    own, target = raw.get("text"), raw.get("ref_id")
    return {
        "start": start,
        "end": end,
        "text": own if isinstance(own, str) else text[start:end],
        "ref_id": target if isinstance(target, str) else None,
    }


def _make_paper(raw: Json, id_: str, counts: Counts) -> Paper:
    """Return the paper of complete JSON.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: A field is missing or has another type.
    """
    parse = raw["pdf_parse"]
    bibliography = {key: _read_entry(key, entry) for key, entry in parse["bib_entries"].items()}
    body = tuple(_read_paragraph(part, bibliography, parse["ref_entries"], counts) for part in parse["body_text"])
    return Paper(id_, _text(raw["title"] or ""), _text(raw["abstract"] or ""), body, bibliography)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a value that should be text: {value!r:.60}")
    return value


def _read_entry(key: str, raw: Json) -> Entry:
    year = int(raw["year"]) if raw["year"] else None  # the parser writes "" or null for an unknown year
    authors = tuple(_text(author["last"]) for author in raw["authors"])
    title = " ".join(_text(raw["title"]).split())
    abstract = raw.get("abstract")
    abstract = " ".join(abstract.split()) if isinstance(abstract, str) else ""
    return Entry(key, to_nfc(title), year, _text(raw["venue"] or ""), authors, to_nfc(abstract))


def _read_paragraph(raw: Json, bibliography: dict[str, Entry], floats: Json, counts: Counts) -> Paragraph:
    text = _text(raw["text"])
    citations = _read_spans(raw["cite_spans"], text, bibliography, "citation spans", counts)
    references = _read_spans(raw["ref_spans"], text, floats, "reference spans", counts)
    if not unicodedata.is_normalized("NFC", text):
        citations, references = _move(citations, text), _move(references, text)
    return Paragraph(raw["section"] or "", to_nfc(text), citations, references)


def to_nfc(text: str) -> str:
    """Return a text in Unicode normal form C: letters with accents are one character."""
    return unicodedata.normalize("NFC", text)


def _move(spans: tuple[Span, ...], text: str) -> tuple[Span, ...]:
    """Return spans of a text as spans of the normalised text; those without a character are left out."""
    moved = [Span(len(to_nfc(text[: span.start])), len(to_nfc(text[: span.end])), span.target) for span in spans]
    return tuple(span for span in moved if span.start < span.end)


def _read_spans(spans: list[Any], text: str, targets: Json, kind: str, counts: Counts) -> tuple[Span, ...]:
    kept: list[Span] = []
    complete = [_complete_span(span, text) for span in spans]
    for span in sorted(complete, key=lambda span: (span["start"], span["end"])):
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
