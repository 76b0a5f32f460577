"""Single records of arXiv's snapshot: ids, years, and texts cleaned of encoding errors. The reader is in arxiv.py."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from papertrail.core.records import Counts
from papertrail.data.text import nfc

# An id has the last two digits of the year, the month and a number of four digits, from 2015 on of five. Before April
# 2007 it has the archive and seven digits. The pattern means the same to Python and to RE2, which duckdb uses.
ID = r"(070[4-9]|071[0-2]|(0[89]|1[0-4])[0-9]{2})\.[0-9]{4}|(1[5-9]|[2-8][0-9])[0-9]{2}\.[0-9]{5}"
ID += r"|[a-z]+(-[a-z]+)?/[0-9]{7}"
LATEX_COMMANDS = 16  # from here on a record is counted as heavy in LaTeX
ENCODED_TWICE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf]+")  # bytes of UTF-8 that were decoded as Latin-1
CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Record:
    """A paper; the first of its `categories` is the primary one; `year` of submission, from the id."""

    id: str
    title: str
    abstract: str
    categories: tuple[str, ...]
    year: int


def repair_id(raw: str) -> str | None:
    """Return the arXiv id that an id in a file means, None if it is not one.

    A prefix, a version and spaces are removed; zeros that a spreadsheet removed are added: 704.061 is 0704.0610,
    1905.0402600000002 is 1905.04026, math.GT/0309136v2 is math/0309136.
    """
    key = re.sub(r"^(https?://(www\.)?arxiv\.org/(abs|pdf)/|oai:arxiv\.org:|arxiv:)", "", raw.strip().lower()).strip()
    key = re.sub(r"(v[0-9]+)?(\.pdf)?$", "", key)
    if old := re.fullmatch(r"([a-z]+(?:-[a-z]+)?)(?:\.[a-z]{2})?/?([0-9]{7})", key):
        return f"{old[1]}/{old[2]}"
    new = re.fullmatch(r"([0-9]{3,4})\.([0-9]+)", key)
    if new is None:
        return None
    month, number = new[1].zfill(4), new[2]
    digits = 5 if month >= "1501" else 4
    if len(number) > 10:  # a binary fraction
        number = f"{float(f'0.{number}'):.{digits}f}".removeprefix("0.")
    id_ = f"{month}.{number.ljust(digits, '0')}"
    return id_ if re.fullmatch(ID, id_) else None


def make_record(id_: str, texts: Sequence[str], counts: Counts) -> Record:
    """Return a cleaned record.

    Args:
        id_: A repaired id.
        texts: Title, abstract and categories as in the file.
        counts: Receives the number of texts that were cleaned.
    """
    number = id_.rpartition("/")[2]
    year = int(number[:2]) + (1900 if number[0] == "9" else 2000)
    title, abstract = (_clean(text, counts) for text in texts[:2])
    heavy = len(re.findall(r"\\[A-Za-z]+", f"{title} {abstract}")) >= LATEX_COMMANDS
    counts.read[f"chosen records with {LATEX_COMMANDS} LaTeX commands or more"] += heavy
    return Record(id_, title, abstract, tuple(texts[2].replace(",", " ").split()), year)


def _clean(text: str, counts: Counts) -> str:
    """Collapse white space, decode text that was encoded twice and remove control characters; count the latter two."""
    decoded = text
    while not decoded.isascii() and (once := ENCODED_TWICE.sub(_decode, decoded)) != decoded:  # some were thrice
        decoded = once
    counts.read["chosen texts with characters encoded twice"] += decoded != text
    collapsed = " ".join(decoded.split())
    cleaned = collapsed if collapsed.isprintable() else CONTROL.sub("", collapsed)
    counts.read["chosen texts with control characters"] += cleaned != collapsed
    return nfc(cleaned)


def _decode(found: re.Match[str]) -> str:
    try:
        return found[0].encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return found[0]
