r"""Documents in the forms that users have: papers in JSON or TEI, `.in` files, plain text, Markdown and LaTeX.

A `.in` file is JSON with `text` and `bib_entries`. Plain text and Markdown need a bibliography from another file; LaTeX
may name or contain it. See docs/documents.md.

A document is {"text", "citations": [{"start", "end", "target"}], "bibliography": [{"id", "title", "abstract",
"year"}]}. Offsets are characters of the text; citations are in its order. "target" is the id or \cite key in the file,
None if there is none. It is shown beside the answer; no model reads it. The text of LaTeX is without markup, so its
citations also have "file" and "line". Texts are in Unicode normal form C.
"""

import json
import logging
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from papertrail.core.errors import DataError
from papertrail.core.records import Counts
from papertrail.data.formats.paper_forms import is_paper
from papertrail.data.formats.s2orc import Entry, Paper, parse_entries, parse_paper, to_nfc
from papertrail.data.formats.tei import IS_HTML, XML_START, read_tei
from papertrail.inference.bibliography import BibliographyEntry, find_bibliography
from papertrail.inference.citations import CITATION_FORMS, find_citations, is_latex
from papertrail.inference.latex import read_latex
from papertrail.inference.latex_files import Folder
from papertrail.inference.texts import decode, read_text

__all__ = [
    "CITATION_FORMS",
    "Document",
    "decode",
    "find_citations",
    "parse_document",
    "parse_json",
    "read_pasted",
    "read_text",
]

Document = dict[str, Any]
SHOWN = 10  # keys in a message
IS_TEI = re.compile(rf"{XML_START}(?:<\?xml|<!DOCTYPE\s+TEI|<TEI\b|<tei:|<teiCorpus\b)")
log = logging.getLogger(__name__)


def parse_document(
    content: str, place: str, bibliography: list[BibliographyEntry] | None, folder: Path | None = None
) -> Document:
    """Parse a document of any known form, which its content decides; LaTeX is also recognised by the name.

    Args:
        content: Content of a file.
        place: Name of the file, for messages.
        bibliography: Entries for a text without its own; None if there are none.
        folder: Where files that a LaTeX document includes are; None reads none.

    Raises:
        DataError: JSON or XML is invalid or of another form, or a text has no bibliography.
    """
    if re.match(r'\s*(?:\{\s*("|\}|$)|\[\s*\{\s*")', content):  # LaTeX may begin with a brace, too
        document = parse_json(content, place)
    elif IS_HTML.match(content):
        raise DataError(f"{place}: seems to be an HTML page; save it as plain text")
    elif IS_TEI.match(content):
        document = _from_paper(read_tei(content, place), place)
    elif is_latex(content, place):
        document = parse_latex(content, place, bibliography, folder)
    elif bibliography is None:
        raise _no_bibliography(place)
    else:
        text = to_nfc(content)
        citations = find_citations(text, frozenset(entry["id"] for entry in bibliography))
        document = {"text": text, "citations": citations, "bibliography": bibliography}
    if not document["bibliography"] and bibliography:
        document["bibliography"] = bibliography
    _warn_of_missing_keys(document, place)
    return document


def _no_bibliography(place: str) -> DataError:
    return DataError(
        f"{place}: a plain text needs a bibliography (BibTeX, or one title per line); S2ORC JSON and .in files "
        "contain one, and LaTeX may name one with \\bibliography or \\addbibresource"
    )


def parse_latex(
    content: str, place: str, bibliography: list[BibliographyEntry] | None, folder: Path | None = None
) -> Document:
    r"""Parse LaTeX: its text, its citations and, if no other is given, the bibliography that it names or contains.

    Files of \\input and bibliographies are read from `folder` only; a file that is not read is named in a warning.

    Raises:
        DataError: There is no bibliography.
    """
    files = Folder(folder)
    if folder is not None:
        files.open.append((folder / Path(place).name).resolve())
    reader = read_latex(to_nfc(content), Path(place).name, files)
    if bibliography is None:
        bibliography = find_bibliography(reader, Path(place).stem, files)
    for problem in dict.fromkeys(files.problems):
        log.warning("%s: %s", place, problem)
    if bibliography is None:
        raise _no_bibliography(place)
    fields = ("start", "end", "target", "file", "line")
    citations = [{name: citation[name] for name in fields} for citation in reader.citations]
    return {"text": "".join(reader.pieces), "citations": citations, "bibliography": bibliography}


