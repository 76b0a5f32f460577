"""XML: papers in GROBID's TEI, and bibliographies in TEI and EndNote's export.

Parsed by defusedxml: it refuses entity declarations (bombs) and external entities. lxml would need the same settings by
hand.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from papertrail.core.errors import DataError
from papertrail.data.text import find_year

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
TEXTS, FLOATS = ("p", "note", "item"), ("figure", "table", "formula")  # paragraphs; what is no body text
SPACE = re.compile(r"\s+")
XML_START = r"\s*+(?:(?><!--[\s\S]*?-->)\s*)*+"  # comments before the first element
IS_HTML = re.compile(rf"{XML_START}(?:<\?xml[^>]*>{XML_START})?<(?:!doctype\s+html|html)\b", re.IGNORECASE)


def parse_xml(content: str, place: str) -> "Element":
    """Return the root of an XML document.

    Raises:
        DataError: The content is not well-formed (the message has the line), or declares entities.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(content.lstrip("\ufeff \t\r\n"))  # text: a declared encoding is ignored
    except DefusedXmlException as error:
        raise DataError(f"{place}: XML with entity declarations is not read ({type(error).__name__})") from None
    except ParseError as error:
        line = error.position[0] if hasattr(error, "position") else 1
        raise DataError(f"{place}:{line}: not valid XML ({error}); the file may be truncated") from None
    except (ValueError, RecursionError) as error:  # half a surrogate pair
        raise DataError(f"{place}: not valid XML ({error}); save it in UTF-8") from None
    return root


def local_name(element: "Element") -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def plain_text(element: "Element | None") -> str:
    """Return the text of an element with single spaces; empty for None."""
    return "" if element is None else " ".join("".join(element.itertext()).split())


def read_tei(content: str, place: str) -> dict[str, Any]:
    """Return a paper of GROBID's TEI as S2ORC JSON.

    Raises:
        DataError: The content is not well-formed XML, or no TEI document with a body.
    """
    root = parse_xml(content, place)
    body = None if local_name(root) != "TEI" else root.find(".//{*}text/{*}body")
    if body is None:
        raise DataError(f"{place}: XML with the root {local_name(root):.40} is no paper; expected TEI with a text body")
    return {
        "title": plain_text(root.find(".//{*}teiHeader//{*}titleStmt/{*}title")),
        "abstract": plain_text(root.find(".//{*}profileDesc/{*}abstract")),
        "pdf_parse": {
            "body_text": list(_paragraphs(body)),
            "bib_entries": _entries(root),
            "ref_entries": {figure.get(XML_ID, ""): {} for figure in root.iterfind(".//{*}figure")},
        },
    }


def _paragraphs(body: "Element") -> Iterator[dict[str, Any]]:
    section = ""
    stack = [body]
    while stack:
        element = stack.pop()
        name = local_name(element)
        if name in TEXTS:
            text, spans = _text_and_refs(element)
            citations = [span for kind, span in spans if kind == "bibr"]
            others = [span for kind, span in spans if kind != "bibr"]
            yield {"text": text, "section": section, "cite_spans": citations, "ref_spans": others}
        elif name not in FLOATS:
            section = plain_text(element.find("{*}head")) if name == "div" else section
            stack += list(element)[::-1]


def _text_and_refs(element: "Element") -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    """Return the text of an element and (type, span) of the <ref> elements in it."""
    parts: list[str] = []
    spans: list[tuple[str, dict[str, Any]]] = []
    length = 0

    def add(text: str | None) -> None:
        nonlocal length
        part = SPACE.sub(" ", text or "")
        if part and (not parts or parts[-1].endswith(" ")):
            part = part.lstrip()
        if part:
            parts.append(part)
        length += len(part)

    add(element.text)
    stack = [(element, iter(element), 0)]
    while stack:
        node, children, start = stack[-1]
        child = next(children, None)
        if child is not None:
            stack.append((child, iter(child), length))
            add(child.text)
            continue
        stack.pop()
        if local_name(node) == "ref":
            target = node.get("target", "").partition(" ")[0].lstrip("#") or None
            spans.append((node.get("type", ""), {"start": start, "end": length, "ref_id": target}))
        if stack:
            add(node.tail)
    return "".join(parts), spans


def _entries(root: "Element") -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    for number, item in enumerate(root.iterfind(".//{*}listBibl/{*}biblStruct"), start=1):
        article, whole = item.find("{*}analytic/{*}title"), item.find("{*}monogr/{*}title")
        title = plain_text(article) or plain_text(whole) or plain_text(item.find("{*}note[@type='raw_reference']"))
        date = item.find(".//{*}date")
        surnames = [{"last": plain_text(name)} for name in item.iterfind(".//{*}author//{*}surname")]
        entries.setdefault(
            item.get(XML_ID) or f"b{number}",
            {
                "title": title,
                "abstract": plain_text(item.find(".//{*}note[@type='abstract']")),
                "year": find_year(date.get("when") or plain_text(date)) if date is not None else None,
                "venue": plain_text(whole) if plain_text(article) else "",
                "authors": surnames,
            },
        )
    return entries


def read_references_xml(content: str, place: str, problems: list[str]) -> list[dict[str, Any]]:
    """Return {"id", "title", "abstract", "year"} of the entries of EndNote XML or of a TEI document.

    Raises:
        DataError: The content is not well-formed XML, or of another form.
    """
    root = parse_xml(content, place)
    entries = [
        {"id": key, **{name: entry[name] for name in ("title", "abstract", "year")}}
        for key, entry in _entries(root).items()
    ]
    for number, record in enumerate(root.iterfind(".//records/record"), start=1):
        texts = {
            name: plain_text(record.find(path)) for name, path in (("title", "titles/title"), ("abstract", "abstract"))
        }
        id_ = plain_text(record.find("label")) or plain_text(record.find("rec-number")) or str(number)
        entries.append({"id": id_, **texts, "year": find_year(plain_text(record.find("dates/year")))})
    if not entries:
        raise DataError(
            f"{place}: XML with the root {local_name(root):.40} is no known bibliography; expected EndNote XML or TEI"
        )
    return entries
