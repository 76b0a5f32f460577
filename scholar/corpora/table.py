"""Tables as text: one record a line of comma-separated values or the like, which a quoted cell may continue."""

import csv
from collections.abc import Collection, Iterator
from pathlib import Path

from scholar.corpora.text import read_lines
from scholar.errors import DataError


def read_table(file: Path, delimiter: str, columns: Collection[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """("file:line", column -> cell) for every record that is not blank; its line is the one that it begins in.

    Raises:
        DataError: the file cannot be read as UTF-8; its first line lacks one of `columns`, or has one twice; a record
            has more or fewer cells than that line; a quote is never closed.
    """
    reader = csv.reader(read_lines(file), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    begins = 1  # line of the next record
    try:
        for cells in reader:
            place, begins = f"{file}:{begins}", reader.line_num + 1
            if names is None:
                names = _check_names(cells, columns, delimiter, place)
            elif cells and len(cells) != len(names):
                raise DataError(f"{place}: {len(names)} cells were expected, got {len(cells)}; mend the quotes")
            elif cells:
                yield place, dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise DataError(f"{file}:{begins}: not a record of cells: {error}") from None
    if names is None:
        raise DataError(f"{file}: empty; a line of column names was expected")


def _check_names(names: list[str], columns: Collection[str], delimiter: str, place: str) -> list[str]:
    for column in columns:
        if names.count(column) != 1:
            told = (
                f"column '{column}' stands {names.count(column)} times" if column in names else f"no column '{column}'"
            )
            mend = f"mend the names, or the delimiter '{delimiter}', in params.yaml"
            raise DataError(f"{place}: {told} (columns: {', '.join(names)}); {mend}")
    return names
