"""Queries with their relevant documents, made from papers for semantic search, and the documents."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from papertrail.core.records import Counts, Row
from papertrail.data.citations import has_author_and_year, has_title, mask_citations
from papertrail.data.formats.arxiv_records import Record
from papertrail.data.formats.s2orc import Paper
from papertrail.data.text import normalise_title, sentence_bounds

OTHER_SIGNS = re.compile(r"[^\w\s,.?!:;()-]|_")


def make_query(id_: str, paper: str, query: str, relevant: list[str], own: str = "") -> Row:
    """Return the row of a query; all relevant documents are positives of training.

    Args:
        id_: Of the query.
        paper: Id of the paper that the query is from.
        query: Text.
        relevant: Ids of the relevant documents.
        own: Id of the query's own paper in the collection, which is excluded from its results.
    """
    return {"id": id_, "paper": paper, "query": query, "own": own, "relevant": relevant, "positives": relevant}


def citing_sentences(papers: Iterable[Paper], mask_text: str, min_words: int, counts: Counts) -> Iterator[Row]:
    """Yield a query for each sentence that cites a work with a title; every citation in it is masked."""
    for paper in papers:
        for number, paragraph in enumerate(paper.body):
            spans = [(span.start, span.end) for span in paragraph.citations]
            for start, end in sentence_bounds(paragraph.text, spans) if spans else ():
                cited = [span for span in paragraph.citations if start <= span.start < end]
                if not cited:
                    continue
                entries = [paper.bibliography[span.target] for span in cited if span.target is not None]
                relevant = sorted({key for key in (normalise_title(entry.title) for entry in entries) if key})
                query = mask_citations(paragraph, start, end, mask_text)
                if not relevant:
                    counts.dropped["citing sentences that the parser did not resolve"] += 1
                elif len(query.split()) < min_words:
                    counts.dropped[f"citing sentences under {min_words} words"] += 1
                else:
                    titled = any(has_title(query, entry) for entry in entries)
                    counts.add_leakage_check("cited_title_in_query", titled)
                    named = any(has_author_and_year(query, entry) for entry in entries)
                    counts.add_leakage_check("cited_author_and_year_in_query", named)
                    id_ = f"{paper.id}/{number}/{start}"
                    yield make_query(id_, paper.id, query, relevant, normalise_title(paper.title))


def title_queries(papers: Iterable[Paper], counts: Counts) -> Iterator[Row]:
    """Yield the title of each paper with an abstract as a query for the paper."""
    for paper in papers:
        key = normalise_title(paper.title)
        if not key or not paper.abstract:
            counts.dropped["papers without a title or an abstract"] += 1
        else:
            yield make_query(f"{paper.id}/title", paper.id, paper.title, [key])


def venue_neighbours(papers: Iterable[Paper], per_venue: int, counts: Counts) -> Iterator[Row]:
    """Yield each cited work as a query for the next one, by id, of the same venue.

    All works of the venue are relevant, so that a batch has at most one pair of a venue.
    """
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
        keys = sorted(works)[: per_venue + 1]
        counts.dropped["works beyond per_venue"] += len(works) - len(keys)
        counts.dropped["works that are the last of their venue"] += 1
        for key, following in pairwise(keys):
            title, paper_id = works[key]
            yield {**make_query(f"{venue}/{key}", paper_id, title, keys), "positives": [following]}


def category_neighbours(records: Iterable[Record], per_category: int, counts: Counts) -> Iterator[Row]:
    """Yield the title of each record as a query for the next record with the same categories.

    All records with these categories are relevant, so that a batch has at most one pair of them.
    """
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.categories].append(record)
    for categories, members in sorted(groups.items()):
        kept = members[: per_category + 1]
        counts.dropped["papers beyond per_category"] += len(members) - len(kept)
        counts.dropped["papers that are the last of their category"] += 1
        relevant = sorted(record.id for record in kept)
        for record, following in pairwise(kept):
            row = make_query(f"{' '.join(categories)}/{record.id}", record.id, record.title, relevant)
            yield {**row, "positives": [following.id]}


def collect_works(papers: Sequence[Paper], counts: Counts) -> dict[str, Row]:
    """Return normalised title -> document, for papers and the works that they cite; only papers have abstracts."""
    documents: dict[str, Row] = {}
    for paper in papers:
        key = normalise_title(paper.title)
        if not key:
            counts.dropped["papers without a title"] += 1
            continue
        counts.read["papers with a duplicate title"] += key in documents
        documents.setdefault(key, {"id": key, "title": paper.title, "abstract": paper.abstract, "year": 0})
    for paper in papers:
        for entry in paper.bibliography.values():
            key = normalise_title(entry.title)
            if not key:
                counts.dropped["entries without a title"] += 1
                continue
            document = documents.setdefault(key, {"id": key, "title": entry.title, "abstract": "", "year": 0})
            document["year"] = document["year"] or entry.year or 0
    return documents


def clean_records(records: Iterable[Record], plain_signs: bool, counts: Counts) -> list[Record]:
    """Return the records with a title and an abstract; of several with one normalised title the first.

    Args:
        records: In the order of the files.
        plain_signs: Remove all signs except letters, digits, white space and ,.?!:;()- from titles and abstracts.
        counts: Receives the number of dropped records.
    """
    kept: dict[str, Record] = {}
    for record in records:
        title, abstract = (
            " ".join(OTHER_SIGNS.sub("", text).split()) if plain_signs else text
            for text in (record.title, record.abstract)
        )
        key = normalise_title(title)
        if not key or not abstract:
            counts.dropped["records that are empty after removing special characters"] += 1
        elif key in kept:
            counts.dropped["records with a duplicate title"] += 1
        else:
            kept[key] = replace(record, title=title, abstract=abstract)
    return list(kept.values())
