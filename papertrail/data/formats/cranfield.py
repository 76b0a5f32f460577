"""The Cranfield collection: 1,400 abstracts on aerodynamics, 225 questions, graded judgements.

Source: Cleverdon, 1967, "The Cranfield tests on index language devices". Questions are numbered with gaps in cran.qry,
but judged under their position, 1 to 225. Grade 1 is best, 4 is least; documents without a judgement are not relevant.
The last judgement of each question has grade 1 here and -1 (no interest) in other copies. Its document ranks so high
that it is probably the paper that the question was taken from, so it does not count as relevant.
"""

import gzip
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from papertrail.core.errors import DataError
from papertrail.core.records import Row

FIELD = re.compile(r"^\.([A-Z])[ \t]*$", re.MULTILINE)
BEST, LEAST = 1, 4


def read_documents(folder: Path) -> Iterator[Row]:
    """Yield every document, also those without text; the id is its number.

    Raises:
        DataError: The file is missing or has another form.
    """
    for number, fields in _read_fields(folder / "cran.all.1400.gz"):
        title, text = fields.get("T", ""), fields.get("W", "")
        body = text.removeprefix(title).strip(" .")  # the text repeats the title
        yield {"id": number, "title": title, "abstract": body, "year": 0}


def read_queries(folder: Path) -> Iterator[Row]:
    """Yield every question with its relevant documents and their gains: grade 1 is gain 4, grade 4 is gain 1.

    `own` is the document of the last judgement, which is excluded from the relevant ones; "" without judgements.

    Raises:
        DataError: A file is missing or has another form.
    """
    relevant: dict[int, dict[str, int]] = defaultdict(dict)
    last: dict[int, str] = {}
    judgements = folder / "cranqrel"
    for place, line in enumerate(_read_text(judgements).splitlines(), start=1):
        columns = line.split()
        if not columns:
            continue
        if len(columns) != 3 or not all(re.fullmatch(r"-?\d+", column) for column in columns):
            raise DataError(f"{judgements}:{place}: expected three numbers, got '{line}'")
        question, document, grade = int(columns[0]), columns[1], int(columns[2])
        last[question] = document
        if BEST <= grade <= LEAST:
            relevant[question][document] = LEAST + 1 - grade
    for position, (_, fields) in enumerate(_read_fields(folder / "cran.qry"), start=1):
        own = last.get(position, "")
        judged = {document: gain for document, gain in sorted(relevant[position].items()) if document != own}
        yield {
            "id": str(position),
            "query": fields.get("W", ""),
            "own": own,
            "relevant": list(judged),
            "gains": list(judged.values()),
        }


def _read_fields(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (number, field letter -> text) of each record; a record begins with `.I <number>`."""
    records = re.split(r"^\.I[ \t]+", _read_text(file), flags=re.MULTILINE)
    if records[0].strip() or len(records) == 1:
        raise DataError(f"{file}: expected a first line '.I <number>', got '{records[0][:40].strip()}'")
    for record in records[1:]:
        number, _, rest = record.partition("\n")
        parts = FIELD.split(rest)  # text before the first field, then letter, text, letter, text ...
        fields: dict[str, str] = {}
        for letter, text in zip(parts[1::2], parts[2::2], strict=True):
            fields[letter] = " ".join(f"{fields.get(letter, '')} {text}".split())  # two records repeat a letter
        yield number.strip(), fields


def _read_text(file: Path) -> str:
    try:
        content = file.read_bytes()
        text = (gzip.decompress(content) if file.suffix == ".gz" else content).decode("utf-8")
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; expected the folder of the Cranfield collection") from None
    except (gzip.BadGzipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read ({error}); fetch the source again") from None
    return text.replace("\r\n", "\n")
