"""JSON lines: one object per line, also in .gz."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from papertrail.core.errors import DataError
from papertrail.data.formats.text import parse_json, read_lines
from papertrail.data.text import nfc_json, to_id


def read_json_lines(file: Path, keys: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ("file:line", object) for every line that is not blank; texts are in Unicode's form NFC.

    Raises:
        DataError: The file cannot be read as UTF-8; a line is not a JSON object or lacks one of `keys`.
    """
    for number, line in enumerate(read_lines(file), start=1):
        if not line.strip():
            continue
        place = f"{file}:{number}"
        if line.startswith("[") or line.strip() == "{":  # the file is one value
            got = "list" if line.startswith("[") else "the beginning of one"
            raise DataError(f"{place}: expected a JSON object, got {got}; write each object on one line (JSON lines)")
        row = parse_json(line.rstrip("\r\n"), file, number)
        row = nfc_json(row) if "\\u" in line else row  # escapes are decoded now; the line itself is in NFC
        if not isinstance(row, dict):
            raise DataError(f"{place}: expected a JSON object, got {type(row).__name__}")
        if missing := [key for key in keys if key not in row]:
            raise DataError(
                f"{place}: no field '{missing[0]}' (fields: {', '.join(sorted(row))}); correct params.yaml or the line"
            )
        yield place, row


def read_id(value: object, place: str) -> str | None:
    """Return the one spelling of an id, None if there is none; see `papertrail.data.text.to_id`.

    Raises:
        DataError: The value is neither a text nor a number; the message begins with `place`.
    """
    try:
        return to_id(value)
    except TypeError as error:
        raise DataError(f"{place}: {error}") from None
