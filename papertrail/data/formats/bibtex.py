"""BibTeX and biblatex. One bad entry is reported with its line, and the others are read.

bibtexparser splits the file into entries. Values are evaluated here, because its middlewares do not join strings by `#`
and decode every field of every entry, used or not; one that cannot be decoded is lost with its entry.
"""

import logging
import re
from typing import Any

from papertrail.core.errors import DataError
from papertrail.data.formats.latex_text import decode_latex
from papertrail.data.text import find_year

Fields = dict[str, str]  # name in lower case -> value as written
PIECE = re.compile(r'\s*(?:(\{)|(")|([^\s#{}",]+))')
BRACE = re.compile(r"\\.|[{}]|[^\\{}]+", re.DOTALL)
QUOTE = re.compile(r'\\.|[{}"]|[^\\{}"]+', re.DOTALL)
NO_KEY = re.compile(r"(@[ \t]*(?!string|preamble|comment)[a-zA-Z]+\s*[{(])(\s*,|(?=\s*[a-zA-Z_-]+\s*=))", re.IGNORECASE)
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
INHERITED = ("title", "subtitle", "abstract", "year", "date")
NOT_CITED = ("xdata", "set", "control", "ieeetranbstctl")  # types of entries that are no works
LEVELS = 10  # of crossref and xdata
VALUE = 1_000_000  # characters; @string of @string could double without end
COMMENT = re.compile(r"%[^\n]*\n\s*")  # before the name of a field
SPACE_BEFORE_TYPE = re.compile(r"^([ \t]*@)[ \t]+(?=[a-zA-Z]+[ \t]*[{(])", re.MULTILINE)
FIELD = re.compile(r"\s*([a-zA-Z_-]+)\s*=")


def read_bibtex(content: str, place: str, problems: list[str]) -> list[dict[str, Any]]:
    """Return {"id", "title", "abstract", "year"} of each entry.

    Args:
        content: Content of a file.
        place: Name of the file, for messages.
        problems: Receives a line per entry or field that is not read, with its line in the file.

    Raises:
        DataError: No entry can be read.
    """
    from bibtexparser.entrypoint import parse_string

    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)  # its warnings become problems
    library = parse_string(_add_keys(content, place, problems), parse_stack=[])
    strings = {name: name for name in MONTHS}
    for string in library.strings:
        strings[string.key.lower()] = evaluate(str(string.value), strings, set())[0]
    raw: dict[str, tuple[str, Fields]] = {}
    for block in sorted([*library.entries, *library.failed_blocks], key=lambda block: block.start_line or 0):
        where = f"{place}:{(block.start_line or 0) + 1}"
        entry: Any = getattr(block, "ignore_error_block", block)
        key = getattr(entry, "key", None)
        if key is None or not hasattr(entry, "fields"):
            problems.append(f"{where}: not a BibTeX entry, left out: {_reason(block)}")
        elif key in raw:
            problems.append(f"{where}: duplicate key '{key}', left out; the first entry is kept")
        else:
            unknown: set[str] = set()
            raw[key] = (str(entry.entry_type).lower(), _fields(entry, where, strings, unknown, problems))
            if unknown:
                problems.append(f"{where}: no @string of the name {', '.join(sorted(unknown))}; the name is kept")
    if not raw:
        raise DataError("; ".join([*problems[:3], f"{place}: no BibTeX entry"]))
    return [_make(key, _inherit(key, raw, LEVELS)) for key, (kind, _) in raw.items() if kind not in NOT_CITED]


def _add_keys(content: str, place: str, problems: list[str]) -> str:
    """Return the content with keys for entries without one, and without spaces before types."""
    number, line, counted = 0, 1, 0

    def add(found: re.Match[str]) -> str:
        nonlocal number, line, counted
        number += 1
        line, counted = line + content.count("\n", counted, found.start()), found.start()
        problems.append(f"{place}:{line}: the entry has no key; it is named no-key-{number}")
        return f"{found[1]}no-key-{number},"

    content = SPACE_BEFORE_TYPE.sub(r"\1", content)
    return NO_KEY.sub(add, content)


