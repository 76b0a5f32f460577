"""Records of the SMART system: documents and questions of Cranfield, CISI, Medline, CACM and similar collections.

A record begins with a line `.I <number>`. A line with a point and a letter begins a field, such as `.T` for the title
and `.W` for the text. Where the text repeats the title, as in Cranfield, the repetition is removed.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from papertrail.core.errors import DataError
from papertrail.data.formats.text import read_lines

NUMBER, TITLE, TEXT = "I", "T", "W"
FIRST = re.compile(r"\.I[ \t]+(\S+)\s*")
FIELD = re.compile(r"\.([A-Z])[ \t]*")


def read_smart(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ("file:line", field letter -> text) of each record; field I is the number as it is written.

    Lines of a field are joined by spaces, also those of a field that a record has twice.

    Raises:
        DataError: The file cannot be read as UTF-8, or does not begin with `.I <number>`.
    """
    place, fields, letter = "", dict[str, list[str]](), ""
    for number, line in enumerate(read_lines(file), start=1):
        text = line.rstrip("\r\n")
        if first := FIRST.fullmatch(text):
            if fields:
                yield place, _join(fields)
            place, fields, letter = f"{file}:{number}", {NUMBER: [first[1]]}, ""
        elif not fields and text.strip():
            raise DataError(f"{file}:{number}: expected a first line '.I <number>', got '{text[:40].strip()}'")
        elif begins := FIELD.fullmatch(text):
            letter = begins[1]
            fields.setdefault(letter, [])
        elif letter:
            fields[letter].extend(text.split())
    if not fields:
        raise DataError(f"{file}: empty; expected a first line '.I <number>'")
    yield place, _join(fields)


def _join(words: dict[str, list[str]]) -> dict[str, str]:
    """Return the text of each field, that of the document without its title."""
    fields = {letter: " ".join(found) for letter, found in words.items()}
    title, text = fields.get(TITLE, ""), fields.get(TEXT, "")
    if title and text.startswith(title):
        fields[TEXT] = text.removeprefix(title).strip(" .")
    return fields
