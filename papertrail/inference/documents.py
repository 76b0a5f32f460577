r"""Documents in the forms that users have: S2ORC JSON, `.in` files, plain text and LaTeX.

A `.in` file is JSON with `text` and `bib_entries`. Plain text and LaTeX need a bibliography from another file.

A document is {"text", "citations": [{"start", "end", "target"}], "bibliography": [{"id", "title", "abstract",
"year"}]}. Offsets are characters of the text; citations are in its order. "target" is the id or \cite key in the file,
None if there is none. It is shown beside the answer; no model reads it.
"""

import json
import logging
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from papertrail.core.errors import DataError
from papertrail.core.records import Counts
from papertrail.data.formats.s2orc import Entry, Paper, parse_entries, parse_paper
from papertrail.inference.bibliography import BibliographyEntry

Document = dict[str, Any]
CITATION_FORMS = "\\cite{key}, [3], (Smith, 2019), Smith (2019)"
CITATION = re.compile(  # every repetition is bounded, so that the time is linear in the text
    r"""
      \\[a-zA-Z]{0,20}cite[a-zA-Z]{0,20}\*?(?:\[[^\]]{0,200}\]){0,2}\{(?P<keys>[^{}]+)\}  # \citep[see][]{key}
    | \[\d{1,4}(?:\r?\s?[,;–-]\r?\s?\d{1,4}){0,20}\]                      # [3], [3, 5-7]
    | \([^()]{0,200}?[^\W\d_]\.?,?\r?\s(?:19|20)\d\d[a-z]?[^()]{0,200}\)  # (Smith and Lee, 2019; Lee, 2020a)
    | [^\W\d_][\w'-]{0,60}+(?:\ et\ al\.?|\ (?:and|&)\ [^\W\d_][\w'-]{0,60}+)?,?\ \((?:19|20)\d\d[a-z]?\)  # Lee (2019)
    """,
    re.VERBOSE,
)
log = logging.getLogger(__name__)


def read_text(file: Path) -> str:
    """Return the text of a file.

    Raises:
        DataError: The file is missing, a folder, or not UTF-8.
    """
    try:
        return decode(file.read_bytes(), str(file))
    except FileNotFoundError:
        raise DataError(f"{file}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{file}: is a folder; name a file in it") from None


def decode(content: bytes, place: str) -> str:
    """Return the text of UTF-8 bytes; line ends are kept, so that offsets are valid.

    Raises:
        DataError: The bytes are not UTF-8; the message has the line.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{place}:{line}: not UTF-8 ({error.reason}); convert the file to UTF-8") from None


def parse_document(content: str, place: str, bibliography: list[BibliographyEntry] | None) -> Document:
    """Parse a document of any known form, which its first characters decide.

    Args:
        content: Content of a file.
        place: Name of the file, for messages.
        bibliography: Entries for a plain text; None if there are none.

    Raises:
        DataError: JSON is invalid or of another form, or a plain text has no bibliography.
    """
    if re.match(r'\s*\{\s*("|\}|$)', content):  # LaTeX may begin with a brace, too
        return parse_json(content, place)
    if bibliography is None:
        raise DataError(
            f"{place}: a plain text needs a bibliography (BibTeX, or one title per line); S2ORC JSON and .in files "
            "contain one"
        )
    return {"text": content, "citations": find_citations(content), "bibliography": bibliography}


def find_citations(text: str) -> list[dict[str, Any]]:
    r"""Find \cite{key}, [3], (Smith, 2019) and Smith (2019) in a text.

    Returns:
        {"start", "end", "target"} of each citation; "target" is the key of a \cite with one key, else None.
    """
    citations = []
    for match in CITATION.finditer(text):
        keys = (match["keys"] or "").split(",")
        target = keys[0].strip() if len(keys) == 1 else ""
        citations.append({"start": match.start(), "end": match.end(), "target": target or None})
    return citations


def parse_json(content: str, place: str) -> Document:
    """Parse S2ORC JSON or `.in`.

    Raises:
        DataError: The content is not JSON (the message has the line), lacks a field or has one of another type (the
            message has its dotted name), or has a text that is not Unicode.
    """
    raw = _decode_json(content, place)
    if "pdf_parse" in raw:
        counts = Counts()
        paper = parse_paper(raw, place, counts)
        for reason, count in sorted(counts.dropped.items()):
            log.warning("%s: %d dropped of %s", place, count, reason)
        return _join_paragraphs(paper)
    for name, kind, expected in (("text", str, "a string"), ("bib_entries", dict, "an object")):
        if not isinstance(raw.get(name), kind):
            found = f"got {json.dumps(raw[name]):.60}" if name in raw else "it is missing"
            raise DataError(
                f"{place}: {name}: expected {expected}, {found}; known forms are .in with text and bib_entries, and "
                "S2ORC JSON with pdf_parse"
            )
    bibliography = _bibliography(parse_entries(raw["bib_entries"], f"{place}: bib_entries"))
    return {"text": raw["text"], "citations": find_citations(raw["text"]), "bibliography": bibliography}


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
    return raw


def _join_paragraphs(paper: Paper) -> Document:
    """Join paragraphs by blank lines and move their citations accordingly."""
    text, citations = "", []
    for paragraph in paper.body:
        text += "\n\n" if text else ""
        citations += [
            {"start": len(text) + span.start, "end": len(text) + span.end, "target": span.target}
            for span in paragraph.citations
        ]
        text += paragraph.text
    return {"text": text, "citations": citations, "bibliography": _bibliography(paper.bibliography)}


def _bibliography(entries: dict[str, Entry]) -> list[BibliographyEntry]:
    fields = ("id", "title", "abstract", "year")
    return [{name: asdict(entry)[name] for name in fields} for entry in entries.values()]
