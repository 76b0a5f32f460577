"""Tables as text, such as CSV: one record per line; a quoted cell may continue on the next lines."""

import csv
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from papertrail.core.errors import DataError
from papertrail.data.formats.text import read_lines
from papertrail.data.text import NO_VALUE


def read_table(file: Path, delimiter: str, columns: Collection[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ("file:line", column -> cell) for every record that is not blank; the line is where the record begins.

    A cell that says NaN or null in words is empty; spaces around the names of columns do not count.

    Raises:
        DataError: The file cannot be read as UTF-8; its first line lacks one of `columns` or has it twice; a record has
            more or fewer cells than the first line; a quote is not closed.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the default refuses a cell of 128 KiB, such as a full text
    reader = csv.reader(read_lines(file), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    first_line = 1  # of the next record
    try:
        for cells in reader:
            place, first_line = f"{file}:{first_line}", reader.line_num + 1
            if names is None:
                names = _check_names([cell.strip() for cell in cells], columns, delimiter, place)
            elif any(cell.strip() for cell in cells):
                if len(cells) != len(names):
                    raise DataError(f"{place}: expected {len(names)} cells, got {len(cells)}; correct the quotes")
                values = ("" if cell.strip().lower() in NO_VALUE else cell for cell in cells)
                yield place, dict(zip(names, values, strict=True))
    except csv.Error as error:
        advice = "correct the line; a cell with a quote needs quotes around it, and each quote in it twice"
        raise DataError(f"{file}:{first_line}: not a record of cells: {error}; {advice}") from None
    if names is None:
        raise DataError(f"{file}: empty; expected a line of column names")


def _check_names(names: list[str], columns: Collection[str], delimiter: str, place: str) -> list[str]:
    for column in columns:
        if names.count(column) != 1:
            problem = f"{names.count(column)} columns '{column}'" if column in names else f"no column '{column}'"
            raise DataError(
                f"{place}: {problem} (columns: {', '.join(names)}); correct the names or the delimiter "
                f"'{delimiter}' in params.yaml"
            )
    return names
