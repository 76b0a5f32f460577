"""The forms in which papers with citation spans are published, as one: that of s2orc-doc2json.

- S2ORC 2019: `grobid_parse` and `latex_parse`, the title in `metadata`.
- S2ORC 2020: `body_text` at the top, `abstract` as a list of paragraphs; 2021 (doc2json): `pdf_parse`.
- CORD-19: as 2020, the title in `metadata`.
- Semantic Scholar's bulk files: one text and offsets in it, as JSON in strings.
- The JSON of GROBID's Python client: `biblio`, `body_text` with `refs`.

Source: https://github.com/allenai/s2orc, https://github.com/allenai/s2orc-doc2json, https://github.com/allenai/cord19,
https://api.semanticscholar.org/api-docs/datasets, https://github.com/kermitt2/grobid_client_python.
"""

import json
from bisect import bisect_right
from typing import Any

from papertrail.core.records import Counts
from papertrail.data.text import find_year

Json = dict[str, Any]
PARSES = ("pdf_parse", "grobid_parse", "latex_parse")
BULK = ("content", "body")  # fields with a text and annotations
GROBID_REFS = {"start": "offset_start", "end": "offset_end"}


def is_paper(raw: Json) -> bool:
    """Return whether JSON has the fields of a paper in one of the forms."""
    return any(name in raw for name in PARSES) or isinstance(raw.get("body_text"), list) or _bulk(raw) is not None


def unify(raw: Json, counts: Counts) -> tuple[Json, str]:
    """Return a paper in the form of doc2json, and the name of the field that its parts were in.

    Types are not checked; `papertrail.data.formats.s2orc` does that.

    Args:
        raw: The decoded JSON.
        counts: Receives the number of annotations that are dropped.
    """
    bulk = _bulk(raw)
    if bulk is not None:
        return _from_bulk(raw, bulk, counts), bulk
    known = [name for name in PARSES if isinstance(raw.get(name), dict)]
    name = next((name for name in known if raw[name].get("body_text")), known[0] if known else "")
    if not name and "pdf_parse" not in raw and isinstance(raw.get("body_text"), list):
        parse: Any = raw if "biblio" not in raw else _from_grobid(raw)
    else:
        name = name or "pdf_parse"
        parse = raw.get(name)
    return {"title": _title(raw), "abstract": _abstract(raw, parse), "pdf_parse": parse}, name


def _bulk(raw: Json) -> str | None:
    return next((name for name in BULK if isinstance(raw.get(name), dict) and "text" in raw[name]), None)


def _title(raw: Json) -> Any:
    for place in (raw, raw.get("metadata"), raw.get("biblio")):
        if isinstance(place, dict) and place.get("title"):
            return place["title"]
    return raw.get("title")


def _abstract(raw: Json, parse: Any) -> str:
    """Return the abstract, which is a text or a list of paragraphs."""
    for place in (raw, raw.get("metadata"), raw.get("biblio"), parse):
        abstract = place.get("abstract") if isinstance(place, dict) else None
        if isinstance(abstract, list):
            parts = [part.get("text") if isinstance(part, dict) else part for part in _flat(abstract)]
            abstract = "\n".join(part for part in parts if isinstance(part, str))
        if isinstance(abstract, str) and abstract:
            return abstract
    return ""


def _flat(items: list[Any]) -> list[Any]:
    return [part for item in items for part in (item if isinstance(item, list) else [item])]


def _from_grobid(raw: Json) -> Json:
    """Return the parts of the JSON of GROBID's client; its citations are `refs` without #."""
    body = [
        {
            **part,
            "section": part.get("head_section"),
            "cite_spans": [_grobid_span(ref) for ref in part.get("refs") or [] if isinstance(ref, dict)],
        }
        if isinstance(part, dict) and isinstance(part.get("refs") or [], list)
        else part
        for part in raw["body_text"]
    ]
    references = raw.get("references") if isinstance(raw.get("references"), list) else []
    entries = {
        str(entry.get("id", f"b{number}")): {
            "title": entry.get("title"),
            "year": entry.get("year") or entry.get("date"),
        }
        for number, entry in enumerate(references or [])
        if isinstance(entry, dict)
    }
    return {"body_text": body, "bib_entries": {**entries, **(raw.get("bib_entries") or {})}}


def _grobid_span(ref: Json) -> Json:
    target = ref.get("target")
    return {
        "start": ref.get("offset_start"),
        "end": ref.get("offset_end"),
        "text": ref.get("text"),
        "ref_id": target.lstrip("#") if isinstance(target, str) else None,
    }


