"""arXiv's snapshot: the metadata of all its papers, one JSON object a line (2.9 million, 4.5 GB), or as Parquet.

Source: https://www.kaggle.com/datasets/Cornell-University/arxiv (CC0); a mirror in Parquet is
https://huggingface.co/datasets/librarian-bots/arxiv-metadata-snapshot. Any file with id (or arxiv_id), title, abstract
and categories will do.

duckdb reads it twice, on all threads, within MEMORY: first what decides whether a record can be used, then the texts of
those chosen. Every question about it is answered in the order of the files or of sha256, so that neither the number of
threads nor duckdb's version (its own hash and sample are bound to both) changes an answer; the order by sha256 is that
of scholar.splits.sample.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import duckdb
import pyarrow as pa
from pydantic import Field

from scholar.errors import DataError
from scholar.records import Counts

MEMORY = "512MB"  # of duckdb; what does not fit goes to a temporary file
SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz", ".parquet")
COLUMNS = ("id", "arxiv_id", "title", "abstract", "categories")  # all that is read; arxiv_id where there is no id
BITS = 1 << 23  # a megabyte; of 20,000 ids sought, one other in 400 has the bit of one
BIT = f"(hash(given) % {BITS})::INTEGER"  # duckdb's own hash, known to this process alone
LATEX_COMMANDS = 16  # in a record that is counted as heavy in LaTeX

# The last two digits of the year, the month and a number of four digits, from 2015 on of five; before April 2007 the
# archive and seven digits. These patterns mean the same to Python and to RE2, which duckdb uses.
ID = r"(070[4-9]|071[0-2]|(0[89]|1[0-4])[0-9]{2})\.[0-9]{4}|(1[5-9]|[2-8][0-9])[0-9]{2}\.[0-9]{5}"
ID += r"|[a-z]+(-[a-z]+)?/[0-9]{7}"
SPACE = r"[ \t\n\f\r]"
WITHDRAWN = (  # abstracts are wrapped, so that any of its spaces may be the end of a line
    r"^[^A-Za-z]*[Ww]ithdrawn\b"
    r"|\b(?i:paper|article|submission|manuscript|preprint|note|work) ((?i:has|have|was|is) )?((?i:been) )?"
    r"([Ww]ithdrawn|removed by arXiv)\b"
).replace(" ", f"{SPACE}+")
WITHDRAWN_WORDS = ("drawn", "removed")  # one of these is in all that WITHDRAWN finds, and is quickly sought
ENCODED_TWICE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf]+")  # bytes of UTF-8 that were read as Latin-1
NO_TEXT = rf"^{SPACE}*([\[{{0-9-]|(true|false)$)"  # how JSON writes a list, an object, a number or a truth
CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")

Words = Annotated[int, Field(gt=0, le=1000)]  # the least that a text has; RE2 repeats nothing more often


@dataclass(frozen=True, slots=True)
class Record:
    """A paper; `categories` in the order given, the first is the primary one; `year` of submission, from the id."""

    id: str
    title: str
    abstract: str
    categories: tuple[str, ...]
    year: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An open snapshot: view `usable` has line (position in all files), id, category (the first).

    `mended`: an id as given, where it is not as arXiv writes it -> the one it stands for, or None.
    """

    database: duckdb.DuckDBPyConnection
    files: tuple[str, ...]
    mended: dict[str, str | None]
    counts: Counts

    @property
    def size(self) -> int:
        """How many records can be used."""
        ((size,),) = self.database.execute("SELECT count(*) FROM usable").fetchall()
        return int(size)

    def most_frequent(self, number: int) -> list[str]:
        """The first categories of most records, sorted by name; of equally frequent ones the first by name."""
        query = "SELECT category FROM usable GROUP BY category ORDER BY count(*) DESC, category LIMIT ?"
        return sorted(category for (category,) in self.database.execute(query, [number]).fetchall())

    def first(self, number: int) -> set[str]:
        """Ids of the records that come first in the files."""
        query = "SELECT id FROM usable ORDER BY line LIMIT ?"
        return {id_ for (id_,) in self.database.execute(query, [number]).fetchall()}

    def sample(self, number: int, seed: int, purpose: str) -> set[str]:
        """Ids drawn as scholar.splits.sample draws."""
        query = "SELECT id FROM usable ORDER BY sha256(? || id) LIMIT ?"
        return {id_ for (id_,) in self.database.execute(query, [_key(seed, purpose), number]).fetchall()}

    def sample_each(self, categories: Sequence[str], number: int, seed: int, purpose: str) -> dict[str, list[str]]:
        """Category -> ids of so many of its records, in the order of their draws; of all that it has where they lack.

        Raises:
            DataError: a category has no record.
        """
        query = (
            "SELECT category, id FROM (SELECT category, id, row_number() OVER (PARTITION BY category ORDER BY draw) AS "
            "place FROM (SELECT category, id, sha256(? || id) AS draw FROM usable WHERE list_contains(?, category))) "
            "WHERE place <= ? ORDER BY category, place"
        )
        drawn: dict[str, list[str]] = {}
        parameters = [_key(seed, purpose), list(categories), number]
        for category, id_ in self.database.execute(query, parameters).fetchall():
            drawn.setdefault(category, []).append(id_)
        if lacking := sorted(set(categories) - drawn.keys()):
            found = ", ".join(self.most_frequent(20))
            raise DataError(
                f"{self.files[0]}: no usable record of category '{lacking[0]}'; name another (there are {found}, ...)"
            )
        return {category: drawn[category] for category in categories}

    def read(self, ids: set[str]) -> list[Record]:
        """The records of these ids in the order of the files, their texts cleaned of what is no text."""
        wanted = [(id_, id_) for id_ in sorted(ids)] + [(raw, id_) for raw, id_ in self.mended.items() if id_ in ids]
        columns = [pa.array(column, pa.string()) for column in zip(*wanted, strict=True)] or [[], []]
        self.database.register("wanted", pa.table(columns, names=["given", "id"]))
        # A join would forget the order of the files, by which the first record of a repeated id is the one used: so the
        # scan is filtered by one bit per hash, which lets few others through, and joined afterwards.
        self.database.execute(f"SET VARIABLE sought = (SELECT bitstring_agg({BIT}, 0, {BITS - 1}) FROM wanted)")
        self.database.execute(
            "CREATE OR REPLACE TEMP TABLE texts AS SELECT * "
            f"FROM (SELECT id AS given, title, abstract, categories FROM {_scan(self.files)}) "
            f"WHERE get_bit(getvariable('sought'), {BIT}) = 1",
            [list(self.files)],
        )
        query = (
            "SELECT wanted.id, title, abstract, categories FROM texts JOIN wanted USING (given) ORDER BY texts.rowid"
        )
        rows: dict[str, list[str]] = {}
        for id_, *texts in self.database.execute(query).fetchall():
            rows.setdefault(id_, texts)
        self.database.unregister("wanted")
        return [_record(id_, texts, self.counts) for id_, texts in rows.items()]


