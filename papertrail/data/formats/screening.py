"""Screened papers: records with title, abstract, date and a label, from CSV and RIS files of any program."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from papertrail.core.errors import DataError
from papertrail.core.params import strict
from papertrail.core.records import Counts, Row
from papertrail.data.formats.ris_records import read_ris
from papertrail.data.formats.table import read_table
from papertrail.data.text import NO_VALUE, to_id

DATE = re.compile(r"([0-9]{4})(?:\.0)?(?:[-/]([0-9]{1,2})?)?(?:[-/]([0-9]{1,2})?)?(?:[/T ].*)?")
Label = Literal[0, 1]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the columns.

    Without `id` the number of the record is the id; without `abstract` papers have titles only; only a split by date
    needs a `date`.
    """

    id: str | None
    title: str
    abstract: str | None
    label: str
    date: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How to read the records of a file.

    Attributes:
        columns: Names of the columns.
        delimiter: Of a table; None for RIS.
        date_format: Of strptime; None reads a year, a month or a day as in 2015, 2015.0, 2015-01, 2015/01/31.
        labels: Text of a label -> 1, 0 or None for a paper that nobody has screened; None expects 0 and 1.
        required: Texts that a paper needs; None: one of title and abstract.
        needs_date: Whether papers without a date are dropped.
    """

    columns: Columns
    delimiter: str | None
    date_format: str | None
    labels: Mapping[str, Label | None] | None
    required: list[Literal["title", "abstract"]] | None
    needs_date: bool


def label_key(text: str) -> str:
    """Return what labels are compared by: 1.0 is 1, case and outer spaces do not count; "" if there is none."""
    return (_cell_id(text) or "").casefold()


def _cell_id(cell: str) -> str | None:
    return None if cell.strip().lower() in NO_VALUE else to_id(" ".join(cell.split()))


def read_screened(file: Path, form: Form, prefix: str, counts: Counts) -> Iterator[tuple[Row, Label]]:
    """Yield (id, title, abstract and ISO date, label) of each paper in the order of the file.

    Args:
        file: A table, or RIS.
        form: How to read it.
        prefix: Of the number of a record as its id.
        counts: Receives what was read and dropped.

    Raises:
        DataError: The file cannot be read; an id is empty, or has two labels; a label or a date has another form.
    """
    seen: dict[str, Label] = {}
    names = [name for name in dict.fromkeys(astuple(form.columns)) if name is not None]
    records = read_ris(file, names) if form.delimiter is None else read_table(file, form.delimiter, names)
    for number, (place, cells) in enumerate(records, start=1):
        counts.read["papers"] += 1
        row = _read_texts(cells, form.columns)
        row["id"] = f"{prefix}{number}" if form.columns.id is None else _cell_id(cells[form.columns.id])
        if row["id"] is None:
            raise DataError(f"{place}: {form.columns.id}: empty; every paper needs an id")
        label = _read_label(cells[form.columns.label], form, f"{place}: {form.columns.label}")
        if fault := "papers not screened" if label is None else _find_fault(row, form):
            counts.dropped[fault] += 1
        elif row["id"] in seen:
            if seen[row["id"]] != label:
                wrong = f"duplicate id '{row['id']}' with label {seen[row['id']]} before and {label} here"
                raise DataError(f"{place}: {form.columns.id}: {wrong}; keep one of them")
            counts.dropped["papers with a duplicate id"] += 1
        elif label is not None:
            seen[row["id"]] = label
            counts.read["papers without an abstract"] += not row["abstract"]
            yield {**row, "date": _read_day(row["date"], form, f"{place}: {form.columns.date}", counts)}, label


def _read_texts(cells: Mapping[str, str], columns: Columns) -> Row:
    texts = {}
    for name, column in (("title", columns.title), ("abstract", columns.abstract), ("date", columns.date)):
        text = "" if column is None else " ".join(cells[column].split())
        texts[name] = "" if text.lower() in NO_VALUE else text
    return {"id": None, **texts}


def _find_fault(row: Row, form: Form) -> str:
    """Return why a paper cannot be used, "" if it can."""
    for name in form.required or ():
        if not row[name]:
            return f"papers without {'an' if name == 'abstract' else 'a'} {name}"
    if not row["title"] and not row["abstract"]:
        return "papers without title and abstract"
    return "papers without a date" if form.needs_date and not row["date"] else ""


def _read_label(cell: str, form: Form, place: str) -> Label | None:
    """Return the label of a paper, None if nobody has screened it."""
    if form.labels is None:
        text = " ".join(cell.split())
        if text not in ("0", "1"):
            raise DataError(f"{place}: expected 0 or 1, got '{text}'; map other labels by `labels` in params.yaml")
        return 1 if text == "1" else 0
    known = {label_key(text): label for text, label in form.labels.items()}
    keys = [label_key(text) for text in (cell, *cell.split("\n"))]  # a RIS record may have several notes
    for key in keys:
        if key in known:
            return known[key]
    if keys[0] and form.delimiter is not None:
        expected = ", ".join(f"'{text}'" for text in form.labels)
        raise DataError(f"{place}: expected one of {expected} or nothing, got '{cell.strip():.80}'; add it to `labels`")
    return None


def _read_day(text: str, form: Form, place: str, counts: Counts) -> str:
    """Return an ISO date, "" without one; a date that no split needs may have any form."""
    try:
        if not text:
            return ""
        if form.date_format is not None:
            return datetime.strptime(to_id(text) or "", form.date_format).date().isoformat()
        if found := DATE.fullmatch(text):
            return date(int(found[1]), int(found[2] or 1), int(found[3] or 1)).isoformat()
    except ValueError:
        pass
    if not form.needs_date:
        counts.dropped["dates of another form, not needed"] += 1
        return ""
    example = "2015, 2015-01 or 2015-01-31"
    if form.date_format is not None:
        example = f"'{date(2015, 1, 31):{form.date_format}}'"
    raise DataError(
        f"{place}: expected a date such as {example}, got '{text}'; set `date_format` of strptime in params.yaml, or "
        "split: random"
    )
