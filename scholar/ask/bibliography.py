"""A text, its citations and its bibliography, out of the files that users have.

Read are S2ORC JSON, `.in` (JSON with `text` and `bib_entries`), and plain text beside BibTeX or titles, one a line. A
document is {"text", "citations": [{"start", "end", "target"}], "bibliography": [{"id", "title", "abstract", "year"}]}:
offsets are characters of the text, in whose order citations stand; "target" is the id that the file itself names, None
where it names none; it is told beside the answer, and no model sees it.
"""

import json
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from scholar.errors import DataError

Document = dict[str, Any]
Entry = dict[str, Any]
CITATION = re.compile(  # every repetition has an end, so that no text takes long
    r"""
      \\[a-zA-Z]{0,20}cite[a-zA-Z]{0,20}\*?(?:\[[^\]]{0,200}\]){0,2}\{(?P<keys>[^{}]+)\}  # \citep[see][]{key}
    | \[\d{1,4}(?:\r?\s?[,;–-]\r?\s?\d{1,4}){0,20}\]                      # [3], [3, 5-7]
    | \([^()]{0,200}?[^\W\d_]\.?,?\r?\s(?:19|20)\d\d[a-z]?[^()]{0,200}\)  # (Smith and Lee, 2019; Lee, 2020a)
    | [^\W\d_][\w'-]{0,60}+(?:\ et\ al\.?|\ (?:and|&)\ [^\W\d_][\w'-]{0,60}+)?,?\ \((?:19|20)\d\d[a-z]?\)  # Lee (2019)
    """,
    re.VERBOSE,
)
YEAR = re.compile(r"\b((?:1[5-9]|20)\d\d)[a-z]?\b")  # 2019, 2019a


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    ref_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Paragraph:
    text: str
    cite_spans: list[_Span] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Entry:
    title: str | None = None
    abstract: str | None = None
    year: int | str | None = None


@dataclass(frozen=True, slots=True)
class _Parse:
    body_text: list[_Paragraph]
    bib_entries: dict[str, _Entry]


@dataclass(frozen=True, slots=True)
class _S2orc:
    pdf_parse: _Parse


@dataclass(frozen=True, slots=True)
class _In:
    text: str
    bib_entries: dict[str, _Entry]


def read_text(file: Path) -> str:
    """The text of a file.

    Raises:
        DataError: it is missing, a folder, or not UTF-8.
    """
    try:
        return decode(file.read_bytes(), str(file))
    except FileNotFoundError:
        raise DataError(f"{file}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{file}: a folder; name a file in it") from None


