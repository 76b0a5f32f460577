"""Bibliographies and lists of papers, recognised by their content.

BibTeX, biblatex, RIS, nbib, .bbl, CSL JSON, EndNote XML, GROBID's TEI, tables with a title column, and one title per
line. Anything else is refused by its name.
"""

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

from papertrail.core.errors import DataError
from papertrail.data.formats.bbl import IS_BBL, read_bbl
from papertrail.data.formats.bibtex import read_bibtex
from papertrail.data.formats.tagged import IS_NBIB, IS_RIS, read_tagged
from papertrail.data.formats.tei import IS_HTML, XML_START, read_references_xml
from papertrail.data.formats.text import parse_json
from papertrail.data.text import find_year

Record = dict[str, Any]  # id, title, abstract, year
KNOWN = "BibTeX, RIS, CSL JSON, nbib, .bbl, EndNote XML, a table with a title column, or one title per line"
IS_BIBTEX = re.compile(r"^[ \t\ufeff]*@[ \t]*[a-zA-Z]+\s*[{(]", re.MULTILINE)
IS_XML = re.compile(rf"{XML_START}<(?:\?xml|!DOCTYPE|(?:xml|records|TEI|mods\w*|PubmedArticle\w*|feed|rdf:RDF)[\s>])")
MARKUP = re.compile(r"</?(?:p|div|ul|ol|li|table|t[rdh]|h[1-6]|a|br|span|meta|link|head|body)\b", re.IGNORECASE)
COLUMNS = {  # field -> names of columns in lower case
    "title": ("title", "article title", "document title", "primary title", "primary_title", "paper_title", "ti"),
    "abstract": ("abstract", "abstract_text", "abstract note", "notes_abstract", "ab"),
    "id": ("id", "key", "citekey", "citation key", "bibtexkey", "paper_id", "record_id", "article_id", "pmid", "doi"),
    "year": ("year", "publication year", "publication_year", "pub_year", "py", "date", "published", "submission_date"),
}
OTHERS = {"author", "authors", "url", "journal", "venue", "keywords", "label", "included", "name", "categories"}
REFUSED = (  # what a content that is no bibliography seems to be
    (re.compile(r"\s*%PDF"), "a PDF"),
    (IS_HTML, "an HTML page"),
    (re.compile(r"\s*<(?:head|body|div|p)\b", re.IGNORECASE), "an HTML page"),
    (re.compile(r"^%0 \w|^%T \w", re.MULTILINE), "EndNote's refer form (%0, %T); export RIS or BibTeX"),
    (re.compile(r"\s*(?:FN |PT [JBSP]\s*\n)"), "Web of Science's tagged form; export RIS or BibTeX"),
    (re.compile(r"^[^%\n]*\\(?:documentclass|begin\{document\}|section\{|usepackage)", re.MULTILINE), "LaTeX source"),
    (re.compile(r"\s*(?:#!|import \w|from \w+ import|def \w+\(|#include)"), "program code"),
    (re.compile(r"\s*+(?:---\s*\n(?:\w|- )|(?:\w+:[ \t]*\n)?[ \t]*- [\w-]+: .*\n[ \t]+[\w-]+:)"), "YAML"),
)
TITLE_LENGTH = 400  # characters; longer lines are prose


def read_references(content: str, place: str, problems: list[str]) -> list[Record]:
    """Return the entries of a bibliography or of a list of papers.

    Args:
        content: Content of a file.
        place: Name of the file, for messages.
        problems: Receives a line per entry that is not read as it is written.

    Raises:
        DataError: The content is of none of the known forms, or has no entry.
    """
    content = content.replace("\r\n", "\n").replace("\r", "\n")
    reader = recognise(content, place)
    records = read_titles(content, place, problems) if reader is None else reader(content, place, problems)
    kept: dict[str, Record] = {}
    for record in records:
        if record["id"] in kept:
            problems.append(f"{place}: duplicate id '{record['id']}', left out; the first entry is kept")
        kept.setdefault(record["id"], record)
    if not kept:
        raise DataError("; ".join([f"{place}: no entry; expected {KNOWN}", *problems[:3]]))
    return list(kept.values())


def recognise(content: str, place: str) -> Callable[[str, str, list[str]], list[Record]] | None:
    """Return the reader of a content; None if its form is one title per line, or unknown.

    Raises:
        DataError: The content is recognised as something that is no list of papers.
    """
    start = content.lstrip("\ufeff \t\r\n")[:1]
    if "\0" in content:
        raise DataError(f"{place}: seems to be a binary file, not a list of papers; expected {KNOWN}")
    if IS_BIBTEX.search(content) and start not in "{[<":
        return read_bibtex
    if start == "{" or re.match(r'\s*\[\s*[{\]"]', content):
        return read_csl
    for pattern, name in REFUSED:
        if pattern.search(content) if pattern.flags & re.MULTILINE else pattern.match(content):
            if name == "LaTeX source" and IS_BBL.search(content):
                continue
            raise DataError(f"{place}: seems to be {name}, not a list of papers; expected {KNOWN}")
    if IS_XML.match(content):
        return read_references_xml
    if IS_BBL.search(content):
        return read_bbl
    if IS_RIS.search(content) or IS_NBIB.search(content):
        return read_tagged
    return read_columns if _delimiter(content, place) else None