@contextmanager
def open_snapshot(folder: Path, min_title_words: int, min_abstract_words: int, counts: Counts) -> Iterator[Snapshot]:
    """All files of a folder, sorted by name, as one snapshot; what cannot be used is counted by reason.

    An id counts as given before, too, when it stands there with a version, a prefix, other letters' case, spaces, or
    without the zeros that a spreadsheet takes from a number; the first record of an id is the one that is used.
    Withdrawn are those whose abstract says so, as arXiv words it.

    Raises:
        DataError: there is no file, one has another suffix, or duckdb cannot read it to its end.
    """
    files = _files(folder)
    with TemporaryDirectory() as spill, duckdb.connect() as database:
        database.execute("SET memory_limit = ?", [MEMORY])
        database.execute("SET temp_directory = ?", [spill])
        database.execute("SET threads = ?", [int(os.environ.get("OMP_NUM_THREADS", "1"))])  # of runtime.threads
        database.execute("SET autoinstall_known_extensions = false")
        database.execute("SET enable_progress_bar = false")
        try:
            mended = _survey(database, files, min_title_words, min_abstract_words, counts)
            yield Snapshot(database, files, mended, counts)
        except duckdb.Error as error:
            reason = " ".join(str(error).split())[:300]
            raise DataError(f"{folder}: duckdb cannot read the snapshot: {reason}; fetch the source anew") from None


