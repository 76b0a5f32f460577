"""CoNLL columns: a token a line, its IOB2 tag in the last column, a blank line after each sentence."""

from collections.abc import Iterator
from pathlib import Path

from scholar.errors import DataError


def read_sentences(file: Path) -> Iterator[tuple[int, list[str], list[str]]]:
    """(document number, tokens, tags) of each sentence; `-DOCSTART-` opens a new document.

    Raises:
        DataError: the file is missing or not UTF-8, a line has fewer than two columns, or a tag is not IOB2.
    """
    if not file.is_file():
        raise DataError(f"{file}: no such file; fetch the source anew, or mend the name in params.yaml")
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 ({error}); convert it first") from None
    document = 0
    tokens: list[str] = []
    tags: list[str] = []
    for number, line in enumerate([*lines, ""], start=1):
        columns = line.split()
        if line.startswith("-DOCSTART-"):
            document += 1
        elif not columns:
            if tokens:
                yield document, tokens, tags
            tokens, tags = [], []
        elif len(columns) < 2:
            raise DataError(f"{file}:{number}: a token and its tag were expected, got '{line}'")
        else:
            previous = tags[-1] if tags else "O"
            tag = columns[-1]
            if tag != "O" and not tag.startswith("B-") and not (tag.startswith("I-") and previous[2:] == tag[2:]):
                raise DataError(f"{file}:{number}: tag '{tag}' after '{previous}' is not IOB2; convert the file first")
            tokens.append(columns[0])
            tags.append(tag)
