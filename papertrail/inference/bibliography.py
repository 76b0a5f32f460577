"""Bibliographies of users, in any form of papertrail.data.formats.references."""

import logging
import unicodedata
from typing import TYPE_CHECKING, Any

from papertrail.core.errors import DataError
from papertrail.data.formats.references import read_references, recognise

if TYPE_CHECKING:
    from papertrail.inference.latex import LatexReader
    from papertrail.inference.latex_files import Folder

BibliographyEntry = dict[str, Any]  # id, title, abstract, year
SHOWN = 20  # problems of a file that are named
log = logging.getLogger(__name__)


def parse_bibliography(content: str, place: str) -> list[BibliographyEntry]:
    """Parse a bibliography, which is recognised by its content. What is not read is named in warnings.

    Args:
        content: Content of a file.
        place: Name of the file, for messages.

    Raises:
        DataError: The content is no bibliography, or has no entry.
    """
    problems: list[str] = []
    entries = read_references(unicodedata.normalize("NFC", content), place, problems)
    for problem in problems[:SHOWN]:
        log.warning("%s", problem)
    if len(problems) > SHOWN:
        log.warning("%s: %d more problems of this kind", place, len(problems) - SHOWN)
    return entries


def read_records(content: str, place: str) -> list[BibliographyEntry] | None:
    """Return the titled records of a bibliography or table of papers; None if the content is lines of texts.

    Raises:
        DataError: The content is something else, such as HTML, or has no record with a title.
    """
    if recognise(content.replace("\r", "\n"), place) is None:
        return None
    records = parse_bibliography(content, place)
    titled = [record for record in records if record["title"]]
    if len(titled) < len(records):
        log.warning(
            "%s: %d of %d records have no title and are left out", place, len(records) - len(titled), len(records)
        )
    if not titled:
        raise DataError(f"{place}: none of its {len(records)} records has a title")
    return titled


def find_bibliography(reader: "LatexReader", stem: str, folder: "Folder") -> list[BibliographyEntry] | None:
    r"""Return the entries of the bibliographies that a LaTeX document names or contains; None if there is none.

    Args:
        reader: Has read the document.
        stem: Name of the document without its suffix: if no bibliography is found, its `.bbl` file is read.
        folder: Of the document.
    """
    from papertrail.inference.texts import read_text

    contents = [("thebibliography", f"\\begin{{thebibliography}}{text}") for text in reader.embedded]
    for name in dict.fromkeys(reader.resources):
        if text := next((reader.contents[n] for n in (name, f"{name}.bib") if n in reader.contents), None):
            contents.append((name, text))
        elif file := folder.find([name], (".bib", "")):
            contents += [(folder.name_of(file), text)] if (text := folder.read(file)) is not None else []
    compiled = None if folder.root is None else (folder.root / f"{stem}.bbl").resolve()
    if not contents and compiled and compiled.is_file() and compiled.is_relative_to(folder.root or ""):
        contents.append((compiled.name, read_text(compiled)))
    entries: dict[str, BibliographyEntry] = {}
    for place, content in contents:
        try:
            for entry in parse_bibliography(content, place):
                entries.setdefault(entry["id"], entry)
        except DataError as error:
            folder.problems.append(str(error))
    return list(entries.values()) or None
