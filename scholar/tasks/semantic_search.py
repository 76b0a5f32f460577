"""Semantic search: find the papers that a sentence is about, in a collection of titles and abstracts.

Pairing citation: a query is a sentence of the body text of the 250 ACL papers (MIT licence) with every
citation in it masked; what counts as relevant are the works cited there. The labels are behaviour, resolved by a
parser: a work that could have been cited and was not counts as wrong. Queries are split by citing paper; the
collection is every distinct cited work and the 250 papers, the only ones whose abstract is known. Scores on another
collection do not compare. all-MiniLM-L6-v2 met citations of S2ORC papers in its own training, perhaps some of these.

Two more pairings say how training queries are made; validation and test are citation sentences always. title_abstract:
a title as query for its own abstract. same_venue: a work as query for the next one of the same venue, as published with
arXiv's category strings in place of venues; neighbours are false negatives of each other and are kept out of a batch.

Format arxiv: the collection is papers of arXiv's snapshot (CC0). Training pairs are, as published, neighbours of the
same category string in the order of the files, kept apart as those of a venue are, or title_abstract. Validation and
test are known-item search: the query is the title of a paper held out of the pairs, the only relevant document is that
paper, which has no title in the collection. That measures whether an abstract is found by its own paper's title, in the
author's words; it says nothing about other papers that would answer, nor about queries as readers write them.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from datasets import Features, List, Value
from pydantic import Field

from scholar.corpora.aclsum import read_split_papers
from scholar.corpora.arxiv import Record, Words, open_snapshot
from scholar.corpora.s2orc import (
    Paper,
    Paragraph,
    has_author_and_year,
    has_title,
    normalise_title,
    sentence_bounds,
)
from scholar.errors import ParamsError
from scholar.params import Positive, Sizes, strict
from scholar.records import Counts, Row
from scholar.splits import sample
from scholar.task import LabelOrigin, Task

OTHER_SIGNS = re.compile(r"[^\w\s,.?!:;()-]|_")


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class AclsumSettings:
    """`per_venue`: pairs of one venue at most (pairing same_venue); `queries`: queries kept.

    `documents`: documents kept at most, besides those that are relevant to a kept query; null keeps all.
    """

    task: Literal["semantic_search"]
    source: str
    format: Literal["aclsum"]
    pairing: Literal["citation", "title_abstract", "same_venue"]
    mask_text: str
    min_words: Positive
    per_venue: Positive
    queries: Sizes
    documents: Positive | None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ArxivSettings:
    """`records`: documents, the first of the files or drawn by seed; `per_category`: pairs of one category at most.

    `plain_signs`: remove, as published, all but letters, digits, white space and ,.?!:;()- from titles and abstracts;
    letters of every script are kept. `queries`: pairs to train on, null keeps all, and papers held out. Records of
    fewer words are left out.
    """

    task: Literal["semantic_search"]
    source: str
    format: Literal["arxiv"]
    records: Positive
    choose: Literal["first", "seed"]
    plain_signs: bool
    min_title_words: Words
    min_abstract_words: Words
    labels_by: LabelOrigin
    pairing: Literal["same_category", "title_abstract"]
    per_category: Positive
    queries: Sizes


Settings = Annotated[AclsumSettings | ArxivSettings, Field(discriminator="format")]


def features(settings: AclsumSettings | ArxivSettings) -> Features:
    """A query with the ids of its relevant documents; `positives` are those that training pairs it with."""
    return Features(
        id=Value("string"),
        paper=Value("string"),
        query=Value("string"),
        own=Value("string"),
        relevant=List(Value("string")),
        positives=List(Value("string")),
    )


def collection_features(settings: AclsumSettings | ArxivSettings) -> Features:
    """A document. `abstract` is empty where it is not known, `year` 0."""
    return Features(id=Value("string"), title=Value("string"), abstract=Value("string"), year=Value("int32"))


def read(
    folder: Path, settings: AclsumSettings | ArxivSettings, seed: int, counts: Counts
) -> Iterator[tuple[str, Row]]:
    """(split, query), sampled down to settings.queries by (seed, id)."""
    if isinstance(settings, AclsumSettings):
        yield from _read_queries(folder, settings, seed, counts)
    else:
        yield from _read_titles(folder, settings, seed, counts)


def read_collection(
    folder: Path, settings: AclsumSettings | ArxivSettings, seed: int, counts: Counts, needed: set[str]
) -> Iterator[Row]:
    """Every document once, sorted by id; those that are needed are among them."""
    if isinstance(settings, AclsumSettings):
        yield from _read_works(folder, settings, seed, counts, needed)
    else:
        records = _read_records(folder, settings, seed, Counts())
        held_out = _hold_out(records, settings, seed)
        for record in sorted(records, key=lambda record: record.id):
            title = "" if record.id in held_out else record.title
            yield {"id": record.id, "title": title, "abstract": record.abstract, "year": record.year}


def _read_queries(folder: Path, settings: AclsumSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    splits = read_split_papers(folder, counts)
    counts.dropped["papers in no split"] += len(splits.pop("none"))
    for split, papers in splits.items():
        made = list(MAKERS[settings.pairing if split == "train" else "citation"](papers, settings, counts))
        counts.read["queries"] += len(made)
        chosen = sample((row["id"] for row in made), settings.queries.of(split), seed, "semantic_search")
        counts.dropped["queries not sampled"] += len(made) - len(chosen)
        yield from ((split, row) for row in made if row["id"] in chosen)


def _read_works(folder: Path, settings: AclsumSettings, seed: int, counts: Counts, needed: set[str]) -> Iterator[Row]:
    """Cited works and papers; besides the needed ones, sampled down to settings.documents by (seed, id)."""
    papers = sorted((p for split in read_split_papers(folder, Counts()).values() for p in split), key=lambda p: p.id)
    documents: dict[str, Row] = {}
    for paper in papers:
        key = normalise_title(paper.title)
        if not key:
            counts.dropped["papers without a title"] += 1
            continue
        counts.read["papers of a title that came before"] += key in documents
        documents.setdefault(key, {"id": key, "title": paper.title, "abstract": paper.abstract, "year": 0})
    for paper in papers:
        for entry in paper.bibliography.values():
            key = normalise_title(entry.title)
            if not key:
                counts.dropped["entries without a title"] += 1
                continue
            known = documents.setdefault(key, {"id": key, "title": entry.title, "abstract": "", "year": 0})
            known["year"] = known["year"] or entry.year or 0
    chosen = needed | sample(documents, settings.documents, seed, "semantic_search documents")
    counts.dropped["documents not sampled"] += len(documents) - len(chosen)
    yield from (documents[key] for key in sorted(chosen))


def _citing_sentences(papers: list[Paper], settings: AclsumSettings, counts: Counts) -> Iterator[Row]:
    """A sentence for each that cites a work with a title."""
    for paper in papers:
        for number, paragraph in enumerate(paper.body):
            spans = [(span.start, span.end) for span in paragraph.citations]
            for start, end in sentence_bounds(paragraph.text, spans) if spans else ():
                cited = [s for s in paragraph.citations if start <= s.start < end]
                if not cited:
                    continue
                entries = [paper.bibliography[s.target] for s in cited if s.target is not None]
                relevant = sorted({key for key in (normalise_title(entry.title) for entry in entries) if key})
                query = _mask(paragraph, start, end, settings.mask_text)
                if not relevant:
                    counts.dropped["citing sentences that the parser did not resolve"] += 1
                elif len(query.split()) < settings.min_words:
                    counts.dropped[f"citing sentences under {settings.min_words} words"] += 1
                else:
                    counts.add_clue("cited_title_in_query", any(has_title(query, e) for e in entries))
                    counts.add_clue(
                        "cited_author_and_year_in_query", any(has_author_and_year(query, e) for e in entries)
                    )
                    row = _row(f"{paper.id}/{number}/{start}", paper.id, query, relevant)
                    yield {**row, "own": normalise_title(paper.title)}


def _mask(paragraph: Paragraph, start: int, end: int, mask_text: str) -> str:
    """The characters [start, end) with every citation replaced."""
    text, position = "", start
    for span in paragraph.citations:
        if start <= span.start < end:
            text += paragraph.text[position : span.start] + mask_text
            position = span.end
    return " ".join((text + paragraph.text[position:end]).split())


def _titles(papers: list[Paper], settings: AclsumSettings, counts: Counts) -> Iterator[Row]:
    for paper in papers:
        key = normalise_title(paper.title)
        if not key or not paper.abstract:
            counts.dropped["papers without a title or an abstract"] += 1
        else:
            yield _row(f"{paper.id}/title", paper.id, paper.title, [key])


def _neighbours(papers: list[Paper], settings: AclsumSettings, counts: Counts) -> Iterator[Row]:
    """Consecutive works of a venue, by id. All of its works count as relevant: a batch holds one pair of a venue."""
    venues: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    seen: set[str] = set()
    for paper in papers:
        for entry in paper.bibliography.values():
            key, venue = normalise_title(entry.title), normalise_title(entry.venue)
            if not key or not venue:
                counts.dropped["entries without a title or a venue"] += 1
            elif key not in seen:
                seen.add(key)
                venues[venue][key] = (entry.title, paper.id)
    for venue, works in sorted(venues.items()):
        keys = sorted(works)[: settings.per_venue + 1]
        counts.dropped["works beyond per_venue"] += len(works) - len(keys)
        counts.dropped["works that are the last of their venue"] += 1
        for here, following in pairwise(keys):
            title, paper_id = works[here]
            yield {**_row(f"{venue}/{here}", paper_id, title, keys), "positives": [following]}


def _read_records(folder: Path, settings: ArxivSettings, seed: int, counts: Counts) -> list[Record]:
    """The documents in the order of the files; of several under one title, which could not be told apart, the first."""
    with open_snapshot(folder, settings.min_title_words, settings.min_abstract_words, counts) as snapshot:
        if settings.choose == "first":
            ids = snapshot.first(settings.records)
        else:
            ids = snapshot.sample(settings.records, seed, "semantic_search records")
        records = snapshot.read(ids)
        counts.dropped["records not chosen"] += snapshot.size - len(ids)
    kept: dict[str, Record] = {}
    for given in records:
        title, abstract = (
            " ".join(OTHER_SIGNS.sub("", text).split()) if settings.plain_signs else text
            for text in (given.title, given.abstract)
        )
        key = normalise_title(title)
        if not key or not abstract:
            counts.dropped["records of which nothing is left without other signs"] += 1
        elif key in kept:
            counts.dropped["records of a title that came before"] += 1
        else:
            kept[key] = replace(given, title=title, abstract=abstract)
    return list(kept.values())


def _hold_out(records: list[Record], settings: ArxivSettings, seed: int) -> dict[str, str]:
    """Paper -> validation or test, for those that no training pair may hold.

    Raises:
        ParamsError: queries.validation or queries.test is null, which would hold out all.
    """
    if settings.queries.validation is None or settings.queries.test is None:
        raise ParamsError(
            "params.yaml: datasets: queries: format arxiv needs numbers for validation and test (got null)"
        )
    ids = {record.id for record in records}
    test = sample(ids, settings.queries.test, seed, "semantic_search test")
    validation = sample(ids - test, settings.queries.validation, seed, "semantic_search validation")
    return {**dict.fromkeys(validation, "validation"), **dict.fromkeys(test, "test")}


def _read_titles(folder: Path, settings: ArxivSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    records = _read_records(folder, settings, seed, counts)
    held_out = _hold_out(records, settings, seed)
    for record in records:
        if record.id in held_out:
            yield held_out[record.id], _row(f"{record.id}/title", record.id, record.title, [record.id])
    others = [record for record in records if record.id not in held_out]
    if settings.pairing == "title_abstract":
        made = [_row(f"{record.id}/title", record.id, record.title, [record.id]) for record in others]
    else:
        made = list(_same_category(others, settings, counts))
    chosen = sample((row["id"] for row in made), settings.queries.train, seed, "semantic_search")
    counts.dropped["queries not sampled"] += len(made) - len(chosen)
    yield from (("train", row) for row in made if row["id"] in chosen)


def _same_category(records: list[Record], settings: ArxivSettings, counts: Counts) -> Iterator[Row]:
    """Consecutive papers of a category string. All of its papers count as relevant: a batch holds one pair of it."""
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.categories].append(record)
    for categories, papers in sorted(groups.items()):
        kept = papers[: settings.per_category + 1]
        counts.dropped["papers beyond per_category"] += len(papers) - len(kept)
        counts.dropped["papers that are the last of their category"] += 1
        relevant = sorted(record.id for record in kept)
        for here, following in pairwise(kept):
            row = _row(f"{' '.join(categories)}/{here.id}", here.id, here.title, relevant)
            yield {**row, "positives": [following.id]}


def _row(id_: str, paper: str, query: str, relevant: list[str]) -> Row:
    return {"id": id_, "paper": paper, "query": query, "own": "", "relevant": relevant, "positives": relevant}


MAKERS = {"citation": _citing_sentences, "title_abstract": _titles, "same_venue": _neighbours}

TASK = Task(
    settings=Settings,
    features=features,
    label_origin="behaviour",
    read=read,
    group="paper",
    text="query",
    collection_features=collection_features,
    read_collection=read_collection,
)
