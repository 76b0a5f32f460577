"""CoNLL columns: one token per line, its tag in the last column, a blank line after each sentence.

Tabs separate the columns of a line that has one, else spaces; other white space is part of the token.

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
from itertools import chain
from pathlib import Path
from typing import Literal

from papertrail.core.errors import DataError
from papertrail.core.records import Counts
from papertrail.data.formats.text import read_lines

Tagging = Literal["iob2", "iob1", "bioes"]
LETTERS = {"iob2": "BI", "iob1": "BI", "bioes": "BIESLU"}
DOCUMENT = re.compile(r"-DOCSTART-\s+\((.+?)\)")
Document = int | str | None


def read_sentences(
    file: Path, tagging: Tagging, types: Sequence[str], counts: Counts
) -> Iterator[tuple[Document, list[str], list[str]]]:
    """Yield (document, tokens, IOB2 tags) of each sentence.

    `-DOCSTART-` begins a document; its name is its id, as in `-DOCSTART- (227508)`, or else its number in the file.
    Sentences before the first document have None; in many files these are all.

    Raises:
        DataError: The file cannot be read, a line has fewer than two columns or an empty token, or a tag breaks the
            scheme or has another type than `types`.
    """
    document: Document = None
    documents, is_empty = 0, False  # is_empty: the document has no sentence so far
    tokens: list[str] = []
    tags: list[str] = []
    previous = "O"  # original tag of the token before
    for number, line in enumerate(chain(read_lines(file), [""]), start=1):
        place, columns, begins = f"{file}:{number}", _split_columns(line), line.startswith("-DOCSTART-")
        if columns and not begins:
            tags.append(_read_tag(place, line, columns, previous, tagging))
            tokens.append(columns[0])
            if tags[-1] != "O" and tags[-1][2:] not in types:
                raise DataError(f"{place}: type '{tags[-1][2:]}' is not in types {types}; correct one of them")
            counts.read["tags rewritten to IOB2"] += tags[-1] != columns[-1]
            previous = columns[-1]
            continue
        if tokens:
            _to_iob2(place, "", previous, tagging)
            yield document, tokens, tags
            is_empty = False
        tokens, tags, previous = [], [], "O"
        if begins:
            counts.read["documents"] += 1
            counts.dropped["documents without a sentence"] += is_empty
            documents, is_empty = documents + 1, True
            named = DOCUMENT.match(line)
            document = named[1] if named else documents
    counts.dropped["documents without a sentence"] += is_empty


def _split_columns(line: str) -> list[str]:
    """Return the columns of a line, none of a blank one; trailing white space is not a column."""
    stripped = line.rstrip()
    return stripped.split("\t") if "\t" in stripped else [column for column in stripped.split(" ") if column]


def _read_tag(place: str, line: str, columns: list[str], previous: str, tagging: Tagging) -> str:
    """Return the IOB2 tag of a line with a token."""
    if len(columns) < 2 or not columns[0].strip():
        raise DataError(f"{place}: expected a token and its tag, got '{line.rstrip()}'")
    return _to_iob2(place, columns[-1], previous, tagging)


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
        f"{place}: {what} after '{previous}' is not {tagging.upper()}; correct the line, or `tagging` in params.yaml"
    )
