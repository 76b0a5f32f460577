"""Topics of TREC: questions in tags, as `<top> <num> Number: 301 <title> ...` or `<topic number="1"> <query> ...`."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

from papertrail.core.errors import DataError
from papertrail.data.formats.text import read_lines

TOPIC = re.compile(r"<top(?:ic)?\b([^>]*)>(.*?)</top(?:ic)?>", re.DOTALL | re.IGNORECASE)
ATTRIBUTE = re.compile(r"""\b(?:number|id|num)\s*=\s*["']([^"']*)["']""", re.IGNORECASE)
FIELD = re.compile(r"<([a-z][\w-]*)\b[^>]*>([^<]*)", re.IGNORECASE)
LABEL = re.compile(r"\s*(?:number|topic|description|narrative):", re.IGNORECASE)  # repeats the name of the tag
NUMBER = "num"


def read_topics(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ("file:line", tag in lower case -> text) of each topic; its number is also under `num`.

    Raises:
        DataError: The file cannot be read as UTF-8, or has no topic.
    """
    text, last, line = "".join(read_lines(file)), 0, 1
    for topic in TOPIC.finditer(text):
        line, last = line + text.count("\n", last, topic.start()), topic.start()
        fields: dict[str, str] = {}
        for tag, value in FIELD.findall(topic[2]):
            fields.setdefault(tag.lower(), " ".join(LABEL.sub("", unescape(value), count=1).split()))
        if attribute := ATTRIBUTE.search(topic[1]):
            fields[NUMBER] = attribute[1]
        yield f"{file}:{line}", fields
    if not last and not TOPIC.search(text):
        raise DataError(f"{file}: no topic; expected <top> ... </top> or <topic> ... </topic>")
