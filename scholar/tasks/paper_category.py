"""Paper category: the field of a paper from its title, or from its title and abstract.

A row is a work cited by the 250 ACL papers (MIT licence). Its field is that of the venue it appeared in, by the
patterns in params.yaml: a distant label, right for most and wrong for some (an ACL paper on speech counts as cs.CL).
Works without a known venue are left out. A work belongs to the first split, in the order train, validation, test, that
cites it. The abstract is there only where the work is itself one of the papers of that split. Scores do not compare
with those of systems trained on arXiv's own categories.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from datasets import ClassLabel, Features, Value
from pydantic import Field

from scholar.corpora.aclsum import read_split_papers
from scholar.corpora.s2orc import normalise_title
from scholar.errors import ParamsError
from scholar.params import Sizes, strict
from scholar.records import SPLITS, Counts, Row
from scholar.splits import sample
from scholar.task import Task


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`venues`: category -> regular expressions, ignoring case, tried in the order of names; `examples`: works kept."""

    task: Literal["paper_category"]
    source: str
    venues: Annotated[dict[str, Annotated[list[str], Field(min_length=1)]], Field(min_length=2)]
    examples: Sizes


def features(settings: Settings) -> Features:
    """A cited work with its category; `abstract` is empty where it is not known."""
    return Features(
        id=Value("string"),
        title=Value("string"),
        abstract=Value("string"),
        label=ClassLabel(names=sorted(settings.venues)),
    )


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """(split, work), sampled down to settings.examples by (seed, id)."""
    try:
        patterns = {
            name: re.compile("|".join(venues), re.IGNORECASE) for name, venues in sorted(settings.venues.items())
        }
    except re.error as error:
        raise ParamsError(
            f"params.yaml: datasets: venues: {error.pattern!r}: not a regular expression: {error}"
        ) from None
    splits = read_split_papers(folder, counts)
    counts.dropped["papers in no split"] += len(splits.pop("none"))
    taken: set[str] = set()
    for split in SPLITS:
        titles: dict[str, str] = {}
        votes: dict[str, Counter[str]] = {}
        for paper in splits[split]:
            for entry in paper.bibliography.values():
                key = normalise_title(entry.title)
                titles.setdefault(key, entry.title)
                votes.setdefault(key, Counter()).update([_category(entry.venue, patterns)])
        abstracts = {normalise_title(paper.title): paper.abstract for paper in splits[split]}
        works = _label(votes.keys() - taken, votes, counts)
        taken |= votes.keys()
        for key, category in works.items():
            counts.add_clue("venue_in_text", _category(f"{titles[key]} {abstracts.get(key, '')}", patterns) == category)
        chosen = sample(works, settings.examples.of(split), seed, "paper_category")
        counts.dropped["works not sampled"] += len(works) - len(chosen)
        for key in sorted(chosen):
            yield split, {"id": key, "title": titles[key], "abstract": abstracts.get(key, ""), "label": works[key]}


def _category(venue: str, patterns: dict[str, re.Pattern[str]]) -> str:
    return next((name for name, pattern in patterns.items() if pattern.search(venue)), "")


def _label(keys: set[str], votes: dict[str, Counter[str]], counts: Counts) -> dict[str, str]:
    """Work -> the category that most of its entries name; entries without a known venue do not vote."""
    works = {}
    for key in keys:
        counts.read["works"] += 1
        named = sorted((-count, name) for name, count in votes[key].items() if name)
        if not key:
            counts.dropped["works without a title"] += 1
        elif not named:
            counts.dropped["works of no known venue"] += 1
        else:
            counts.read["works with venues of several categories"] += len(named) > 1
            works[key] = named[0][1]
    return works


TASK = Task(settings=Settings, features=features, label_origin="distant", read=read, group="id", text="title")
