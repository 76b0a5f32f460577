"""JSON lines: one object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scholar.errors import DataError


def read_json_lines(file: Path, keys: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """("file:line", object) for every line that is not blank.

    Raises:
        DataError: the file is missing or not UTF-8; a line is no JSON object or lacks one of `keys`.
    """
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield f"{file}:{number}", _parse(line, f"{file}:{number}", keys)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; fetch the source anew, or mend the name in params.yaml") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 ({error}); convert it first") from None


def _parse(line: str, place: str, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: not valid JSON ({error}); the file may be cut off") from None
    if not isinstance(row, dict):
        raise DataError(f"{place}: an object was expected, got {type(row).__name__}")
    missing = [key for key in keys if key not in row]
    if missing:
        raise DataError(f"{place}: no field '{missing[0]}' (fields: {', '.join(sorted(row))})")
    return row
