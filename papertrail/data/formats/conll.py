"""CoNLL columns: one token per line, a blank line after each sentence.

The token is in the first column and its tag in the last, unless `Columns` names others. Tabs separate the columns of a
line that has one, else spaces; other white space is part of the token. `# key = value`, and a line that begins with #
and a space and has no tag, is a comment, as in CoNLL-U and MultiCoNER. Where the token is not in the first column,
every line that begins with # is one, as in GermEval, and a line with the tag O and no token is dropped and counted.

Three tagging schemes are read and converted to IOB2. For a mention of three tokens followed by one of a single token:

    iob2   B I I B   Every mention begins with B.
    iob1   I I I B   B only separates a mention from one right before it. Read as conlleval does: an I that does not
                     continue a mention of its type begins one, and so does every B. This also reads files that mix
                     schemes, such as BC5CDR, which has B I I, but I for a single token.
    bioes  B I E S   Also with BILOU's letters: L for E, U for S.

Source of conlleval: Tjong Kim Sang and Buchholz, 2000, "Introduction to the CoNLL-2000 Shared Task: Chunking".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from papertrail.core.errors import DataError
from papertrail.core.params import strict
from papertrail.core.records import Counts
from papertrail.data.formats.text import read_lines

Tagging = Literal["iob2", "iob1", "bioes"]
LETTERS = {"iob2": "BI", "iob1": "BI", "bioes": "BIESLU"}
DOCUMENT = re.compile(r"-DOCSTART-\s+\((.+?)\)")
COMMENT = re.compile(r"# (?:\S+ = |(?!.*(?<!\S)(?:O|[BIESLU]-\S+)(?!\S)))")  # of a file with the token first
NUMBER = re.compile(r"([0-9]+)(?:[-.]([0-9]+))?")  # 7; 3-7 for token 7 of sentence 3, or tokens 3 to 7 in one word
LINES_CHECKED = 1_000  # for a column of running numbers
Document = int | str | None


def _check_column(number: int) -> int:
    if number == 0:
        raise ValueError("columns count from 1, or from -1 for the last")
    return number


Column = Annotated[int, AfterValidator(_check_column)]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Numbers of columns: 1 is the first, -1 the last."""

    token: Column
    tag: Column


OUTER = Columns(token=1, tag=-1)


def read_sentences(
    file: Path, tagging: Tagging, types: Sequence[str], counts: Counts, columns: Columns = OUTER
) -> Iterator[tuple[Document, list[str], list[str]]]:
    """Yield (document, tokens, IOB2 tags) of each sentence.

    `-DOCSTART-` begins a document; its name is its id, as in `-DOCSTART- (227508)`, or else its number in the file.
    Sentences before the first document have None; in many files these are all.

    Raises:
        DataError: The file cannot be read, a line lacks a column or has an empty token, a tag breaks the scheme or has
            another type than `types`, or the tokens are running numbers.
    """
    _refuse_numbers(file, columns)
    document: Document = None
    documents, is_empty = 0, False  # is_empty: the document has no sentence so far
    tokens: list[str] = []
    tags: list[str] = []
    previous = "O"  # original tag of the token before
    for place, line, cells in _read_rows(file, columns, counts):
        if cells:
            token, tag = cells
            tags.append(_to_iob2(place, tag, previous, tagging))
            tokens.append(token)
            if tags[-1] != "O" and tags[-1][2:] not in types:
                raise DataError(f"{place}: type '{tags[-1][2:]}' is not in types {types}; correct one of them")
            counts.read["tags rewritten to IOB2"] += tags[-1] != tag
            previous = tag
            continue
        if tokens:
            _to_iob2(place, "", previous, tagging)
            yield document, tokens, tags
            is_empty = False
        tokens, tags, previous = [], [], "O"
        if line.startswith("-DOCSTART-"):
            counts.read["documents"] += 1
            counts.dropped["documents without a sentence"] += is_empty
            documents, is_empty = documents + 1, True
            named = DOCUMENT.match(line)
            document = named[1] if named else documents
    counts.dropped["documents without a sentence"] += is_empty