def decode(content: bytes, place: str) -> str:
    """Text from its bytes, ends of lines as they are, so that offsets hold.

    Raises:
        DataError: they are not UTF-8, told with the line.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{place}:{line}: not UTF-8 ({error.reason}); convert it first") from None


def parse_document(content: str, place: str, bibliography: list[Entry] | None) -> Document:
    """A document of any known form, told by how it begins.

    Args:
        content: of a file.
        place: its name, for errors.
        bibliography: entries that come beside a plain text; None where there are none.

    Raises:
        DataError: JSON is broken or of another form; a plain text comes without a bibliography.
    """
    if re.match(r'\s*\{\s*("|\}|$)', content):  # LaTeX may begin with a brace, too
        return parse_json(content, place)
    if bibliography is None:
        raise DataError(
            f"{place}: a plain text needs its bibliography beside it (BibTeX, or a title on each line); "
            "S2ORC JSON and .in hold their own"
        )
    return {"text": content, "citations": find_citations(content), "bibliography": bibliography}


def parse_json(content: str, place: str) -> Document:
    """A document of S2ORC JSON or of `.in`.

    Raises:
        DataError: it is no JSON, told with its line, or lacks a field, told with its dotted name; a text of it is no
            Unicode.
    """
    try:
        raw = json.loads(content)
        json.dumps(raw, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise DataError(f"{place}:{error.lineno}: not valid JSON ({error.msg}); the file may be cut off") from None
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise DataError(f"{place}: half a character ({half}) stands alone in a text; write it in UTF-8") from None
    except (RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
        raise DataError(f"{place}: nested too deeply, or a number too long ({error}); no paper needs it") from None
    form: Any = _S2orc if "pdf_parse" in raw else _In
    try:
        parsed = TypeAdapter(form).validate_python(raw)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        expected = "S2ORC JSON with pdf_parse" if form is _S2orc else ".in with text and bib_entries, or S2ORC JSON"
        raise DataError(f"{place}: {where}: {problem['msg'].lower()}; {expected} was expected") from None
    if isinstance(parsed, _In):
        bibliography = _entries(parsed.bib_entries)
        return {"text": parsed.text, "citations": find_citations(parsed.text), "bibliography": bibliography}
    return _join_paragraphs(parsed.pdf_parse, place)


def _join_paragraphs(parse: _Parse, place: str) -> Document:
    """Paragraphs with empty lines between them, and their spans moved accordingly."""
    text, citations = "", []
    for number, paragraph in enumerate(parse.body_text):
        text += "\n\n" if text else ""
        last = 0
        for span in sorted(paragraph.cite_spans, key=lambda span: (span.start, span.end)):
            if not last <= span.start < span.end <= len(paragraph.text):
                where = f"{place}: pdf_parse.body_text.{number}.cite_spans"
                raise DataError(f"{where}: [{span.start}, {span.end}) overlaps another span, or is not in the text")
            target = span.ref_id if span.ref_id in parse.bib_entries else None
            citations.append({"start": len(text) + span.start, "end": len(text) + span.end, "target": target})
            last = span.end
        text += paragraph.text
    return {"text": text, "citations": citations, "bibliography": _entries(parse.bib_entries)}


def _entries(raw: dict[str, _Entry]) -> list[Entry]:
    return [_entry(key, entry.title, entry.abstract, entry.year) for key, entry in raw.items()]


def _entry(id_: str, title: str | None, abstract: str | None, year: int | str | None) -> Entry:
    found = YEAR.search(str(year))
    texts = {"title": " ".join((title or "").split()), "abstract": " ".join((abstract or "").split())}
    return {"id": id_, **texts, "year": int(found[1]) if found else None}


def find_citations(text: str) -> list[dict[str, Any]]:
    r"""Where a text cites by \cite{key}, [3], (Smith, 2019) or Smith (2019); "target" is the key where it is one."""
    citations = []
    for match in CITATION.finditer(text):
        keys = (match["keys"] or "").split(",")
        target = keys[0].strip() if len(keys) == 1 else ""
        citations.append({"start": match.start(), "end": match.end(), "target": target or None})
    return citations


def parse_bibliography(content: str, place: str) -> list[Entry]:
    """Entries of BibTeX, or of titles, one on each line that is not blank; their ids are then 1, 2, ...

    Raises:
        DataError: an entry is broken, or its key stands twice, told with its line; there is no entry.
    """
    if re.search(r"^\s*@\w+\s*[{(]", content, re.MULTILINE):
        return parse_bibtex(content, place)
    titles = [line.strip() for line in content.split("\n") if line.strip()]
    if not titles:
        raise DataError(f"{place}: no entry; BibTeX or a title on each line was expected")
    return [_entry(str(number), title, None, None) for number, title in enumerate(titles, start=1)]


def parse_bibtex(content: str, place: str) -> list[Entry]:
    """Entries of BibTeX, LaTeX's accents and braces, and names of @string resolved.

    Raises:
        DataError: an entry is broken, its key stands twice, or a text of it is joined by #, told with its line; there
            is no entry.
    """
    from bibtexparser.entrypoint import parse_string
    from bibtexparser.middlewares import LatexDecodingMiddleware

    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)  # what it would log is raised here
    library = parse_string(content, append_middleware=[LatexDecodingMiddleware()])
    for block in sorted(library.failed_blocks, key=lambda block: block.start_line or 0):
        reason = str(block.error or "").strip().splitlines()[-1:] or ["it is not closed, or lacks a comma"]
        raise DataError(f"{place}:{(block.start_line or 0) + 1}: not a BibTeX entry: {reason[0].strip()}")
    if not library.entries:
        raise DataError(f"{place}: no BibTeX entry")
    entries = []
    for entry in library.entries:
        for given in entry.fields:
            if given.key.lower() in ("title", "abstract") and given.enclosing == "no-enclosing" and "#" in given.value:
                where = f"{place}:{(given.start_line or 0) + 1}: {given.key} of '{entry.key}'"
                raise DataError(f"{where}: pieces joined by # are not read; write it as one text in braces")
        told = {key.lower(): str(given.value) for key, given in entry.fields_dict.items()}
        year = told.get("year") or told.get("date")
        entries.append(_entry(entry.key, told.get("title"), told.get("abstract"), year))
    return entries
