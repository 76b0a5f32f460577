"""Papers in S2ORC's JSON form: title, abstract, paragraphs with spans, bibliography.

`read_papers` reads the papers of a data source and refuses a paper that lacks a field. `parse_paper` reads a user's
paper, in which most fields are optional.

Source: Lo et al., 2020, "S2ORC: The Semantic Scholar Open Research Corpus"; files as written by
https://github.com/allenai/s2orc-doc2json, one paper each.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from papertrail.core.errors import DataError
from papertrail.core.records import Counts
from papertrail.data.text import find_year

Json = dict[str, Any]
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
    """Return all papers of a folder of JSON files, sorted by id.

    Spans that do not match their text are dropped and counted; a span of an unknown entry has no target.

    Raises:
        DataError: The folder has no paper; a file is not JSON, has no body text, or lacks a field.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise DataError(f"{folder}: no *.json file; the source is empty or its folder has another name")
    return [_read_paper(file, counts) for file in files]


def _read_paper(file: Path, counts: Counts) -> Paper:
    try:
        paper = _make_paper(json.loads(file.read_text(encoding="utf-8")), file.stem, counts)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: not valid JSON ({error}); fetch the source again") from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{file}: not a paper in S2ORC form: {type(error).__name__} at {error}") from None
    if not paper.body:
        raise DataError(f"{file}: pdf_parse.body_text has no paragraph; a paper without sections cannot be used")
    counts.read["papers"] += 1
    counts.read["papers without a bibliography"] += not paper.bibliography
    counts.read["paragraphs"] += len(paper.body)
    return paper


def parse_paper(raw: Json, id_: str, counts: Counts) -> Paper:
    """Return the paper in a user's S2ORC JSON.

    Only `pdf_parse.body_text` and the text of each paragraph are required. Spans that are malformed, outside the text,
    overlapping or different from their text are dropped and counted.

    Args:
        raw: The decoded JSON.
        id_: Id of the paper, also its place in messages, such as the name of its file.
        counts: Receives the numbers of spans read and dropped.

    Raises:
        DataError: A required field is missing, or a field has another type; the message has its dotted name.
    """
    parse = _take(raw, "pdf_parse", dict, f"{id_}: ")
    place = f"{id_}: pdf_parse."
    body = _take(parse, "body_text", list, place)
    completed = {
        "title": _take(raw, "title", str, f"{id_}: ", ""),
        "abstract": raw["abstract"] if isinstance(raw.get("abstract"), str) else "",  # elsewhere a list of paragraphs
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
        "cite_spans": [_complete_span(span, text) for span in _take(raw, "cite_spans", list, prefix, [])],
        "ref_spans": [_complete_span(span, text) for span in _take(raw, "ref_spans", list, prefix, [])],
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
    return Entry(key, title, year, _text(raw["venue"] or ""), authors, abstract)


def _read_paragraph(raw: Json, bibliography: dict[str, Entry], floats: Json, counts: Counts) -> Paragraph:
    text = _text(raw["text"])
    citations = _read_spans(raw["cite_spans"], text, bibliography, "citation spans", counts)
    references = _read_spans(raw["ref_spans"], text, floats, "reference spans", counts)
    return Paragraph(raw["section"] or "", text, citations, references)


def _read_spans(spans: list[Json], text: str, targets: Json, kind: str, counts: Counts) -> tuple[Span, ...]:
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