def mend_id(given: str) -> str | None:
    """The arXiv id that was meant: without prefix, version and spaces, with the zeros a spreadsheet took; or None.

    704.061 is 0704.0610, 1905.0402600000002 is 1905.04026, math.GT/0309136v2 is math/0309136.
    """
    key = re.sub(r"^(https?://(www\.)?arxiv\.org/(abs|pdf)/|arxiv:)", "", given.strip().lower()).strip()
    key = re.sub(r"v[0-9]+$", "", key)
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


def _files(folder: Path) -> tuple[str, ...]:
    files = sorted(str(file) for file in folder.rglob("*") if file.is_file())
    if not files:
        raise DataError(f"{folder}: no file; fetch the source")
    if other := [file for file in files if not file.endswith(SUFFIXES)]:
        raise DataError(f"{other[0]}: one of {', '.join(SUFFIXES)} was expected; leave other files out of the source")
    if len({file.endswith(".parquet") for file in files}) == 2:
        raise DataError(f"{folder}: JSON lines and Parquet together; make a source of each")
    return tuple(files)


def _scan(files: tuple[str, ...]) -> str:
    """SQL for the columns id, title, abstract, categories of all files, a parameter; broken lines have nulls alone."""
    if files[0].endswith(".parquet"):
        return "(SELECT id, title, abstract, categories::VARCHAR AS categories FROM read_parquet(?))"
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in COLUMNS)
    lines = (
        f"read_json(?, format = 'newline_delimited', records = 'true', columns = {{{columns}}}, ignore_errors = true)"
    )
    return f"(SELECT coalesce(id, arxiv_id) AS id, title, abstract, categories FROM {lines})"


def _survey(
    database: duckdb.DuckDBPyConnection, files: tuple[str, ...], min_title: int, min_abstract: int, counts: Counts
) -> dict[str, str | None]:
    """Make view `usable`, count the other records by reason, return what odd ids stand for."""
    hints = " OR ".join(f"contains(abstract, '{word}')" for word in WITHDRAWN_WORDS)
    faults = {  # the first that holds is the reason
        "records withdrawn": f"CASE WHEN {hints} THEN regexp_matches(abstract, '{WITHDRAWN}') END",
        f"records with a title under {min_title} words": _is_shorter("title", min_title),
        f"records with an abstract under {min_abstract} words": _is_shorter("abstract", min_abstract),
        "records whose categories are no text": f"regexp_matches(categories, '{NO_TEXT}')",
        "records without a category": "coalesce(NOT regexp_matches(categories, '[a-z]'), true)",
    }
    cases = " ".join(f"WHEN {condition} THEN {number}" for number, condition in enumerate(faults.values(), start=3))
    database.execute(
        "CREATE TEMP TABLE seen AS "
        f"SELECT id, categories, CASE {cases} ELSE 0 END::UTINYINT AS fault FROM {_scan(files)}",
        [list(files)],
    )
    mended = _mend_ids(database)
    database.execute(
        "CREATE TEMP TABLE judged AS "
        "WITH repeated AS (SELECT id, min(rowid) AS first FROM seen WHERE id NOT NULL GROUP BY id HAVING count(*) > 1) "
        "SELECT seen.rowid AS line, seen.id, regexp_extract(categories, '[^ ,\\t\\n\\f\\r]+') AS category, "
        "CASE WHEN seen.id IS NULL THEN 1 WHEN first < seen.rowid THEN 2 ELSE fault END::UTINYINT AS reason "
        "FROM seen LEFT JOIN repeated ON seen.id = repeated.id"
    )
    database.execute("DROP TABLE seen")
    database.execute("CREATE TEMP VIEW usable AS SELECT * EXCLUDE reason FROM judged WHERE reason = 0")
    _count(database, files, ["records without an arXiv id", "records of an id that came before", *faults], counts)
    counts.read["ids mended"] += sum(id_ is not None for id_ in mended.values())
    return mended


