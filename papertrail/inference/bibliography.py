"""Bibliographies in the forms that users have: BibTeX, or a list of titles."""

import logging
import re
from typing import Any

from papertrail.core.errors import DataError
from papertrail.data.text import find_year

BibliographyEntry = dict[str, Any]  # id, title, abstract, year


def parse_bibliography(content: str, place: str) -> list[BibliographyEntry]:
    """Parse BibTeX, or one title per line with ids 1, 2, ...

    Args:
        content: Content of a file.
        place: Name of the file, for messages.

    Raises:
        DataError: There is no entry, an entry is invalid, or a key is a duplicate; the message has the line.
    """
    if re.search(r"^\s*@\w+\s*[{(]", content, re.MULTILINE):
        return parse_bibtex(content, place)
    titles = [line.strip() for line in content.split("\n") if line.strip()]
    if not titles:
        raise DataError(f"{place}: no entry; expected BibTeX, or one title per line")
    return [_make_entry(str(number), title, "", None) for number, title in enumerate(titles, start=1)]


def parse_bibtex(content: str, place: str) -> list[BibliographyEntry]:
    """Parse BibTeX. LaTeX accents and braces are decoded and names of @string replaced.

    Raises:
        DataError: There is no entry, an entry is invalid, a key is a duplicate, or a title or abstract is joined by #;
            the message has the line.
    """
    from bibtexparser.entrypoint import parse_string
    from bibtexparser.middlewares import LatexDecodingMiddleware

    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)  # its warnings are raised here
    library = parse_string(content, append_middleware=[LatexDecodingMiddleware()])
    for block in sorted(library.failed_blocks, key=lambda block: block.start_line or 0):
        reason = str(block.error or "").strip().splitlines()[-1:] or ["it is not closed, or lacks a comma"]
        raise DataError(f"{place}:{(block.start_line or 0) + 1}: not a BibTeX entry: {reason[0].strip()}")
    if not library.entries:
        raise DataError(f"{place}: no BibTeX entry")
    return [_read_entry(entry, place) for entry in library.entries]


def _read_entry(entry: Any, place: str) -> BibliographyEntry:
    for field in entry.fields:
        if field.key.lower() in ("title", "abstract") and field.enclosing == "no-enclosing" and "#" in field.value:
            where = f"{place}:{(field.start_line or 0) + 1}: {field.key} of '{entry.key}'"
            raise DataError(f"{where}: strings joined by # are not supported; write one string in braces")
    values = {key.lower(): str(field.value) for key, field in entry.fields_dict.items()}
    year = values.get("year") or values.get("date")
    return _make_entry(entry.key, values.get("title", ""), values.get("abstract", ""), year)


def _make_entry(id_: str, title: str, abstract: str, year: str | None) -> BibliographyEntry:
    texts = {"title": " ".join(title.split()), "abstract": " ".join(abstract.split())}
    return {"id": id_, **texts, "year": find_year(year)}
