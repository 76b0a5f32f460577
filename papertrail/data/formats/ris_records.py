"""RIS files of a bibliography manager or a screening tool as records of texts, plain or in .gz; parsed by rispy."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from papertrail.core.errors import DataError
from papertrail.data.formats.text import read_lines

BEGIN = re.compile(r"^TY {0,2}-", re.MULTILINE)

ALIASES = {  # name -> rispy's names for the same thing, from the tags that other programs write; the first is used
    "id": ("id", "accession_number", "doi"),
    "title": ("title", "primary_title", "short_title"),
    "abstract": ("abstract", "notes_abstract"),
    "year": ("year", "publication_year", "date"),
}


def read_ris(file: Path, columns: Collection[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ("file: record number", name -> text) of each record; repeated tags are joined by line ends.

    Args:
        file: A RIS file.
        columns: Names that are read, those of rispy such as `notes`, or a key of ALIASES.

    Raises:
        DataError: The file cannot be read as RIS, has no record, or none of its records has one of `columns`.
    """
    import rispy
    from rispy.parser import ParseError

    text = "".join(read_lines(file))
    try:
        records = rispy.loads(text)
    except (ParseError, LookupError, ValueError, TypeError, AttributeError) as error:  # as rispy meets a strange line
        raise DataError(f"{file}: not a RIS file ({error}); export it again") from None
    begun = len(BEGIN.findall(text))
    if not records or len(records) != begun:
        what = f"{begun} records begin with `TY  - ` and {len(records)} end with `ER  - `" if begun else "no record"
        raise DataError(f"{file}: not a RIS file, or damaged: {what}; export it again")
    rows = [_to_texts(record) for record in records]
    names = sorted({name for row in rows for name, text in row.items() if text})
    for column in columns:
        if column not in names:
            raise DataError(f"{file}: no record has '{column}' (names: {', '.join(names)}); correct it in params.yaml")
    for number, row in enumerate(rows, start=1):
        yield f"{file}: record {number}", {column: row.get(column, "") for column in columns}


def _to_texts(record: dict[str, Any]) -> dict[str, str]:
    record |= {tag: values for tag, values in record.pop("unknown_tag", {}).items() if tag}  # None: lines without a tag
    texts = {
        name: "\n".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in record.items()
    }
    for name, others in ALIASES.items():
        texts[name] = next((texts[other] for other in others if texts.get(other)), "")
    return texts
