"""JSON lines: one object a line, also in .gz."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scholar.corpora.text import read_lines
from scholar.errors import DataError


def read_json_lines(file: Path, keys: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """("file:line", object) for every line that is not blank.

    Raises:
        DataError: the file cannot be read as UTF-8; a line is no JSON object or lacks one of `keys`.
    """
    for number, line in enumerate(read_lines(file), start=1):
        if line.strip():
            yield f"{file}:{number}", _parse(line, f"{file}:{number}", keys)


def _parse(line: str, place: str, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        row = json.loads(line)
        if "\\ud" in line.lower():  # such escapes come in pairs; half of one is no character
            json.dumps(row, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: not valid JSON ({error}); the file may be cut off") from None
    except UnicodeEncodeError as error:
        raise DataError(f"{place}: no text ({error}); mend the escape") from None
    if not isinstance(row, dict):
        raise DataError(f"{place}: an object was expected, got {type(row).__name__}")
    missing = [key for key in keys if key not in row]
    if missing:
        raise DataError(f"{place}: no field '{missing[0]}' (fields: {', '.join(sorted(row))})")
    return row
