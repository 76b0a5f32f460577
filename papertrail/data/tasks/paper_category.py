"""Paper category: the field of a paper from its title, or from its title and abstract.

Format aclsum: a row is a work cited by the 250 ACL papers (MIT licence). Its field is that of its venue, by the
patterns in params.yaml. This is a distant label, right for most works and wrong for some: an ACL paper on speech counts
as cs.CL. Works without a known venue are dropped. A work belongs to the first split, in the order train, validation,
test, that cites it; `paper` is the first paper of that split that does, since works cited by one paper are correlated.
A work has an abstract only if it is itself a paper of that split. Scores do not compare with those of systems trained
on arXiv's own categories.

Format arxiv: a row is a paper of arXiv's snapshot (CC0) with title and abstract; its label is the first category that
its authors chose. As published, the 20 most frequent categories have 1,000 papers each, drawn by seed. Unlike the
published data, each category is split three ways, so that nothing is selected on the test split.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from papertrail.core.errors import DataError, ParamsError
from papertrail.core.params import Patterns, Positive, Rate, Sizes, strict
from papertrail.core.randomness import draw, sample
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.formats.aclsum import read_split_papers
from papertrail.data.formats.arxiv import Words, open_snapshot
from papertrail.data.formats.s2orc import Paper
from papertrail.data.task import Command, LabelOrigin, Task
from papertrail.data.text import normalise_title
from papertrail.data.works import unify_works

if TYPE_CHECKING:
    from datasets import Features

VenuePatterns = Mapping[str, re.Pattern[str]]  # category -> venues


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class AclsumSettings:
    """Works cited by the papers of ACLSum.

    Attributes:
        venues: Category -> regular expressions, case ignored; of several matches the first category by name.
        examples: Works kept.
    """

    task: Literal["paper_category"]
    source: str
    format: Literal["aclsum"]
    venues: Annotated[dict[str, Patterns], Field(min_length=2)]
    examples: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ArxivSettings:
    """Papers of arXiv's snapshot.

    Attributes:
        categories: Their names, or the number of the most frequent.
        per_category: Maximum papers of each.
        validation_share, test_share: Of the papers of each category; the rest is the training split.
        min_title_words, min_abstract_words: Shorter records are dropped.
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


def features(settings: AclsumSettings | ArxivSettings) -> "Features":
    """Return the columns of a paper, for ACLSum with a citing paper; an unknown `abstract` is empty."""
    from datasets import ClassLabel, Features, Value

    names = settings.venues if isinstance(settings, AclsumSettings) else settings.categories
    label = ClassLabel(num_classes=names) if isinstance(names, int) else ClassLabel(names=sorted(names))
    cited = {"paper": Value("string")} if isinstance(settings, AclsumSettings) else {}
    return Features(id=Value("string"), **cited, title=Value("string"), abstract=Value("string"), label=label)


def read(
    folder: Path, settings: AclsumSettings | ArxivSettings, seed: int, counts: Counts
) -> Iterator[tuple[str, Row]]:
    """Yield (split, paper), drawn by (seed, id)."""
    if isinstance(settings, AclsumSettings):
        yield from _read_works(folder, settings, seed, counts)
    else:
        yield from _read_papers(folder, settings, seed, counts)


def resolve(folder: Path, settings: AclsumSettings | ArxivSettings) -> AclsumSettings | ArxivSettings:
    """Return the settings with the names of the most frequent categories.

    Raises:
        DataError: The data has fewer categories.
    """
    if isinstance(settings, AclsumSettings) or not isinstance(settings.categories, int):
        return settings
    counts = Counts()
    with open_snapshot(folder, settings.min_title_words, settings.min_abstract_words, counts) as snapshot:
        names = snapshot.most_frequent(settings.categories)
    if len(names) < settings.categories:
        wanted = f"expected {settings.categories} categories or more, got {len(names)}"
        raise DataError(f"{folder}: {wanted}; lower datasets.*.categories in params.yaml ({counts.summarise()})")
    return replace(settings, categories=names)


