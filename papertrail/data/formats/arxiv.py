"""arXiv's snapshot: the metadata of all its papers, one JSON object per line (2.9 million, 4.5 GB), or a table.

Source: https://www.kaggle.com/datasets/Cornell-University/arxiv (CC0); a mirror in Parquet is
https://huggingface.co/datasets/librarian-bots/arxiv-metadata-snapshot. Any JSON lines, Parquet, CSV or TSV with id (or
arxiv_id), title, abstract and categories can be read. Categories are a text, or a list, also one written as a text.

duckdb scans it twice, on all threads, within MEMORY: first for the fields that decide whether a record is usable, then
for the texts of the chosen records. Every query is ordered by file position or by sha256, so its result depends neither
on the number of threads nor on the version of duckdb, as its own hash and sample do. The order by sha256 is that of
papertrail.core.randomness.sample.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from papertrail.core.errors import DataError
from papertrail.core.records import Counts
from papertrail.data.formats.arxiv_records import ID, Record, make_record, repair_id
from papertrail.data.formats.table import read_table
from papertrail.data.formats.text import read_lines

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "512MB"  # of duckdb; the rest goes to a temporary file
KINDS = {".json": "JSON lines", ".jsonl": "JSON lines", ".parquet": "Parquet", ".csv": "CSV", ".tsv": "TSV"}
SUFFIXES = (*KINDS, *(f"{name}.gz" for name in KINDS if name != ".parquet"))
DELIMITERS = {"CSV": ",", "TSV": "\t"}
COLUMNS = ("id", "arxiv_id", "title", "abstract", "categories")  # all columns that are read; arxiv_id if there is no id
BITS = 1 << 23  # of a filter, one megabyte; with 20,000 ids in it, one other id in 400 passes
BIT = f"(hash(raw) % {BITS})::INTEGER"  # duckdb's own hash, used within this process only
SPACE = r"[ \t\n\f\r]"
WITHDRAWN = (  # abstracts are wrapped, so a space may be the end of a line; for Python and for RE2, which duckdb uses
    r"^[^A-Za-z]*[Ww]ithdrawn\b"
    r"|\b(?i:paper|article|submission|manuscript|preprint|note|work) ((?i:has|have|was|is) )?((?i:been) )?"
    r"([Ww]ithdrawn|removed by arXiv)\b"
).replace(" ", f"{SPACE}+")
WITHDRAWN_WORDS = ("drawn", "removed")  # every match of WITHDRAWN contains one of them, and they are found fast
LIST = (  # SQL for the categories as a text; a list is separated by spaces, however it is written
    r"CASE WHEN regexp_matches(categories, '^\s*\[') "
    r"THEN trim(regexp_replace(categories, '[\[\]\",'']+|\b(null|NULL|None|nan)\b', ' ', 'g')) "
    "ELSE categories END AS categories"
)
NO_TEXT = rf"^{SPACE}*([\[{{0-9-]|(true|false)$)"  # a JSON list, object, number or boolean

Words = Annotated[int, Field(gt=0, le=1000)]  # minimum words of a text; RE2 allows no more repetitions


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An open snapshot.

    Attributes:
        database: Has the view `usable`: line (position in all files), id, category (the primary one).
        folder: Of the source, for messages.
        files: All files; tables as JSON lines.
        repaired: Id in the file that is not in arXiv's form -> the id that it means, or None.
        counts: Receives what was read and dropped.
    """

    database: "DuckDBPyConnection"
    folder: Path
    files: tuple[str, ...]
    repaired: dict[str, str | None]
    counts: Counts

    @property
    def size(self) -> int:
        """The number of usable records."""
        ((size,),) = self.database.execute("SELECT count(*) FROM usable").fetchall()
        return int(size)

    def most_frequent(self, number: int) -> list[str]:
        """Return the most frequent primary categories, sorted by name; of equally frequent ones the first by name."""
        query = "SELECT category FROM usable GROUP BY category ORDER BY count(*) DESC, category LIMIT ?"
        return sorted(category for (category,) in self.database.execute(query, [number]).fetchall())

    def first(self, number: int) -> set[str]:
        """Return the ids of the first records of the files."""
        query = "SELECT id FROM usable ORDER BY line LIMIT ?"
        return {id_ for (id_,) in self.database.execute(query, [number]).fetchall()}

    def sample(self, number: int, seed: int, purpose: str) -> set[str]:
        """Return ids drawn as papertrail.core.randomness.sample draws."""
        query = "SELECT id FROM usable ORDER BY sha256(? || id) LIMIT ?"
        return {id_ for (id_,) in self.database.execute(query, [_key(seed, purpose), number]).fetchall()}

    def sample_each(self, categories: Sequence[str], number: int, seed: int, purpose: str) -> dict[str, list[str]]:
        """Return category -> ids of at most `number` of its records, in the order of their draws.

        Raises:
            DataError: A category has no record.
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
        if missing := sorted(set(categories) - drawn.keys()):
            known = f"known: {', '.join(self.most_frequent(20)) or 'none'}; {self.counts.summarise()}"
            raise DataError(f"{self.folder}: no usable record of category '{missing[0]}' ({known})")
        return {category: drawn[category] for category in categories}

    def read(self, ids: set[str]) -> list[Record]:
        """Return the records of these ids in the order of the files, with cleaned texts."""
        import pyarrow as pa

        wanted = [(id_, id_) for id_ in sorted(ids)] + [(raw, id_) for raw, id_ in self.repaired.items() if id_ in ids]
        columns = [pa.array(column, pa.string()) for column in zip(*wanted, strict=True)] or [[], []]
        self.database.register("wanted", pa.table(columns, names=["raw", "id"]))
        # A join loses the order of the files, and of a repeated id the first record is used. So a filter of one bit
        # per hash, which few other records pass, selects the records of the scan, and the join comes afterwards.
        self.database.execute(f"SET VARIABLE wanted_bits = (SELECT bitstring_agg({BIT}, 0, {BITS - 1}) FROM wanted)")
        self.database.execute(
            "CREATE OR REPLACE TEMP TABLE texts AS SELECT * "
            f"FROM (SELECT id AS raw, title, abstract, categories FROM {_scan(self.files)}) "
            f"WHERE get_bit(getvariable('wanted_bits'), {BIT}) = 1",
            [list(self.files)],
        )
        query = "SELECT wanted.id, title, abstract, categories FROM texts JOIN wanted USING (raw) ORDER BY texts.rowid"
        rows: dict[str, list[str]] = {}
        for id_, *texts in self.database.execute(query).fetchall():
            rows.setdefault(id_, texts)
        self.database.unregister("wanted")
        return [make_record(id_, texts, self.counts) for id_, texts in rows.items()]


@contextmanager
def open_snapshot(folder: Path, min_title_words: int, min_abstract_words: int, counts: Counts) -> Iterator[Snapshot]:
    """Yield all files of a folder, sorted by name, as one snapshot; count unusable records by reason.

    Ids are compared after `repair_id`; of several records with one id the first is used. Records are withdrawn if their
    abstract says so in the words of arXiv.

    Raises:
        DataError: The folder has no file, a file has another suffix, or duckdb cannot read it to its end.
    """
    import duckdb

    files = _list_files(folder)
    with TemporaryDirectory() as spill, TemporaryDirectory() as tables, duckdb.connect() as database:
        database.execute("SET memory_limit = ?", [MEMORY])
        database.execute("SET temp_directory = ?", [spill])
        database.execute("SET threads = ?", [int(os.environ.get("OMP_NUM_THREADS", "1"))])  # of runtime.threads
        database.execute("SET autoinstall_known_extensions = false")
        database.execute("SET enable_progress_bar = false")
        try:
            files = _to_lines(files, Path(tables))
            repaired = _survey(database, files, (min_title_words, min_abstract_words), counts)
            yield Snapshot(database, folder, files, repaired, counts)
        except duckdb.Error as error:
            reason = " ".join(str(error).split())[:300]
            raise DataError(f"{folder}: duckdb cannot read the snapshot: {reason}; fetch the source again") from None


def _list_files(folder: Path) -> tuple[str, ...]:
    files = sorted(str(file) for file in folder.rglob("*") if file.is_file())
    if not files:
        raise DataError(f"{folder}: no file; fetch the source")
    if other := [file for file in files if not file.endswith(SUFFIXES)]:
        raise DataError(f"{other[0]}: expected one of {', '.join(SUFFIXES)}; leave other files out of the source")
    if len(kinds := sorted({_kind_of(file) for file in files})) > 1:
        raise DataError(f"{folder}: {' and '.join(kinds)} together; make a source of each")
    return tuple(files)


def _kind_of(file: str) -> str:
    return KINDS[Path(file.removesuffix(".gz")).suffix]


def _scan(files: tuple[str, ...]) -> str:
    """Return SQL for the columns id, title, abstract, categories of all files, its parameter; broken lines are null."""
    kind = _kind_of(files[0])
    if kind == "Parquet":
        return (
            f"(SELECT id, title, abstract, {LIST} FROM (SELECT coalesce(*COLUMNS('^(arxiv_)?id$')) AS id, "
            "title, abstract, categories::VARCHAR AS categories FROM read_parquet(?)))"
        )
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in COLUMNS)
    lines = (
        f"read_json(?, format = 'newline_delimited', records = 'true', columns = {{{columns}}}, ignore_errors = true)"
    )
    return f"(SELECT coalesce(id, arxiv_id) AS id, title, abstract, {LIST} FROM {lines})"


def _to_lines(files: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """Write tables as JSON lines into a folder, as duckdb guesses at rows with stray quotes; return all files.

    Raises:
        DataError: A first line lacks a column, or a row is not one of cells.
    """
    if (kind := _kind_of(files[0])) not in DELIMITERS:
        return files
    for number, file in enumerate(files):
        with (folder / f"{number:09}.jsonl").open("w", encoding="utf-8") as lines:
            header = next(read_lines(Path(file)), "")
            id_ = "arxiv_id" if "arxiv_id" in header else "id"
            for _, record in read_table(Path(file), DELIMITERS[kind], (id_, *COLUMNS[2:])):
                lines.write(json.dumps({name: record.get(name) or None for name in COLUMNS}) + "\n")
    return tuple(map(str, sorted(folder.iterdir())))


def _survey(
    database: "DuckDBPyConnection", files: tuple[str, ...], min_words: tuple[int, int], counts: Counts
) -> dict[str, str | None]:
    """Create the view `usable`, count the other records by reason and return the repaired ids.

    Args:
        database: A new database.
        files: All files.
        min_words: Minimum words of a title and of an abstract.
        counts: Receives the counts.
    """
    contains = " OR ".join(f"contains(abstract, '{word}')" for word in WITHDRAWN_WORDS)
    faults = {  # the first that applies is the reason
        "records withdrawn": f"CASE WHEN {contains} THEN regexp_matches(abstract, '{WITHDRAWN}') END",
        f"records with a title under {min_words[0]} words": _is_shorter("title", min_words[0]),
        f"records with an abstract under {min_words[1]} words": _is_shorter("abstract", min_words[1]),
        "records whose categories are no text": f"regexp_matches(categories, '{NO_TEXT}')",
        "records without a category": "coalesce(NOT regexp_matches(categories, '[a-z]'), true)",
    }
    cases = " ".join(f"WHEN {condition} THEN {number}" for number, condition in enumerate(faults.values(), start=3))
    database.execute(
        "CREATE TEMP TABLE seen AS "
        f"SELECT id, categories, CASE {cases} ELSE 0 END::UTINYINT AS fault FROM {_scan(files)}",
        [list(files)],
    )
    repaired = _repair_ids(database)
    database.execute(
        "CREATE TEMP TABLE judged AS "
        "WITH repeated AS (SELECT id, min(rowid) AS first FROM seen WHERE id NOT NULL GROUP BY id HAVING count(*) > 1) "
        "SELECT seen.rowid AS line, seen.id, regexp_extract(categories, '[^ ,\\t\\n\\f\\r]+') AS category, "
        "CASE WHEN seen.id IS NULL THEN 1 WHEN first < seen.rowid THEN 2 ELSE fault END::UTINYINT AS reason "
        "FROM seen LEFT JOIN repeated ON seen.id = repeated.id"
    )
    database.execute("DROP TABLE seen")
    database.execute("CREATE TEMP VIEW usable AS SELECT * EXCLUDE reason FROM judged WHERE reason = 0")
    _count(database, files, ["records without an arXiv id", "records with a duplicate id", *faults], counts)
    counts.read["ids repaired"] += sum(id_ is not None for id_ in repaired.values())
    return repaired


def _is_shorter(column: str, words: int) -> str:
    """Return SQL for: a text is missing or has fewer words; the pattern stops at the last word that is needed."""
    return (
        f"coalesce(NOT regexp_matches({column}, '^{SPACE}*([^{SPACE[1:]}+{SPACE}+){{{words - 1}}}[^{SPACE[1:]}'), true)"
    )


def _repair_ids(database: "DuckDBPyConnection") -> dict[str, str | None]:
    """Replace the ids in `seen` that are not in arXiv's form; return raw id -> repaired id or None."""
    import pyarrow as pa

    query = f"SELECT DISTINCT id FROM seen WHERE NOT regexp_full_match(id, '{ID}')"
    repaired = {raw: repair_id(raw) for (raw,) in database.execute(query).fetchall()}
    if repaired:
        text = pa.string()
        table = pa.table({"raw": pa.array(repaired.keys(), text), "id": pa.array(repaired.values(), text)})
        database.register("repaired", table)
        database.execute("UPDATE seen SET id = repaired.id FROM repaired WHERE seen.id = repaired.raw")
        database.unregister("repaired")
    return repaired


def _count(database: "DuckDBPyConnection", files: tuple[str, ...], reasons: list[str], counts: Counts) -> None:
    found = dict(database.execute("SELECT reason, count(*) FROM judged GROUP BY reason").fetchall())
    counts.read["records"] += sum(found.values())
    for number, reason in enumerate(reasons, start=1):
        counts.dropped[reason] += found.get(number, 0)
    if found.get(1) and _kind_of(files[0]) == "JSON lines":  # another scan finds which of them are not records at all
        query = (
            "SELECT count(*) FILTER (json IS NULL), count(*) FILTER (json_type(json) <> 'OBJECT') "
            "FROM read_json_objects(?, format = 'newline_delimited', ignore_errors = true)"
        )
        (broken, other) = database.execute(query, [list(files)]).fetchall()[0]
        counts.dropped["lines that are not valid JSON"] += broken
        counts.dropped["lines that are no JSON object"] += other
        counts.dropped[reasons[0]] -= broken + other


def _key(seed: int, purpose: str) -> str:
    """Return the text that papertrail.core.randomness.draw puts before an id."""
    return "\x1f".join((str(seed), purpose, ""))
