"""Paper interest: would this reader pick the paper up, judged by its title.

The reader is the set of ACL papers (of 250, MIT licence) whose title fits `topic`; a work cited by any of the 250 is
positive when one of the reader's papers cites it. The label is behaviour: a work that is not cited may still be of
interest. Split by year: train on the oldest works, test on the newest, as a reader meets them. Scores do not compare
with those of systems that learn one person's reading list from abstracts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datasets import ClassLabel, Features, Value

from scholar.corpora.aclsum import read_split_papers
from scholar.corpora.s2orc import normalise_title
from scholar.errors import ParamsError
from scholar.params import Rate, Sizes, strict
from scholar.records import SPLITS, Counts, Row
from scholar.splits import sample, split_by_date
from scholar.task import Task


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`topic`: a regular expression, ignoring case; years outside [first_year, last_year] are the parser's errors."""

    task: Literal["paper_interest"]
    source: str
    topic: str
    first_year: int
    last_year: int
    train_share: Rate
    validation_share: Rate
    examples: Sizes


def features(settings: Settings) -> Features:
    """A cited work; class 1 is the one searched for."""
    return Features(
        id=Value("string"),
        title=Value("string"),
        year=Value("int32"),
        label=ClassLabel(names=["other", "interesting"]),
    )


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """(split, work), sampled down to settings.examples by (seed, id)."""
    try:
        topic = re.compile(settings.topic, re.IGNORECASE)
    except re.error as error:
        message = f"params.yaml: datasets: topic '{settings.topic}' is no regular expression: {error}"
        raise ParamsError(message) from None
    works = _read_works(folder, settings, topic, counts)
    for title, _, interesting in works.values():
        if interesting:
            counts.add_clue("topic_in_title", topic.search(title) is not None)
    split_of = split_by_date([year for _, year, _ in works.values()], settings.train_share, settings.validation_share)
    for split in SPLITS:
        inside = sorted(key for key, (_, year, _) in works.items() if split_of[year] == split)
        chosen = sample(inside, settings.examples.of(split), seed, "paper_interest")
        counts.dropped["works not sampled"] += len(inside) - len(chosen)
        for key in inside:
            if key in chosen:
                title, year, cited = works[key]
                yield split, {"id": key, "title": title, "year": year, "label": "interesting" if cited else "other"}


def _read_works(
    folder: Path, settings: Settings, topic: re.Pattern[str], counts: Counts
) -> dict[str, tuple[str, int, bool]]:
    """Normalised title -> (title, year of its earliest entry, whether the reader cites it)."""
    works: dict[str, tuple[str, int, bool]] = {}
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
                title, year, cited = works.get(key, (entry.title, entry.year, False))
                works[key] = (title, min(year, entry.year), cited or reader)
    return works


TASK = Task(settings=Settings, features=features, label_origin="behaviour", read=read, group="year", text="title")