def _read_papers(folder: Path, settings: ArxivSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """Yield papers of arXiv's snapshot, sorted by id; of several with one title only the first."""
    if settings.validation_share + settings.test_share >= 1:
        shares = f"{settings.validation_share} and {settings.test_share}"
        raise ParamsError(
            f"params.yaml: datasets: validation_share and test_share, {shares}, leave no papers for training"
        )
    with open_snapshot(folder, settings.min_title_words, settings.min_abstract_words, counts) as snapshot:
        drawn = snapshot.sample_each(_category_names(settings), settings.per_category, seed, "paper_category")
        records = {record.id: record for record in snapshot.read({id_ for ids in drawn.values() for id_ in ids})}
        counts.dropped["records not sampled"] += snapshot.size - len(records)
    first = {normalise_title(record.title): record.id for record in reversed(records.values())}
    counts.dropped["records with a duplicate title"] += len(records) - len(first)
    split_of: dict[str, str] = {}
    for ids in drawn.values():
        split_of |= _split(set(ids) & set(first.values()), settings, seed)
    for id_, split in sorted(split_of.items()):
        record = records[id_]
        row = {"id": id_, "title": record.title, "abstract": record.abstract, "label": record.categories[0]}
        yield split, row


def _category_names(settings: ArxivSettings) -> list[str]:
    if isinstance(settings.categories, int):
        raise TypeError("categories is a number; call resolve first")
    return settings.categories


def _split(ids: set[str], settings: ArxivSettings, seed: int) -> dict[str, str]:
    """Return paper -> split: the lowest draws are the test split, the next the validation split."""
    ranked = sorted(ids, key=lambda id_: draw(seed, "paper_category split", id_))
    test = round(settings.test_share * len(ids))
    validation = test + round(settings.validation_share * len(ids))
    return {
        id_: "test" if rank < test else "validation" if rank < validation else "train"
        for rank, id_ in enumerate(ranked)
    }


def _read_works(folder: Path, settings: AclsumSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """Yield works cited by the papers of ACLSum."""
    patterns = {name: re.compile("|".join(venues), re.IGNORECASE) for name, venues in sorted(settings.venues.items())}
    splits = unify_works(read_split_papers(folder, counts), counts)
    counts.dropped["papers in no split"] += len(splits.pop("none"))
    earlier: set[str] = set()  # works of earlier splits
    for split in SPLITS:
        titles, cited_by, votes = _collect_votes(splits[split], patterns)
        abstracts = {normalise_title(paper.title): paper.abstract for paper in splits[split]}
        works = _label(votes.keys() - earlier, votes, counts)
        earlier |= votes.keys()
        for key, category in works.items():
            found = _category(f"{titles[key]} {abstracts.get(key, '')}", patterns)
            counts.add_leakage_check("venue_in_text", found == category)
        chosen = sample(works, settings.examples.of(split), seed, "paper_category")
        counts.dropped["works not sampled"] += len(works) - len(chosen)
        for key in sorted(chosen):
            row = {"id": key, "paper": cited_by[key], "title": titles[key], "abstract": abstracts.get(key, "")}
            yield split, {**row, "label": works[key]}


def _collect_votes(
    papers: list[Paper], patterns: VenuePatterns
) -> tuple[dict[str, str], dict[str, str], dict[str, Counter[str]]]:
    """Return, by cited work: its first title, the first citing paper, and the categories of its entries' venues."""
    titles: dict[str, str] = {}
    cited_by: dict[str, str] = {}
    votes: dict[str, Counter[str]] = {}
    for paper in papers:
        for entry in paper.bibliography.values():
            key = normalise_title(entry.title)
            titles.setdefault(key, entry.title)
            cited_by.setdefault(key, paper.id)
            votes.setdefault(key, Counter()).update([_category(entry.venue, patterns)])
    return titles, cited_by, votes


def _category(text: str, patterns: VenuePatterns) -> str:
    """Return the first category with a pattern in the text, "" if there is none."""
    return next((name for name, pattern in patterns.items() if pattern.search(text)), "")


def _label(keys: set[str], votes: Mapping[str, Counter[str]], counts: Counts) -> dict[str, str]:
    """Return work -> the most frequent category of its entries; entries without a known venue do not vote."""
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
    title="Paper category",
    headlines=("macro_f1", "average_precision"),
    settings=Settings,
    features=features,
    label_origin="distant",
    read=read,
    group="id",
    text="title",
    commands=(
        Command(
            name="category",
            title="Paper category",
            help="predict the field of a paper from its title and, if known, its abstract",
            example='papertrail category "Free electron trajectories in graphene"',
            input="paper",
            answer="labels",
            examples=(
                {"title": "Neural machine translation by jointly learning to align and translate", "abstract": ""},
            ),
        ),
    ),
    resolve=resolve,
)