def _is_shorter(column: str, words: int) -> str:
    """SQL for: the text is missing or has fewer words than this; the pattern stops at the last word asked for."""
    return (
        f"coalesce(NOT regexp_matches({column}, '^{SPACE}*([^{SPACE[1:]}+{SPACE}+){{{words - 1}}}[^{SPACE[1:]}'), true)"
    )


def _mend_ids(database: duckdb.DuckDBPyConnection) -> dict[str, str | None]:
    """Replace the ids in `seen` that are not as arXiv writes them; returns what each became, or None."""
    query = f"SELECT DISTINCT id FROM seen WHERE NOT regexp_full_match(id, '{ID}')"
    mended = {given: mend_id(given) for (given,) in database.execute(query).fetchall()}
    if mended:
        text = pa.string()
        table = pa.table({"given": pa.array(mended.keys(), text), "id": pa.array(mended.values(), text)})
        database.register("mended", table)
        database.execute("UPDATE seen SET id = mended.id FROM mended WHERE seen.id = mended.given")
        database.unregister("mended")
    return mended


def _count(database: duckdb.DuckDBPyConnection, files: tuple[str, ...], reasons: list[str], counts: Counts) -> None:
    found = dict(database.execute("SELECT reason, count(*) FROM judged GROUP BY reason").fetchall())
    counts.read["records"] += sum(found.values())
    for number, reason in enumerate(reasons, start=1):
        counts.dropped[reason] += found.get(number, 0)
    if found.get(1) and not files[0].endswith(".parquet"):  # a second look tells which of them are no records at all
        query = (
            "SELECT count(*) FILTER (json IS NULL), count(*) FILTER (json_type(json) <> 'OBJECT') "
            "FROM read_json_objects(?, format = 'newline_delimited', ignore_errors = true)"
        )
        (broken, other) = database.execute(query, [list(files)]).fetchall()[0]
        counts.dropped["lines that are not valid JSON"] += broken
        counts.dropped["lines that are no JSON object"] += other
        counts.dropped[reasons[0]] -= broken + other


def _key(seed: int, purpose: str) -> str:
    """What scholar.splits.draw puts before an id."""
    return "\x1f".join((str(seed), purpose, ""))


def _record(id_: str, texts: list[str], counts: Counts) -> Record:
    """A record from its id and its title, abstract and categories as they stand in the file."""
    number = id_.rpartition("/")[2]
    year = int(number[:2]) + (1900 if number[0] == "9" else 2000)
    title, abstract = (_clean(text, counts) for text in texts[:2])
    heavy = len(re.findall(r"\\[A-Za-z]+", f"{title} {abstract}")) >= LATEX_COMMANDS
    counts.read[f"chosen records with {LATEX_COMMANDS} LaTeX commands or more"] += heavy
    return Record(id_, title, abstract, tuple(texts[2].replace(",", " ").split()), year)


def _clean(text: str, counts: Counts) -> str:
    """White space collapsed, characters encoded twice mended, control characters removed; both are counted."""
    mended = text
    while not mended.isascii() and (decoded := ENCODED_TWICE.sub(_decode, mended)) != mended:  # some are so thrice
        mended = decoded
    counts.read["chosen texts with characters encoded twice"] += mended != text
    collapsed = " ".join(mended.split())
    cleaned = collapsed if collapsed.isprintable() else CONTROL.sub("", collapsed)
    counts.read["chosen texts with control characters"] += cleaned != collapsed
    return cleaned


def _decode(found: re.Match[str]) -> str:
    try:
        return found[0].encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return found[0]
