"""Lines of text files, plain or compressed."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from scholar.errors import DataError


def read_lines(file: Path) -> Iterator[str]:
    """Every line with its end, which is a newline and nothing else; `.gz` is unpacked, a byte order mark is left out.

    Raises:
        DataError: the file is missing, cut off or damaged, or a line is not UTF-8.
    """
    number = 0
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(f"{file}: no such file; fetch the source anew, or mend the name in params.yaml") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file}:{number}: not UTF-8 ({error}); convert it first") from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{file}:{number + 1}: cannot be unpacked ({error}); fetch it anew") from None