def _read_rows(file: Path, columns: Columns, counts: Counts) -> Iterator[tuple[str, str, tuple[str, str] | None]]:
    """Yield (place, line, token and tag) of each line; None at the end of a sentence. The last line is blank."""
    for number, line in enumerate(chain(read_lines(file), [""]), start=1):
        place = f"{file}:{number}"
        if "\r" in line.rstrip():
            raise DataError(f"{place}: a carriage return within a line; convert the ends of lines to newlines")
        if line.startswith("#") and (columns.token != 1 or COMMENT.match(line)):
            counts.read["comments"] += 1
        elif line.startswith("-DOCSTART-") or not line.strip():
            yield place, line, None
        elif (cells := _read_cells(place, line, columns))[0]:
            yield place, line, cells
        else:
            counts.dropped["empty tokens"] += 1


def _split_columns(line: str) -> list[str]:
    """Return the columns of a line, none of a blank one; trailing white space is not a column."""
    stripped = line.rstrip()
    if "\t" in stripped:
        return [column.strip(" ") for column in stripped.split("\t")]
    return [column for column in stripped.split(" ") if column]


def _read_cells(place: str, line: str, columns: Columns) -> tuple[str, str]:
    """Return the token and the tag of a line; the token is empty if a numbered line has none, outside mentions."""
    cells = _split_columns(line)
    if len(cells) < 2 or max(columns.token, columns.tag) > len(cells) or -min(columns.token, columns.tag) > len(cells):
        needed = "" if columns == OUTER else f" in columns {columns.token} and {columns.tag}"
        raise DataError(f"{place}: expected a token and its tag{needed}, got '{line.rstrip()}'")
    token, tag = (cells[number - 1 if number > 0 else number] for number in (columns.token, columns.tag))
    if token.strip():
        return token, tag
    if columns.token == 1 or tag != "O":
        raise DataError(f"{place}: expected a token and its tag, got '{line.rstrip()}'")
    return "", tag


def _refuse_numbers(file: Path, columns: Columns) -> None:
    """Raise DataError if every token of the first lines is a number, and they count up or start anew."""
    found: list[re.Match[str]] = []
    for line in islice(read_lines(file), LINES_CHECKED):
        cells = _split_columns(line)
        if not cells or line.startswith(("#", "-DOCSTART-")) or len(cells) < columns.token:
            continue
        number = NUMBER.fullmatch(cells[columns.token - 1 if columns.token > 0 else columns.token])
        if number is None:
            return
        found.append(number)
    if any(_count_up([int(number[part] or number[1]) for number in found]) for part in (1, 2)):
        first = ", ".join(number[0] for number in found[:3])
        raise DataError(
            f"{file}: the tokens of column {columns.token} are running numbers ({first}, ...); set `columns` of the "
            "data set in params.yaml, such as {token: 2, tag: 3}"
        )


def _count_up(numbers: list[int]) -> bool:
    pairs = list(pairwise(numbers))
    return any(b - a == 1 for a, b in pairs) and all(b - a in (0, 1) or b <= 1 for a, b in pairs)


def _to_iob2(place: str, tag: str, previous: str, tagging: Tagging) -> str:
    """Return the IOB2 tag of a token.

    Args:
        place: File and line, for messages.
        tag: Tag of the token, "" for the end of a sentence.
        previous: Tag of the token before, "O" at the beginning of a sentence.
        tagging: Scheme of both tags.

    Raises:
        DataError: The tag is not allowed after the previous one.
    """
    letter, type_ = tag[:1], tag[1:]
    continues = previous[1:] == type_
    if tag in ("", "O") or re.fullmatch(f"[{LETTERS[tagging]}]-.+", tag):
        inside = letter in ("I", "E", "L")
        if tagging == "bioes":
            if inside == (previous[:1] in ("B", "I")) and (continues or not inside):
                return f"I{type_}" if inside else f"B{type_}" if type_ else tag
        elif continues or not inside:
            return tag
        elif tagging == "iob1":
            return f"B{type_}"
    what = f"tag '{tag}'" if tag else "the end of a sentence"
    raise DataError(
        f"{place}: {what} after '{previous}' is not {tagging.upper()}; correct the line, or `tagging` or `columns` in "
        f"params.yaml (tags: O, or one of {', '.join(LETTERS[tagging])} with a type, such as B-PER)"
    )
