"""Collections for search: documents, queries and relevance judgements, in the files of BEIR, TREC and SMART.

The form of a file is told by its content and the end of its name, `.gz` aside:

- documents: JSON lines (`.jsonl`, `.ndjson`, `.json`), a table with column names (`.csv`, `.tsv`), or records of SMART;
- queries: the same, topics of TREC in tags, or lines of an id, a tab and a text;
- judgements: rows of (query, document, grade) or, as in TREC, (query, iteration, document, grade), with the header of
  BEIR or without; or JSON lines with the names of BEIR's header.

Texts and ids are normalised to NFC. An id may be a number: 0, 0.0, "0" and "0.0" are one id.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from papertrail.core.errors import DataError
from papertrail.core.params import strict
from papertrail.data.formats.jsonl import read_json_lines
from papertrail.data.formats.smart import read_smart
from papertrail.data.formats.table import read_table
from papertrail.data.formats.text import read_lines
from papertrail.data.formats.topics import read_topics
from papertrail.data.text import find_year, nfc, to_id

QUERY, DOCUMENT, GRADE = HEADER = ("query-id", "corpus-id", "score")
JSON_LINES = {".jsonl", ".ndjson", ".json"}
TABLES = {".csv": ",", ".tsv": "\t"}
MAX_GRADE = 1000  # trec_eval reserves memory for every grade up to the largest
Records = Iterator[tuple[str, dict[str, Any]]]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFields:
    """Names of the fields of a document; null: there is no such field."""

    id: str
    title: str | None
    abstract: str | None
    year: str | None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFields:
    """Names of the fields of a query."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """How relevant a document is to a query; `place` is "file:line"."""

    place: str
    query: str
    document: str
    grade: int


def read_documents(file: Path, fields: DocumentFields) -> Records:
    """Yield ("file:line", document) in the order of the file; a document may be without title and abstract.

    Raises:
        DataError: The file cannot be read; a line has another form; an id is missing or used twice.
    """
    columns = [name for name in (fields.id, fields.abstract, fields.title, fields.year) if name]
    needed = columns if _suffix(file) in TABLES else columns[:2]  # JSON lines and records may be without a title
    places: dict[str, str] = {}
    for place, record in _read_records(file, needed):
        id_ = read_id(record.get(fields.id), f"{place}: {fields.id}")
        _check_unique(id_, place, places, "document")
        texts = {
            column: read_text(record.get(name), f"{place}: {name}") if name else ""
            for column, name in (("title", fields.title), ("abstract", fields.abstract))
        }
        year = find_year(record.get(fields.year)) if fields.year else None
        yield place, {"id": id_, **texts, "year": year or 0}


def read_queries(file: Path, fields: QueryFields, by_position: bool) -> Records:
    """Yield ("file:line", {"id", "text"}) in the order of the file.

    Args:
        file: JSON lines, a table, topics of TREC, records of SMART, or lines of id and text.
        fields: Names of the fields; a file of id and text has none.
        by_position: The id is the position in the file, from 1, and not the one in the file.

    Raises:
        DataError: The file cannot be read; a line has another form; an id is missing or used twice.
    """
    places: dict[str, str] = {}
    records = _read_lines_of_two(file, fields) if _is_two_columns(file, fields) else None
    for number, (place, record) in enumerate(records or _read_records(file, [fields.id, fields.text]), start=1):
        id_ = str(number) if by_position else read_id(record.get(fields.id), f"{place}: {fields.id}")
        _check_unique(id_, place, places, "query")
        yield place, {"id": id_, "text": read_text(record.get(fields.text), f"{place}: {fields.text}")}


def read_judgements(file: Path) -> Iterator[Judgement]:
    """Yield the judgements of a file in its order.

    Raises:
        DataError: The file cannot be read; a row has another number of columns, or a grade that is no whole number.
    """
    if _suffix(file) in JSON_LINES:
        for place, record in read_json_lines(file, HEADER):
            query, document = (read_id(record[name], f"{place}: {name}") for name in (QUERY, DOCUMENT))
            yield Judgement(place, query, document, _read_grade(record[GRADE], place))
        return
    width = 0
    for number, line in enumerate(read_lines(file), start=1):
        place, cells = f"{file}:{number}", _split_row(line, file)
        if not cells:
            continue
        if not width:
            width = _check_width(cells, place)
            if tuple(name.lower().replace("_", "-") for name in (cells[0], *cells[-2:])) == HEADER:
                continue
        if len(cells) != width:
            raise DataError(f"{place}: expected {width} columns, as in the first line, got {len(cells)}")
        query, document = (read_id(cell, place) for cell in (cells[0], cells[-2]))
        yield Judgement(place, query, document, _read_grade(cells[-1], place))


def read_id(value: object, place: str) -> str:
    """Return the one spelling of an id; see `papertrail.data.text.to_id`.

    Raises:
        DataError: It is missing, or neither text nor a number.
    """
    try:
        id_ = to_id(value)
    except TypeError:
        id_ = None
    if id_ is None:
        raise DataError(f"{place}: expected an id, a text or a number (got {value!r})")
    return id_


def read_text(value: object, place: str) -> str:
    """Return a text; null and NaN are an empty one, the sentences of a list are joined by spaces.

    Raises:
        DataError: It is no text.
    """
    if value is None or value != value:
        return ""
    if isinstance(value, list) and all(isinstance(sentence, str) for sentence in value):
        value = " ".join(sentence.strip() for sentence in value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)  # the title "1984"
    if not isinstance(value, str):
        raise DataError(f"{place}: expected a text, got {type(value).__name__}")
    return nfc(value).strip()


def _read_records(file: Path, needed: list[str]) -> Records:
    """Yield ("file:line", record) of a file in any of the forms; every record of a known form has the needed fields."""
    begin = _first_line(file)
    if begin.startswith(".I"):
        yield from read_smart(file)
    elif begin.startswith("<"):
        yield from _check_tags(read_topics(file), needed)
    elif (suffix := _suffix(file)) in TABLES:
        yield from read_table(file, TABLES[suffix], needed)
    elif suffix in JSON_LINES:
        yield from read_json_lines(file, tuple(needed))
    else:
        raise DataError(
            f"{file}: unknown kind of file; expected JSON lines (.jsonl), a table (.csv or .tsv), records of SMART "
            "that begin with .I, or topics of TREC that begin with <top>; rename or convert it"
        )


def _check_tags(topics: Records, needed: list[str]) -> Records:
    for place, topic in topics:
        if missing := [name for name in needed if name not in topic]:
            raise DataError(f"{place}: no tag '{missing[0]}' (tags: {', '.join(sorted(topic))})")
        yield place, topic


def _is_two_columns(file: Path, fields: QueryFields) -> bool:
    """Return whether a file of queries is lines of id, tab and text without a line of column names."""
    first = _first_line(file)
    if _suffix(file) not in {".tsv", ".txt"} or first.startswith((".I", "<")):
        return False
    return _suffix(file) == ".txt" or not {fields.id, fields.text} <= set(first.split("\t"))


def _read_lines_of_two(file: Path, fields: QueryFields) -> Records:
    for number, line in enumerate(read_lines(file), start=1):
        if line.strip():
            id_, tab, text = line.strip().partition("\t")
            if not tab:
                raise DataError(f"{file}:{number}: expected an id, a tab and a text, got '{line.strip()[:80]}'")
            yield f"{file}:{number}", {fields.id: id_, fields.text: text}


def _first_line(file: Path) -> str:
    return next((line.strip() for line in read_lines(file) if line.strip()), "")


def _suffix(file: Path) -> str:
    return Path(file.name.removesuffix(".gz")).suffix.lower()


def _split_row(line: str, file: Path) -> list[str]:
    """Return the cells of a row of judgements, which are separated by tabs, commas (.csv) or white space."""
    separators = ("\t", ",") if _suffix(file) == ".csv" else ("\t",)
    for separator in separators:
        if len(cells := line.strip().split(separator)) in {3, 4}:
            return [cell.strip().strip('"') for cell in cells]
    return line.split()


def _check_width(cells: list[str], place: str) -> int:
    if len(cells) not in {3, 4}:
        raise DataError(
            f"{place}: expected 3 columns ({', '.join(HEADER)}) or 4 of TREC (query, iteration, document, grade), "
            f"got {len(cells)}"
        )
    return len(cells)


def _read_grade(value: object, place: str) -> int:
    try:
        number = float(str(value))
    except ValueError:
        number = float("nan")
    if isinstance(value, bool) or not abs(number) <= MAX_GRADE or not number.is_integer():
        raise DataError(
            f"{place}: expected a grade, a whole number from -{MAX_GRADE} to {MAX_GRADE} (got {value!r}); the header "
            f"of BEIR is {', '.join(HEADER)}"
        )
    return int(number)


def _check_unique(id_: str, place: str, places: dict[str, str], kind: str) -> None:
    if id_ in places:
        raise DataError(f"{place}: duplicate id '{id_}' of a {kind}, first at {places[id_]}; ids must be unique")
    places[id_] = place
