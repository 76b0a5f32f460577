"""Semantic search: find the papers that a sentence is about, in a collection of titles and abstracts.

Pairing citation: a query is a sentence of the body text of the 250 ACL papers (MIT licence) with every
citation in it masked; what counts as relevant are the works cited there. The labels are behaviour, resolved by a
parser: a work that could have been cited and was not counts as wrong. Queries are split by citing paper; the
collection is every distinct cited work and the 250 papers, the only ones whose abstract is known. Scores on another
collection do not compare. all-MiniLM-L6-v2 met citations of S2ORC papers in its own training, perhaps some of these.

Two more pairings say how training queries are made; validation and test are citation sentences always. title_abstract:
a title as query for its own abstract. same_venue: a work as query for the next one of the same venue, as published with
arXiv's category strings in place of venues; neighbours are false negatives of each other and are kept out of a batch.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from datasets import Features, List, Value

from scholar.corpora.aclsum import read_split_papers
from scholar.corpora.s2orc import (
    Paper,
    Paragraph,
    has_author_and_year,
    has_title,
    normalise_title,
    sentence_bounds,
)
from scholar.params import Positive, Sizes, strict
from scholar.records import Counts, Row
from scholar.splits import sample
from scholar.task import Task


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`per_venue`: pairs of one venue at most (pairing same_venue); `queries`: queries kept.

    `documents`: documents kept at most, besides those that are relevant to a kept query; null keeps all.
    """

    task: Literal["semantic_search"]
    source: str
    pairing: Literal["citation", "title_abstract", "same_venue"]
    mask_text: str
    min_words: Positive
    per_venue: Positive
    queries: Sizes
    documents: Positive | None


def features(settings: Settings) -> Features:
    """A query with the ids of its relevant documents; `positives` are those that training pairs it with."""
    return Features(
        id=Value("string"),
        paper=Value("string"),
        query=Value("string"),
        relevant=List(Value("string")),
        positives=List(Value("string")),
    )


def collection_features(settings: Settings) -> Features:
    """A document. `abstract` is empty where it is not known, `year` 0."""
    return Features(id=Value("string"), title=Value("string"), abstract=Value("string"), year=Value("int32"))


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """(split, query), sampled down to settings.queries by (seed, id)."""
    splits = read_split_papers(folder, counts)
    counts.dropped["papers in no split"] += len(splits.pop("none"))
    for split, papers in splits.items():
        made = list(MAKERS[settings.pairing if split == "train" else "citation"](papers, settings, counts))
        counts.read["queries"] += len(made)
        chosen = sample((row["id"] for row in made), settings.queries.of(split), seed, "semantic_search")
        counts.dropped["queries not sampled"] += len(made) - len(chosen)
        yield from ((split, row) for row in made if row["id"] in chosen)


def read_collection(folder: Path, settings: Settings, seed: int, counts: Counts, needed: set[str]) -> Iterator[Row]:
    """Every document once, sorted by id; besides the needed ones, sampled down to settings.documents by (seed, id)."""
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


def _citing_sentences(papers: list[Paper], settings: Settings, counts: Counts) -> Iterator[Row]:
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
                    yield _row(f"{paper.id}/{number}/{start}", paper.id, query, relevant)


def _mask(paragraph: Paragraph, start: int, end: int, mask_text: str) -> str:
    """The characters [start, end) with every citation replaced."""
    text, position = "", start
    for span in paragraph.citations:
        if start <= span.start < end:
            text += paragraph.text[position : span.start] + mask_text
            position = span.end
    return " ".join((text + paragraph.text[position:end]).split())


def _titles(papers: list[Paper], settings: Settings, counts: Counts) -> Iterator[Row]:
    for paper in papers:
        key = normalise_title(paper.title)
        if not key or not paper.abstract:
            counts.dropped["papers without a title or an abstract"] += 1
        else:
            yield _row(f"{paper.id}/title", paper.id, paper.title, [key])


def _neighbours(papers: list[Paper], settings: Settings, counts: Counts) -> Iterator[Row]:
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


def _row(id_: str, paper: str, query: str, relevant: list[str]) -> Row:
    return {"id": id_, "paper": paper, "query": query, "relevant": relevant, "positives": relevant}


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
