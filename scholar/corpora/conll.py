"""CoNLL columns: a token a line, its tag in the last column, a blank line after each sentence.

Tabs part the columns of a line that has one, else plain spaces: other white space is of the token.

Three conventions are read, all as IOB2; here a mention of three tokens, directly followed by one of a single token:

    iob2   B I I B   every mention begins with B
    iob1   I I I B   B only parts a mention from another right before it. Read as conlleval does: an I that continues
                     nothing of its type begins a mention, and so does every B. Files of mixed habits lose nothing by
                     it, such as BC5CDR, which has B I I, but a bare I for a single token
    bioes  B I E S   also under BILOU's letters: L for E, U for S

Source of conlleval: Tjong Kim Sang and Buchholz, 2000, "Introduction to the CoNLL-2000 Shared Task: Chunking".
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

from scholar.corpora.text import read_lines
from scholar.errors import DataError
from scholar.records import Counts

Tagging = Literal["iob2", "iob1", "bioes"]
LETTERS = {"iob2": "BI", "iob1": "BI", "bioes": "BIESLU"}
DOCUMENT = re.compile(r"-DOCSTART-\s+\((.+?)\)")


def read_sentences(
    file: Path, tagging: Tagging, types: Sequence[str], counts: Counts
) -> Iterator[tuple[int | str | None, list[str], list[str]]]:
    """(document, tokens, IOB2 tags) of each sentence.

    `-DOCSTART-` opens a document, which is called by its id, as in `-DOCSTART- (227508)`, or else by its number; None
    is that of the sentences before the first, which in many files are all.

    Raises:
        DataError: the file cannot be read, a line has fewer than two columns or an empty token, or a tag breaks the
            convention or is of none of `types`.
    """
    document: int | str | None = None
    opened, bare = 0, False  # bare: the document has no sentence so far
    tokens: list[str] = []
    tags: list[str] = []
    previous = "O"  # tag of the token before, as the file has it
    for number, line in enumerate(chain(read_lines(file), [""]), start=1):
        columns = _split_columns(line)
        opens = line.startswith("-DOCSTART-")
        if columns and not opens:
            if len(columns) < 2 or not columns[0].strip():
                raise DataError(f"{file}:{number}: a token and its tag were expected, got '{line.rstrip()}'")
            tokens.append(columns[0])
            tags.append(_to_iob2(f"{file}:{number}", columns[-1], previous, tagging))
            if tags[-1] != "O" and tags[-1][2:] not in types:
                raise DataError(f"{file}:{number}: type '{tags[-1][2:]}' is not in types {types}; mend either")
            counts.read["tags rewritten to IOB2"] += tags[-1] != columns[-1]
            previous = columns[-1]
            continue
        if tokens:
            _to_iob2(f"{file}:{number}", "", previous, tagging)
            yield document, tokens, tags
            bare = False
        tokens, tags, previous = [], [], "O"
        if opens:
            counts.read["documents"] += 1
            counts.dropped["documents without a sentence"] += bare
            opened, bare = opened + 1, True
            told = DOCUMENT.match(line)
            document = told[1] if told else opened
    counts.dropped["documents without a sentence"] += bare


def _split_columns(line: str) -> list[str]:
    """The columns of a line, none of a blank one; white space at its end is no column."""
    told = line.rstrip()
    return told.split("\t") if "\t" in told else [column for column in told.split(" ") if column]


def _to_iob2(place: str, tag: str, previous: str, tagging: Tagging) -> str:
    """The IOB2 tag of a token, by its own tag and that of the token before; no tag stands for the end of a sentence."""
    letter, kind = tag[:1], tag[1:]
    continues = previous[1:] == kind
    if tag in ("", "O") or re.fullmatch(f"[{LETTERS[tagging]}]-.+", tag):
        inside = letter in ("I", "E", "L")
        if tagging == "bioes":
            if inside == (previous[:1] in ("B", "I")) and (continues or not inside):
                return f"I{kind}" if inside else f"B{kind}" if kind else tag
        elif continues or not inside:
            return tag
        elif tagging == "iob1":
            return f"B{kind}"
    what = f"tag '{tag}'" if tag else "the end of a sentence"
    raise DataError(
        f"{place}: {what} after '{previous}' is not {tagging.upper()}; mend the line, or `tagging` in params.yaml"
    )
