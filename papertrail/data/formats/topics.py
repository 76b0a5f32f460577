"""Topics of TREC: questions in tags, as `<top> <num> Number: 301 <title> ...` or `<topic number="1"> <query> ...`."""

import re
from collections.abc import Iterator
from html import unescape
from itertools import pairwise
from pathlib import Path

from papertrail.core.errors import DataError
from papertrail.data.formats.text import read_lines

BOUNDARY = re.compile(r"<(/?)top(?:ic)?\b([^<>]*)>", re.IGNORECASE)  # a topic lasts until the next one
ATTRIBUTE = re.compile(r"""\b(?:number|id|num)\s*=\s*["']([^"']*)["']""", re.IGNORECASE)
FIELD = re.compile(r"<([a-z][\w-]*)\b[^<>]*>((?:[^<]|<(?![a-z/!]))*)", re.IGNORECASE)
LABEL = re.compile(r"\s*(?:number|topic|description|narrative):", re.IGNORECASE)  # repeats the name of the tag
NUMBER = "num"


def read_topics(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ("file:line", tag in lower case -> text) of each topic; its number is also under `num`.

    Raises:
        DataError: The file cannot be read as UTF-8, or has no topic.
    """
    text = "".join(read_lines(file))
    line, counted, topics = 1, 0, 0
    boundaries = [*BOUNDARY.finditer(text), None]
    for begin, end in pairwise(boundaries):
        if begin is None or begin[1]:
            continue
        line, counted, topics = line + text.count("\n", counted, begin.start()), begin.start(), topics + 1
        fields: dict[str, str] = {}
        for tag, value in FIELD.findall(text, begin.end(), end.start() if end else len(text)):
            fields.setdefault(tag.lower(), " ".join(LABEL.sub("", unescape(value), count=1).split()))
        if attribute := ATTRIBUTE.search(begin[2]):
            fields[NUMBER] = attribute[1]
        yield f"{file}:{line}", fields
    if not topics:
        raise DataError(f"{file}: no topic; expected <top> ... </top> or <topic> ... </topic>")