def read_pasted(text: str) -> str:
    """Return a text that was pasted, in NFC; of LaTeX without its markup, if anything is left then."""
    text = to_nfc(text)
    plain = "".join(read_latex(text, "", Folder(None)).pieces) if is_latex(text) else ""
    return plain if plain.strip() else text


def _warn_of_missing_keys(document: Document, place: str) -> None:
    ids = {entry["id"] for entry in document["bibliography"]}
    targets = dict.fromkeys(citation["target"] for citation in document["citations"] if citation["target"])
    missing = [target for target in targets if target not in ids]
    if ids and missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        shown = ", ".join(missing[:SHOWN])
        log.warning("%s: %d cited keys are not in the bibliography: %s%s", place, len(missing), shown, more)


def parse_json(content: str, place: str) -> Document:
    """Parse a paper in one of the JSON forms, or `.in`.

    Raises:
        DataError: The content is not JSON (the message has the line), lacks a field or has one of another type (the
            message has its dotted name), or has a text that is not Unicode.
    """
    raw = _decode_json(content, place)
    if is_paper(raw):
        return _from_paper(raw, place)
    for name, kind, expected in (("text", str, "a string"), ("bib_entries", dict, "an object")):
        if not isinstance(raw.get(name), kind):
            found = f"got {json.dumps(raw[name]):.60}" if name in raw else "it is missing"
            raise DataError(
                f"{place}: {name}: expected {expected}, {found}; known forms are .in with text and bib_entries, and "
                "S2ORC JSON with pdf_parse or one of its relatives, see docs/documents.md"
            )
    bibliography = _bibliography(parse_entries(raw["bib_entries"], f"{place}: bib_entries"))
    text = to_nfc(raw["text"])
    citations = find_citations(text, frozenset(entry["id"] for entry in bibliography))
    return {"text": text, "citations": citations, "bibliography": bibliography}


def _from_paper(raw: dict[str, Any], place: str) -> Document:
    counts = Counts()
    paper = parse_paper(raw, place, counts)
    for reason, count in sorted(counts.dropped.items()):
        log.warning("%s: %d dropped of %s", place, count, reason)
    return _join_paragraphs(paper)


def _decode_json(content: str, place: str) -> dict[str, Any]:
    try:
        raw: dict[str, Any] = json.loads(content)
        json.dumps(raw, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise DataError(f"{place}:{error.lineno}: not valid JSON ({error.msg}); the file may be truncated") from None
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise DataError(f"{place}: a text has half a surrogate pair ({half}); write the character in UTF-8") from None
    except (RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
        raise DataError(f"{place}: nested too deeply, or a number is too long ({error})") from None
    if not isinstance(raw, dict):
        raise DataError(f"{place}: a JSON list; expected one paper, or JSON lines with one paper per line")
    return raw


def _join_paragraphs(paper: Paper) -> Document:
    """Join paragraphs by blank lines and move their citations accordingly."""
    parts: list[str] = []
    citations: list[dict[str, Any]] = []
    length = 0
    for paragraph in paper.body:
        parts += ["\n\n"] if parts else []
        length += 2 if len(parts) > 1 else 0
        citations += [
            {"start": length + span.start, "end": length + span.end, "target": span.target}
            for span in paragraph.citations
        ]
        parts.append(paragraph.text)
        length += len(paragraph.text)
    return {"text": "".join(parts), "citations": citations, "bibliography": _bibliography(paper.bibliography)}


def _bibliography(entries: dict[str, Entry]) -> list[BibliographyEntry]:
    fields = ("id", "title", "abstract", "year")
    return [{name: asdict(entry)[name] for name in fields} for entry in entries.values()]
