"""Paper interest: would this reader pick the paper up, judged by its title or abstract.

Format aclsum: the reader is the set of ACL papers (of 250, MIT licence) whose title fits `topic`; a work cited by any
of the 250 is positive when one of the reader's papers cites it. `paper` is the first paper that cites it, one of the
reader's if there is one: labels come by whole bibliographies, so that the works of one hang together. The label is
behaviour: a work that is not cited may still be of interest. Split by year: train on the oldest works, test on the
newest, as a reader meets them. Scores do not compare with those of systems that learn one person's reading list from
abstracts.

Format csv: papers in a table with the date and the label of each, such as what one person did or did not put on a
reading list. Split by day. `group` is the id, since a day or year is never cut in two here; so a test paper that the
pretraining reads is noticed.
"""

import re
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal

from datasets import ClassLabel, Features, Value
from pydantic import Field

from scholar.corpora.aclsum import read_split_papers
from scholar.corpora.s2orc import normalise_title
from scholar.corpora.table import read_table
from scholar.errors import DataError
from scholar.params import Pattern, Rate, RelativePath, Sizes, strict
from scholar.records import SPLITS, Counts, Row
from scholar.splits import sample, split_by_date
from scholar.task import LabelOrigin, Task

LABELS = ["other", "interesting"]  # as numbers: 0 and 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """Papers split by date: the oldest `train_share`, then `validation_share`; `examples`: papers kept."""

    task: Literal["paper_interest"]
    source: str
    train_share: Rate
    validation_share: Rate
    examples: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Works(Screened):
    """`topic`: a regular expression, ignoring case; years outside [first_year, last_year] are the parser's errors."""

    format: Literal["aclsum"]
    topic: Pattern
    first_year: int
    last_year: int


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the columns are called."""

    id: str
    title: str
    abstract: str
    date: str
    label: str


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Screened):
    """One file of papers, with labels 0 and 1; `date_format` as in strptime; `labels_by`: who labelled them."""

    format: Literal["csv"]
    file: RelativePath
    delimiter: Annotated[str, Field(min_length=1, max_length=1)]
    columns: Columns
    date_format: str
    labels_by: LabelOrigin


Settings = Annotated[Works | Table, Field(discriminator="format")]


def features(settings: Settings) -> Features:
    """A cited work with a citing paper, or a paper with abstract and date (`2015-01-31`); class 1 is searched for."""
    told = {"abstract": Value("string"), "date": Value("string")}
    cited = {"paper": Value("string"), "year": Value("int32")}
    return Features(
        id=Value("string"),
        title=Value("string"),
        **(told if isinstance(settings, Table) else cited),
        label=ClassLabel(names=LABELS),
    )


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """(split, paper), sampled down to settings.examples by (seed, id). Papers of one date are in one split."""
    if isinstance(settings, Table):
        papers, what = list(_read_table(folder / settings.file, settings, counts)), "papers"
    else:
        papers, what = list(_read_works(folder, settings, counts)), "works"
    split_of = split_by_date([time for time, _ in papers], settings.train_share, settings.validation_share)
    for split in SPLITS:
        inside = [row for time, row in papers if split_of[time] == split]
        chosen = sample((row["id"] for row in inside), settings.examples.of(split), seed, "paper_interest")
        counts.dropped[f"{what} not sampled"] += len(inside) - len(chosen)
        yield from ((split, row) for row in inside if row["id"] in chosen)


def _read_table(file: Path, settings: Table, counts: Counts) -> Iterator[tuple[int, Row]]:
    """(day, row) in the order of the file."""
    names = settings.columns
    seen: dict[str, str] = {}
    for place, cells in read_table(file, settings.delimiter, astuple(names)):
        counts.read["papers"] += 1
        id_, title, abstract, day, label = (" ".join(cells[name].split()) for name in astuple(names))
        if not id_:
            raise DataError(f"{place}: {names.id}: empty; every paper needs an id of its own")
        if label not in ("0", "1"):
            raise DataError(f"{place}: {names.label}: 0 or 1 was expected, got '{label}'")
        if not abstract or not day:
            counts.dropped["papers without a date" if abstract else "papers without an abstract"] += 1
        elif id_ in seen:
            if seen[id_] != label:
                raise DataError(
                    f"{place}: {names.id}: '{id_}' came before with label {seen[id_]}, got {label}; keep one"
                )
            counts.dropped["papers of an id that came before"] += 1
        else:
            seen[id_] = label
            submitted = _parse_date(day, settings.date_format, f"{place}: {names.date}")
            row: Row = {"id": id_, "title": title, "abstract": abstract, "date": submitted.isoformat()}
            yield submitted.toordinal(), {**row, "label": LABELS[int(label)]}


def _parse_date(text: str, form: str, place: str) -> date:
    try:
        return datetime.strptime(text, form).date()
    except ValueError:
        raise DataError(f"{place}: a date such as '{date(2015, 1, 31):{form}}' was expected, got '{text}'") from None


def _read_works(folder: Path, settings: Works, counts: Counts) -> Iterator[tuple[int, Row]]:
    """(year of its earliest entry, row) by normalised title; positive where a paper of the reader cites it."""
    topic = re.compile(settings.topic, re.IGNORECASE)
    works: dict[str, tuple[str, int]] = {}
    cited_by: dict[str, tuple[bool, str]] = {}  # work -> (not by the reader, the first such paper)
    papers = sorted((p for split in read_split_papers(folder, counts).values() for p in split), key=lambda p: p.id)
    for paper in papers:
        reader = topic.search(paper.title) is not None
        counts.read["papers of the reader"] += reader
        for entry in paper.bibliography.values():
            counts.read["entries"] += 1
            key = normalise_title(entry.title)
            if not key:
                counts.dropped["entries without a title"] += 1
            elif entry.year is None:
                counts.dropped["entries without a year"] += 1
            elif not settings.first_year <= entry.year <= settings.last_year:
                counts.dropped[f"entries of a year outside {settings.first_year} to {settings.last_year}"] += 1
            else:
                title, year = works.get(key, (entry.title, entry.year))
                works[key] = (title, min(year, entry.year))
                cited_by[key] = min(cited_by.get(key, (True, paper.id)), (not reader, paper.id))
    for key, (title, year) in sorted(works.items()):
        other, paper_id = cited_by[key]
        if not other:
            counts.add_clue("topic_in_title", topic.search(title) is not None)
        yield year, {"id": key, "paper": paper_id, "title": title, "year": year, "label": LABELS[not other]}


TASK = Task(settings=Settings, features=features, label_origin="behaviour", read=read, group="id", text="title")