def _reason(block: Any) -> str:
    lines = str(getattr(block.error, "abort_reason", None) or block.error or "").strip().splitlines()
    return lines[-1].strip() if lines else "it is not closed, or lacks a comma"


def _fields(entry: Any, where: str, strings: Fields, unknown: set[str], problems: list[str]) -> Fields:
    """Return the fields that are used; of a repeated field the first."""
    fields: Fields = {}
    for field in entry.fields:
        name: str | None = COMMENT.sub("", str(field.key)).lower()
        value, position = str(field.value), 0
        while name is not None:
            if name in fields:
                problems.append(f"{where}: field '{name}' of '{entry.key}' is repeated; the first is kept")
            is_used = name in INHERITED or name in ("crossref", "xdata")
            text, position = evaluate(value, strings, unknown if is_used else set(), position)
            fields.setdefault(name, text if is_used else "")
            after = FIELD.match(value, position)
            if after:
                problems.append(
                    f"{where}: no comma before field '{after[1]}' of '{entry.key}'; it is read nevertheless"
                )
            name, position = (after[1].lower(), after.end()) if after else (None, position)
    return fields


def evaluate(raw: str, strings: Fields, unknown: set[str], position: int = 0) -> tuple[str, int]:
    """Return the text of a value and its end: pieces in braces or quotes, numbers and names of @string, joined by #.

    Args:
        raw: The value as it is written.
        strings: Name in lower case -> text.
        unknown: Receives names that are not in `strings`; they are kept as text.
        position: Where the value begins.
    """
    parts: list[str] = []
    while found := PIECE.match(raw, position):
        position = found.end()
        if found[3] is None:
            end = _closing(raw, position, BRACE if found[1] else QUOTE, "}" if found[1] else '"')
            parts.append(raw[position:end])
            position = end + 1
        else:
            if found[3].lower() not in strings and not found[3][0].isdigit():
                unknown.add(found[3])
            parts.append(strings.get(found[3].lower(), found[3]))
        joined = re.compile(r"\s*#").match(raw, position)
        if joined is None:
            break
        position = joined.end()
    return "".join(parts)[:VALUE], position


def _closing(raw: str, position: int, token: re.Pattern[str], closing: str) -> int:
    """Return where a brace or quote closes, the end of the text if nowhere."""
    depth = 0
    while found := token.match(raw, position):
        if found[0] == closing and depth == 0:
            return position
        depth += (found[0] == "{") - (found[0] == "}")
        position = found.end()
    return len(raw)


def _inherit(key: str, raw: dict[str, tuple[str, Fields]], levels: int) -> Fields:
    """Return the fields of an entry, missing ones taken from its xdata and then its crossref."""
    if key not in raw or levels == 0:
        return {}
    fields = dict(raw[key][1])
    parents = [part.strip() for part in fields.get("xdata", "").split(",") if part.strip()][:LEVELS]
    parent = fields.get("crossref", "").strip()
    for other in [*parents, *([parent] if parent else [])]:
        inherited = _inherit(other, raw, levels - 1 if other == parent else min(levels - 1, 2))
        if "title" in fields:
            inherited.pop("subtitle", None)
        if "year" in fields or "date" in fields:
            inherited = {name: value for name, value in inherited.items() if name not in ("year", "date")}
        fields = {**{name: inherited[name] for name in INHERITED if name in inherited}, **fields}
    return fields


def _make(key: str, fields: Fields) -> dict[str, Any]:
    texts = {name: " ".join(decode_latex(fields.get(name, "")).split()) for name in ("title", "subtitle", "abstract")}
    title = texts["title"]
    if title and texts["subtitle"] and texts["subtitle"] not in title:
        title += (" " if title[-1] in ":?!." else ": ") + texts["subtitle"]
    year = find_year(fields.get("year")) or find_year(fields.get("date"))
    return {"id": key, "title": title, "abstract": texts["abstract"], "year": year}