class _Annotations:
    """The annotations of a text: name -> spans in text order; names are compared without underscores."""

    def __init__(self, part: Any, counts: Counts) -> None:
        part = part if isinstance(part, dict) else {}
        text, named = part.get("text"), part.get("annotations")
        self.text = text if isinstance(text, str) else ""
        self.counts = counts
        if isinstance(named, str):
            named = _decode(named)
        self.raw = {name.replace("_", ""): value for name, value in named.items()} if isinstance(named, dict) else {}

    def spans(self, name: str) -> list[tuple[int, int, Json]]:
        """Return (start, end, attributes) of the annotations of a name."""
        value = self.raw.get(name)
        value = _decode(value) if isinstance(value, str) and value.strip() else value
        spans = []
        for span in value if isinstance(value, list) else []:
            start, stop = (_integer(span.get(end)) if isinstance(span, dict) else None for end in ("start", "end"))
            if start is None or stop is None or not 0 <= start < stop <= len(self.text):
                self.counts.dropped[f"annotations {name}: not a span of the text"] += 1
                continue
            attributes = span.get("attributes")
            spans.append((start, stop, attributes if isinstance(attributes, dict) else {}))
        return sorted(spans, key=lambda span: span[:2])

    def texts(self, name: str) -> list[str]:
        """Return the texts of the annotations of a name."""
        return [self.text[start:end] for start, end, _ in self.spans(name)]


def _decode(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return [None]  # counted as one bad annotation


def _name(value: Any) -> str | None:
    """Return an id that may be a number."""
    return str(value) if isinstance(value, str | int) and value != "" else None


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        return int(value)
    return value if type(value) is int else None


def _from_bulk(raw: Json, name: str, counts: Counts) -> Json:
    content = _Annotations(raw[name], counts)
    entries = _bulk_entries(content)
    if isinstance(raw.get("bibliography"), dict):
        entries |= _bulk_entries(_Annotations(raw["bibliography"], counts))
    titles, abstracts = content.texts("title"), content.texts("abstract")
    title = raw.get("title") if isinstance(raw.get("title"), str) else None
    return {
        "title": title or (titles[0] if titles else ""),
        "abstract": "\n".join(abstracts),
        "pdf_parse": {
            "body_text": _bulk_paragraphs(content, counts),
            "bib_entries": entries,
            "ref_entries": {
                str(attributes["id"]): {}
                for kind in ("figure", "table")
                for _, _, attributes in content.spans(kind)
                if "id" in attributes
            },
        },
    }


def _bulk_paragraphs(content: _Annotations, counts: Counts) -> list[Json]:
    """Return the annotated paragraphs; without any, the text up to the bibliography is one."""
    bounds = content.spans("paragraph")
    if not bounds and content.text.strip():
        entries = content.spans("bibentry")
        bounds = [(0, entries[0][0] if entries and entries[0][0] else len(content.text), {})]
    headers = content.spans("sectionheader")
    starts = [start for start, _, _ in bounds]
    paragraphs: list[Json] = []
    for start, end, _ in bounds:
        before = bisect_right(headers, start, key=lambda header: header[0])
        section = content.text[headers[before - 1][0] : headers[before - 1][1]] if before else ""
        text = content.text[start:end]
        paragraphs.append({"text": text, "section": section, "cite_spans": [], "ref_spans": []})
    for kind, field in (("bibref", "cite_spans"), ("figureref", "ref_spans"), ("tableref", "ref_spans")):
        for start, end, attributes in content.spans(kind):
            number = bisect_right(starts, start) - 1
            if number < 0 or end > bounds[number][1]:
                counts.dropped[f"{kind}: outside of the paragraphs"] += 1
                continue
            first = starts[number]
            span = {"start": start - first, "end": end - first, "ref_id": _name(attributes.get("ref_id"))}
            paragraphs[number][field].append(span)
    return paragraphs


def _bulk_entries(content: _Annotations) -> dict[str, Json]:
    """Return the entries of a bibliography; without an annotated title, the title is the whole reference."""
    parts = {kind: content.spans(kind) for kind in ("bibtitle", "bibvenue", "bibauthorlastname")}
    entries: dict[str, Json] = {}
    for number, (start, end, attributes) in enumerate(content.spans("bibentry")):
        inside: dict[str, list[str]] = {}
        for kind, spans in parts.items():
            first = bisect_right(spans, start - 1, key=lambda span: span[0])
            found = []
            while first < len(spans) and spans[first][0] < end:
                if spans[first][1] <= end:
                    found.append(content.text[spans[first][0] : spans[first][1]])
                first += 1
            inside[kind] = found
        whole = content.text[start:end]
        key = _name(attributes.get("id")) or f"b{number}"
        entries.setdefault(
            key,
            {
                "title": inside["bibtitle"][0] if inside["bibtitle"] else whole,
                "year": find_year(attributes.get("year") or whole),
                "venue": inside["bibvenue"][0] if inside["bibvenue"] else "",
                "authors": [{"last": name} for name in inside["bibauthorlastname"]],
            },
        )
    return entries
