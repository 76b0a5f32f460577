"""Lines of text files, plain or compressed with gzip, and JSON in them."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from papertrail.core.errors import DataError
from papertrail.data.text import nfc


def read_lines(file: Path) -> Iterator[str]:
    """Yield every line with its end, in Unicode's form NFC; only a newline ends a line.

    `.gz` is unpacked, a byte order mark is removed.

    Raises:
        DataError: The file is missing, truncated or damaged, or a line is not UTF-8.
    """
    number = 0
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                yield nfc(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(f"{file}: no such file; fetch the source again, or correct the name in params.yaml") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file}:{number}: not UTF-8 ({error}); convert the file to UTF-8 first") from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{file}:{number + 1}: cannot be unpacked ({error}); fetch the source again") from None


def parse_json(text: str, file: Path | str, first_line: int = 1) -> Any:
    """Return the value of a JSON text.

    Args:
        text: JSON.
        file: Where it is from, for messages.
        first_line: Line of the file in which it begins.

    Raises:
        DataError: It is not valid JSON, has half of a surrogate pair in a string, or is nested too deeply.
    """
    try:
        value = json.loads(text)
        if "\\ud" in text.lower():  # escapes of surrogates, which are characters in pairs only
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        reason = f"{error.msg}, column {error.colno}"
        line = first_line + error.lineno - 1
        raise DataError(f"{file}:{line}: not valid JSON ({reason}); the file may be truncated") from None
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise DataError(f"{file}:{first_line}: half a character ({half}) in a string; correct the escape") from None
    except (RecursionError, ValueError) as error:  # ValueError: an integer of thousands of digits
        raise DataError(f"{file}:{first_line}: nested too deeply, or a number is too long ({error})") from None
    return value
