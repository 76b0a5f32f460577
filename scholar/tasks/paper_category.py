"""Paper category: the field of a paper from its title, or from its title and abstract.

Format aclsum: a row is a work cited by the 250 ACL papers (MIT licence). Its field is that of the venue it appeared in,
by the patterns in params.yaml: a distant label, right for most and wrong for some (an ACL paper on speech counts as
cs.CL). Works without a known venue are left out. A work belongs to the first split, in the order train, validation,
test, that cites it; `paper` is the first paper of that split that does, since the works of one bibliography hang
together. The abstract is there only where the work is itself one of the papers of that split. Scores do not compare
with those of systems trained on arXiv's own categories.

Format arxiv: a row is a paper of arXiv's snapshot (CC0) with title and abstract; its label is the first of the
categories that its authors chose. As published, the 20 most frequent ones have 1,000 papers each, drawn by seed; unlike
there, each is split three ways within its category, so that test chooses nothing.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from datasets import ClassLabel, Features, Value
from pydantic import Field

from scholar.corpora.aclsum import read_split_papers
from scholar.corpora.arxiv import Words, open_snapshot
from scholar.corpora.s2orc import normalise_title
from scholar.errors import DataError, ParamsError
from scholar.params import Patterns, Positive, Rate, Sizes, strict
from scholar.records import SPLITS, Counts, Row
from scholar.splits import draw, sample
from scholar.task import LabelOrigin, Task


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class AclsumSettings:
    """`venues`: category -> regular expressions, ignoring case, tried in the order of names; `examples`: works kept."""

    task: Literal["paper_category"]
    source: str
    format: Literal["aclsum"]
    venues: Annotated[dict[str, Patterns], Field(min_length=2)]
    examples: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ArxivSettings:
    """`categories`: their names, or how many of the most frequent; `per_category`: papers of each at most.

    The shares are of the papers of each category; the rest is the training split. Records of fewer words are left out.
    """

    task: Literal["paper_category"]
    source: str
    format: Literal["arxiv"]
    categories: Annotated[int, Field(ge=2)] | Annotated[list[str], Field(min_length=2)]
    per_category: Positive
    validation_share: Rate
    test_share: Rate
    min_title_words: Words
    min_abstract_words: Words
    labels_by: LabelOrigin


Settings = Annotated[AclsumSettings | ArxivSettings, Field(discriminator="format")]


def features(settings: AclsumSettings | ArxivSettings) -> Features:
    """A paper with its category, of ACLSum also one that cites it; `abstract` is empty where it is not known."""
    names = settings.venues if isinstance(settings, AclsumSettings) else settings.categories
    label = ClassLabel(num_classes=names) if isinstance(names, int) else ClassLabel(names=sorted(names))
    cited = {"paper": Value("string")} if isinstance(settings, AclsumSettings) else {}
    return Features(id=Value("string"), **cited, title=Value("string"), abstract=Value("string"), label=label)


def read(
    folder: Path, settings: AclsumSettings | ArxivSettings, seed: int, counts: Counts
) -> Iterator[tuple[str, Row]]:
    """(split, paper), drawn by (seed, id)."""
    if isinstance(settings, AclsumSettings):
        yield from _read_works(folder, settings, seed, counts)
    else:
        yield from _read_papers(folder, settings, seed, counts)


def resolve(folder: Path, settings: AclsumSettings | ArxivSettings) -> AclsumSettings | ArxivSettings:
    """The settings with the names of the most frequent categories.

    Raises:
        DataError: the data has fewer.
    """
    if isinstance(settings, AclsumSettings) or not isinstance(settings.categories, int):
        return settings
    with open_snapshot(folder, settings.min_title_words, settings.min_abstract_words, Counts()) as snapshot:
        names = snapshot.most_frequent(settings.categories)
    if len(names) < settings.categories:
        wanted = f"{settings.categories} categories were asked for"
        raise DataError(f"{folder}: {wanted}, there are {len(names)}; lower datasets.*.categories in params.yaml")
    return replace(settings, categories=names)


def _read_papers(folder: Path, settings: ArxivSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """Papers of arXiv's snapshot, sorted by id; of several under one title the first is kept, lest splits share it."""
    if settings.validation_share + settings.test_share >= 1:
        shares = f"{settings.validation_share} and {settings.test_share}"
        raise ParamsError(
            f"params.yaml: datasets: validation_share and test_share, {shares}, leave nothing to train on"
        )
    with open_snapshot(folder, settings.min_title_words, settings.min_abstract_words, counts) as snapshot:
        drawn = snapshot.sample_each(_names(settings), settings.per_category, seed, "paper_category")
        records = {record.id: record for record in snapshot.read({id_ for ids in drawn.values() for id_ in ids})}
        counts.dropped["records not sampled"] += snapshot.size - len(records)
    first = {normalise_title(record.title): record.id for record in reversed(records.values())}
    counts.dropped["records of a title that came before"] += len(records) - len(first)
    split_of: dict[str, str] = {}
    for ids in drawn.values():
        split_of |= _split(set(ids) & set(first.values()), settings, seed)
    for id_, split in sorted(split_of.items()):
        record = records[id_]
        row = {"id": id_, "title": record.title, "abstract": record.abstract, "label": record.categories[0]}
        yield split, row


def _names(settings: ArxivSettings) -> list[str]:
    if isinstance(settings.categories, int):
        raise TypeError("categories are a number; settings go through resolve first")
    return settings.categories


def _split(ids: set[str], settings: ArxivSettings, seed: int) -> dict[str, str]:
    """Paper -> split: the lowest draws are tested on, the next validated on."""
    ranked = sorted(ids, key=lambda id_: draw(seed, "paper_category split", id_))
    test = round(settings.test_share * len(ids))
    validation = test + round(settings.validation_share * len(ids))
    return {
        id_: "test" if rank < test else "validation" if rank < validation else "train"
        for rank, id_ in enumerate(ranked)
    }


def _read_works(folder: Path, settings: AclsumSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """Works cited by the papers of ACLSum."""
    patterns = {name: re.compile("|".join(venues), re.IGNORECASE) for name, venues in sorted(settings.venues.items())}
    splits = read_split_papers(folder, counts)
    counts.dropped["papers in no split"] += len(splits.pop("none"))
    taken: set[str] = set()
    for split in SPLITS:
        titles: dict[str, str] = {}
        cited_by: dict[str, str] = {}
        votes: dict[str, Counter[str]] = {}
        for paper in splits[split]:
            for entry in paper.bibliography.values():
                key = normalise_title(entry.title)
                titles.setdefault(key, entry.title)
                cited_by.setdefault(key, paper.id)
                votes.setdefault(key, Counter()).update([_category(entry.venue, patterns)])
        abstracts = {normalise_title(paper.title): paper.abstract for paper in splits[split]}
        works = _label(votes.keys() - taken, votes, counts)
        taken |= votes.keys()
        for key, category in works.items():
            counts.add_clue("venue_in_text", _category(f"{titles[key]} {abstracts.get(key, '')}", patterns) == category)
        chosen = sample(works, settings.examples.of(split), seed, "paper_category")
        counts.dropped["works not sampled"] += len(works) - len(chosen)
        for key in sorted(chosen):
            row = {"id": key, "paper": cited_by[key], "title": titles[key], "abstract": abstracts.get(key, "")}
            yield split, {**row, "label": works[key]}


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


TASK = Task(
    settings=Settings,
    features=features,
    label_origin="distant",
    read=read,
    group="id",
    text="title",
    resolve=resolve,
)
