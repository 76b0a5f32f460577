"""Paper interest: would a reader be interested in a paper, from its title or abstract.

Format aclsum: the reader is the set of ACL papers (of 250, MIT licence) whose title matches `topic`. A row is a work
cited by any of the 250; it is positive if one of the reader's papers cites it. `paper` is the first paper that cites
it, preferably one of the reader's: works cited by one paper are correlated, as whole bibliographies share a label. The
label is behaviour: a work that is not cited may still be of interest. The split is by year: the oldest works are for
training and the newest for the test, as a reader meets them. Scores do not compare with those of systems that learn one
person's reading list from abstracts.

Format csv: papers in a table with the date and the label of each, such as whether a person put it on a reading list.
The split is by day. `group` is the id, as a day or year is in one split anyway; so a test paper in the pretraining text
is found.
"""

import re
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from papertrail.core.errors import DataError
from papertrail.core.params import Pattern, Rate, RelativePath, Sizes, strict
from papertrail.core.randomness import sample, split_by_date
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.formats.aclsum import read_split_papers
from papertrail.data.formats.table import read_table
from papertrail.data.task import Command, LabelOrigin, Task
from papertrail.data.text import normalise_title
from papertrail.data.works import unify_works

if TYPE_CHECKING:
    from datasets import Features

LABELS = ["other", "interesting"]  # as numbers: 0 and 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """Papers split by date: the oldest `train_share`, then `validation_share`, then test; `examples`: papers kept."""

    task: Literal["paper_interest"]
    source: str
    train_share: Rate
    validation_share: Rate
    examples: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Works(Screened):
    """Works cited by the papers of ACLSum.

    Attributes:
        topic: Regular expression for titles of the reader's papers, case ignored.
        first_year, last_year: Other years are errors of the parser.
    """

    format: Literal["aclsum"]
    topic: Pattern
    first_year: int
    last_year: int


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the columns."""

    id: str
    title: str
    abstract: str
    date: str
    label: str


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Screened):
    """One file of papers with labels 0 and 1; `date_format` of strptime; `labels_by`: who assigned the labels."""

    format: Literal["csv"]
    file: RelativePath
    delimiter: Annotated[str, Field(min_length=1, max_length=1)]
    columns: Columns
    date_format: str
    labels_by: LabelOrigin


Settings = Annotated[Works | Table, Field(discriminator="format")]


def features(settings: Settings) -> "Features":
    """Return the columns of a cited work (with a citing paper) or a paper of a table (with abstract and ISO date)."""
    from datasets import ClassLabel, Features, Value

    if isinstance(settings, Table):
        columns = {"abstract": Value("string"), "date": Value("string")}
    else:
        columns = {"paper": Value("string"), "year": Value("int32")}
    return Features(id=Value("string"), title=Value("string"), **columns, label=ClassLabel(names=LABELS))


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """Yield (split, paper), sampled to settings.examples by (seed, id). Papers of one date are in one split."""
    if isinstance(settings, Table):
        papers, what = list(_read_table(folder / settings.file, settings, counts)), "papers"
    else:
        papers, what = list(_read_works(folder, settings, counts)), "works"
    split_of = split_by_date([time for time, _ in papers], settings.train_share, settings.validation_share)
    for split in SPLITS:
        rows = [row for time, row in papers if split_of[time] == split]
        chosen = sample((row["id"] for row in rows), settings.examples.of(split), seed, "paper_interest")
        counts.dropped[f"{what} not sampled"] += len(rows) - len(chosen)
        yield from ((split, row) for row in rows if row["id"] in chosen)


def _read_table(file: Path, settings: Table, counts: Counts) -> Iterator[tuple[int, Row]]:
    """Yield (day, row) in the order of the file."""
    names = settings.columns
    labels: dict[str, str] = {}
    for place, cells in read_table(file, settings.delimiter, astuple(names)):
        counts.read["papers"] += 1
        id_, title, abstract, day, label = (" ".join(cells[name].split()) for name in astuple(names))
        if not id_:
            raise DataError(f"{place}: {names.id}: empty; every paper needs an id")
        if label not in ("0", "1"):
            raise DataError(f"{place}: {names.label}: expected 0 or 1, got '{label}'")
        if not abstract or not day:
            counts.dropped["papers without a date" if abstract else "papers without an abstract"] += 1
        elif id_ in labels:
            if labels[id_] != label:
                wrong = f"duplicate id '{id_}' with label {labels[id_]} before and {label} here"
                raise DataError(f"{place}: {names.id}: {wrong}; keep one of them")
            counts.dropped["papers with a duplicate id"] += 1
        else:
            labels[id_] = label
            submitted = _parse_date(day, settings.date_format, f"{place}: {names.date}")
            row: Row = {"id": id_, "title": title, "abstract": abstract, "date": submitted.isoformat()}
            yield submitted.toordinal(), {**row, "label": LABELS[int(label)]}


def _parse_date(text: str, form: str, place: str) -> date:
    try:
        return datetime.strptime(text, form).date()
    except ValueError:
        raise DataError(f"{place}: expected a date such as '{date(2015, 1, 31):{form}}', got '{text}'") from None


def _read_works(folder: Path, settings: Works, counts: Counts) -> Iterator[tuple[int, Row]]:
    """Yield (year of the earliest entry, row) by normalised title; positive if a paper of the reader cites the work."""
    topic = re.compile(settings.topic, re.IGNORECASE)
    works: dict[str, tuple[str, int]] = {}  # work -> title of its first entry, earliest year
    cited_by: dict[str, tuple[bool, str]] = {}  # work -> (not by the reader, the first such paper)
    splits = unify_works(read_split_papers(folder, counts), counts)
    papers = sorted((paper for found in splits.values() for paper in found), key=lambda paper: paper.id)
    for paper in papers:
        is_reader = topic.search(paper.title) is not None
        counts.read["papers of the reader"] += is_reader
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
                cited_by[key] = min(cited_by.get(key, (True, paper.id)), (not is_reader, paper.id))
    for key, (title, year) in sorted(works.items()):
        other, paper_id = cited_by[key]
        if not other:
            counts.add_leakage_check("topic_in_title", topic.search(title) is not None)
        yield year, {"id": key, "paper": paper_id, "title": title, "year": year, "label": LABELS[not other]}


TASK = Task(
    title="Paper interest",
    headlines=("average_precision", "macro_f1"),
    settings=Settings,
    features=features,
    label_origin="behaviour",
    read=read,
    group="id",
    text="title",
    commands=(
        Command(
            name="interest",
            title="Paper interest",
            help="predict whether the reader of the model would be interested in a paper",
            example="papertrail interest --file titles.txt --json",
            input="paper",
            answer="labels",
            examples=(
                {"title": "Neural machine translation by jointly learning to align and translate", "abstract": ""},
            ),
        ),
    ),
)