def read_csl(content: str, place: str, problems: list[str]) -> list[Record]:
    """Read CSL JSON: a list of items, an object with `items` or `references`, JSON lines, or id -> item.

    Raises:
        DataError: The content is not valid JSON, or of another form.
    """
    try:
        raw = parse_json(content, place)
    except DataError:
        lines = [line for line in content.split("\n") if line.strip()]
        if len(lines) < 2 or not lines[0].rstrip().endswith("}"):
            raise
        raw = [parse_json(line, place, number) for number, line in enumerate(lines, start=1)]
    if isinstance(raw, dict):
        items = next((raw[name] for name in ("items", "references") if isinstance(raw.get(name), list)), None)
        if items is None:
            items = (
                [raw]
                if isinstance(raw.get("title"), str)
                else [{"id": key, **item} for key, item in raw.items() if isinstance(item, dict) and "title" in item]
            )
        raw = items
    if not isinstance(raw, list) or not any(isinstance(item, dict) and "title" in item for item in raw):
        raise DataError(f"{place}: JSON without items that have a title; expected CSL JSON: a list of items")
    records = []
    for number, item in enumerate(raw, start=1):
        if not isinstance(item, dict):
            problems.append(f"{place}: item {number} is not an object; left out")
            continue
        id_ = next(
            (item[name] for name in ("id", "citation-key", "paper_id", "DOI") if _is_name(item.get(name))), number
        )
        texts = {name: re.sub(r"</?\w[^<>]{0,100}>", "", _text(item.get(name))) for name in ("title", "abstract")}
        year = find_year(_date(item.get("issued")) or item.get("year") or item.get("date"))
        records.append({"id": str(id_), **texts, "year": year})
    return records


def _is_name(value: Any) -> bool:
    return (isinstance(value, str) and bool(value.strip())) or type(value) is int


def _text(value: Any) -> str:
    value = value[0] if isinstance(value, list) and value else value  # Crossref writes lists
    return " ".join(value.split()) if isinstance(value, str) else ""


def _date(issued: Any) -> str:
    if isinstance(issued, dict):
        parts = issued.get("date-parts")
        return json.dumps(parts) if parts else str(issued.get("raw") or issued.get("literal") or "")
    return str(issued or "")


def _delimiter(content: str, place: str) -> str | None:
    """Return the delimiter of a table with a title column; None if the first line is no line of column names.

    Raises:
        DataError: The first line has column names, but none of a title.
    """
    first = content.lstrip("\ufeff\r\n").partition("\n")[0].rstrip("\r")
    for delimiter in ("\t", ",", ";", "|"):
        names = [name.strip().strip('"').lower() for name in first.split(delimiter)]
        known = set(names) & {*OTHERS, *COLUMNS["abstract"], *COLUMNS["id"], *COLUMNS["year"]}
        if names == ["title"] or (known and set(names) & set(COLUMNS["title"])):
            return delimiter
        if len(names) > 1 and len(known) > 1:
            raise DataError(f"{place}: a table without a title column (columns: {', '.join(names)}); name one 'title'")
    return None


def read_columns(content: str, place: str, problems: list[str]) -> list[Record]:
    """Read a table: CSV, or with tabs, semicolons or bars, with a line of column names."""
    csv.field_size_limit(2**31 - 1)
    content = content.lstrip("\ufeff\r\n")
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=_delimiter(content, place) or ",")
    names: list[str] = []
    records: list[Record] = []
    line = 1
    try:
        for cells in reader:
            first, line = line, reader.line_num + 1
            if not names:
                names = [name.strip().lower() for name in cells]
            elif any(cell.strip() for cell in cells):
                if len(cells) != len(names):
                    problems.append(f"{place}:{first}: expected {len(names)} cells, got {len(cells)}; left out")
                    continue
                records.append(_read_row(dict(zip(names, cells, strict=True)), str(len(records) + 1)))
    except csv.Error as error:
        raise DataError(f"{place}:{line}: not a record of cells: {error}") from None
    return records


def _read_row(row: dict[str, str], number: str) -> Record:
    values = {}
    for field, names in COLUMNS.items():
        values[field] = next((" ".join(row[name].split()) for name in names if row.get(name, "").strip()), "")
    return {**values, "id": values["id"] or number, "year": find_year(values["year"])}


def read_titles(content: str, place: str, problems: list[str]) -> list[Record]:
    """Read one title per line, with ids 1, 2, ...

    Raises:
        DataError: The lines are not plausibly titles.
    """
    lines = [" ".join(line.split()) for line in content.lstrip("\ufeff").split("\n") if line.strip()]
    doubtful = sum(_is_no_title(line) for line in lines)
    if any(line[0].isupper() for line in lines):  # prose: long lines that begin within a sentence
        doubtful += sum(line[0].islower() and 60 < len(line) <= TITLE_LENGTH for line in lines)
    if lines and doubtful * 2 >= len(lines):
        raise DataError(f"{place}: {doubtful} of {len(lines)} lines are no titles; expected {KNOWN}")
    if doubtful:
        problems.append(f"{place}: {doubtful} of {len(lines)} lines do not look like titles")
    return [{"id": str(n), "title": line, "abstract": "", "year": None} for n, line in enumerate(lines, start=1)]


def _is_no_title(line: str) -> bool:
    """Return whether a line has no letters, control characters, markup, the look of code, or the length of prose."""
    letters = sum(sign.isalpha() for sign in line[:TITLE_LENGTH])
    return (
        (len(line) > TITLE_LENGTH and " " in line)
        or letters == 0
        or letters * 3 < len(line[:TITLE_LENGTH])
        or MARKUP.match(line) is not None
        or re.search(r"[\x00-\x08\x0e-\x1f\x7f\ufffd]|[;{}]$|^[A-Z][A-Z0-9]{1,3} {1,2}- |^[a-z][a-z0-9] - ", line)
        is not None
    )
