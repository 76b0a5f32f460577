"""Paper interest: would a reader be interested in a paper, from its title or abstract.

Format aclsum: the reader is the set of ACL papers (of 250, MIT licence) whose title matches `topic`. A row is a work
cited by any of the 250; it is positive if one of the reader's papers cites it. `paper` is the first paper that cites
it, preferably one of the reader's: works cited by one paper are correlated, as whole bibliographies share a label. The
label is behaviour: a work that is not cited may still be of interest. The split is by year: the oldest works are for
training and the newest for the test, as a reader meets them. Scores do not compare with those of systems that learn one
person's reading list from abstracts.

Formats csv and ris: papers with the label of each, such as whether a person put it on a reading list, or included it in
a systematic review. The split is by day, at random, or a file each. `group` is the id, as a day or year is in one split
anyway; so a test paper in the pretraining text is found.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from papertrail.core.params import Files, Pattern, Rate, RelativePath, Sizes, strict
from papertrail.core.randomness import draw, sample, split_by_date
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.formats.aclsum import read_split_papers
from papertrail.data.formats.screening import Columns, Form, Label, label_key, read_screened
from papertrail.data.task import Command, LabelOrigin, Task
from papertrail.data.text import normalise_title
from papertrail.data.works import unify_works

if TYPE_CHECKING:
    from datasets import Features

LABELS = ["other", "interesting"]  # as numbers: 0 and 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """Papers with a label; `examples`: papers kept."""

    task: Literal["paper_interest"]
    source: str
    examples: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Works(Screened):
    """Works cited by the papers of ACLSum, split by date: the oldest `train_share`, then `validation_share`, then test.

    Attributes:
        topic: Regular expression for titles of the reader's papers, case ignored.
        first_year, last_year: Other years are errors of the parser.
    """

    format: Literal["aclsum"]
    topic: Pattern
    first_year: int
    last_year: int
    train_share: Rate
    validation_share: Rate


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Screened):
    """Papers of CSV or RIS files.

    Attributes:
        columns: Names of the columns; for RIS the names of rispy.
        labels_by: Who assigned the labels.
        file: All papers, for a split by shares.
        files: Or the file of each split.
        split: Of `file`: by date (also without this key), the oldest papers for training; or random, by seed and id.
        train_share, validation_share: Of `file`; the rest is the test split.
        delimiter: Of csv.
        date_format: Of strptime; without it 2015, 2015.0, 2015-01 and 2015-01-31 are read.
        labels: Label in the file -> 1, 0, or null for a paper that nobody has screened. Without it: 0 and 1.
        required: Texts without which a paper is dropped. Without it: one of title and abstract is enough.
    """

    format: Literal["csv", "ris"]
    columns: Columns
    labels_by: LabelOrigin
    file: RelativePath | None = None
    files: Files | None = None
    split: Literal["date", "random"] | None = None
    train_share: Rate | None = None
    validation_share: Rate | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    date_format: str | None = None
    labels: dict[str, Label | None] | None = None
    required: Annotated[list[Literal["title", "abstract"]], Field(min_length=1)] | None = None

    def __post_init__(self) -> None:
        """Check values that belong together.

        Raises:
            ValueError: They contradict each other.
        """
        shares = [share for share in (self.train_share, self.validation_share) if share is not None]
        if (self.file is None) == (self.files is None):
            raise ValueError("expected either file, with shares, or files, with a file per split")
        if self.files is not None and (shares or self.split is not None):
            raise ValueError("files are split already; remove split, train_share and validation_share")
        if self.file is not None and len(shares) < 2:
            raise ValueError("file needs train_share and validation_share; the rest is the test split")
        if self.splits_by_date and self.columns.date is None:
            raise ValueError("a split by date needs columns.date; set it, or split: random")
        if (self.format == "csv") == (self.delimiter is None):
            raise ValueError("csv needs a delimiter, such as ','; ris has none")
        if self.labels is not None and len({label_key(text) for text in self.labels}) < len(self.labels):
            raise ValueError("labels has two spellings of one label, such as 1 and 1.0; keep one")

    @property
    def splits_by_date(self) -> bool:
        """Whether the split is by date."""
        return self.files is None and self.split != "random"


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
        found, what = _read_table(folder, settings, seed, counts), "papers"
    else:
        works = list(_read_works(folder, settings, counts))
        split_of = split_by_date([year for year, _ in works], settings.train_share, settings.validation_share)
        found, what = [(split_of[year], row) for year, row in works], "works"
    for split in SPLITS:
        rows = [row for place, row in found if place == split]
        chosen = sample((row["id"] for row in rows), settings.examples.of(split), seed, "paper_interest")
        counts.dropped[f"{what} not sampled"] += len(rows) - len(chosen)
        yield from ((split, row) for row in rows if row["id"] in chosen)


def _read_table(folder: Path, settings: Table, seed: int, counts: Counts) -> list[tuple[str, Row]]:
    """Return (split, paper) in the order of the files."""
    form = Form(
        columns=settings.columns,
        delimiter=settings.delimiter,
        date_format=settings.date_format,
        labels=settings.labels,
        required=settings.required,
        needs_date=settings.splits_by_date,
    )
    if settings.files is not None:
        return [
            (split, {**row, "label": LABELS[label]})
            for split in SPLITS
            for row, label in read_screened(folder / settings.files.of(split), form, f"{split}/", counts)
        ]
    papers = [
        {**row, "label": LABELS[label]} for row, label in read_screened(folder / str(settings.file), form, "", counts)
    ]
    shares = (settings.train_share or 0, settings.validation_share or 0)
    if settings.splits_by_date:
        days = [date.fromisoformat(row["date"]).toordinal() for row in papers]
        split_of = split_by_date(days, *shares)
        return [(split_of[day], row) for day, row in zip(days, papers, strict=True)]
    drawn = _split_at_random(papers, *shares, seed)
    return [(drawn[row["id"]], row) for row in papers]


def _split_at_random(papers: list[Row], train: float, validation: float, seed: int) -> dict[str, str]:
    """Return id -> split by the order of draws, with these shares of each label."""
    split_of: dict[str, str] = {}
    for label in LABELS:
        ids = [row["id"] for row in papers if row["label"] == label]
        ranked = sorted(ids, key=lambda id_: draw(seed, "paper_interest split", id_))
        cuts = (round(train * len(ids)), round((train + validation) * len(ids)))
        split_of |= {id_: SPLITS[sum(rank >= cut for cut in cuts)] for rank, id_ in enumerate(ranked)}
    return split_of


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
