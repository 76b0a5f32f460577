"""Files and bytes as text."""

import gzip
import io
import zlib
from pathlib import Path

from papertrail.core.errors import DataError

UNPACKED_BYTES = 1_000_000_000  # of a gzip file: larger ones are taken for a bomb
SIGNATURES = {  # first bytes -> what the file is
    b"%PDF": "a PDF; convert it, for example with GROBID",
    b"PK\x03\x04": "a ZIP archive, such as DOCX or EPUB; convert or unpack it",
    b"\xd0\xcf\x11\xe0": "an old Word or Excel file; convert it",
    b"{\\rtf": "RTF; save it as plain text",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"SQLite format 3": "an SQLite database; export it",
    b"%!PS": "PostScript; convert it",
}


def read_text(file: Path) -> str:
    """Return the text of a file; gzip is unpacked.

    Raises:
        DataError: The file is missing, a folder, damaged, not UTF-8, or in a format that is no text.
    """
    try:
        return decode(file.read_bytes(), str(file))
    except FileNotFoundError:
        raise DataError(f"{file}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{file}: is a folder; name a file in it") from None


def decode(content: bytes, place: str) -> str:
    """Return the text of UTF-8 bytes; line ends are kept, so that offsets are valid. gzip is unpacked.

    Raises:
        DataError: The bytes are not UTF-8 (the message has the line), damaged gzip, or of a format that is no text.
    """
    if content.startswith(b"\x1f\x8b"):
        content = _unpack(content, place)
    for signature, name in SIGNATURES.items():
        if content.startswith(signature):
            raise DataError(f"{place}: is {name}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{place}:{line}: not UTF-8 ({error.reason}); convert the file to UTF-8") from None


def _unpack(content: bytes, place: str) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as file:
            unpacked = file.read(UNPACKED_BYTES + 1)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{place}: cannot be unpacked ({error}); the file may be truncated") from None
    if len(unpacked) > UNPACKED_BYTES:
        raise DataError(f"{place}: more than {UNPACKED_BYTES:,} bytes when unpacked; unpack a part of it")
    return unpacked
