"""Semantic search: find the papers that a sentence is about, in a collection of titles and abstracts.

Format aclsum, pairing citation: a query is a sentence of the body text of the 250 ACL papers (MIT licence) with every
citation masked; the works cited in it are relevant. The labels are behaviour, resolved by a parser: a work that could
have been cited, but was not, counts as wrong. Queries are split by citing paper. The collection has every distinct
cited work and the 250 papers, which are the only documents with an abstract. Scores on another collection do not
compare. all-MiniLM-L6-v2 was trained on citations of S2ORC papers, perhaps on some of these.

Two other pairings change the training queries only. title_abstract: a title is a query for its own abstract.
same_venue: a work is a query for the next work of its venue, as published with arXiv's category strings instead of
venues. Works of one venue are false negatives of each other, so they are never in one batch.

Format arxiv: the collection is papers of arXiv's snapshot (CC0). Training pairs are, as published, neighbours of the
same category string in the order of the files, never two of them in a batch; or title_abstract. Validation and test are
known-item search: the query is the title of a paper that is held out of the pairs, and the only relevant document is
that paper, which has no title in the collection. This measures whether a title finds the abstract by the same authors.
It does not measure whether other papers answer, nor queries in the words of readers.

Format beir: documents, queries and graded judgements of a published or own collection, see docs/data.md. Gains count in
nDCG. A data set may have any of the three splits, or documents alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from papertrail.core.errors import ParamsError
from papertrail.core.params import Positive, Sizes, strict
from papertrail.core.randomness import sample
from papertrail.core.records import Counts, Row
from papertrail.data.formats.aclsum import read_split_papers
from papertrail.data.formats.arxiv import Words, open_snapshot
from papertrail.data.formats.arxiv_records import Record
from papertrail.data.formats.s2orc import Paper
from papertrail.data.search_collections import (
    CollectionSettings,
    read_collection_documents,
    read_judged_queries,
    splits_without_file,
)
from papertrail.data.search_pairs import (
    category_neighbours,
    citing_sentences,
    clean_records,
    collect_works,
    make_query,
    title_queries,
    venue_neighbours,
)
from papertrail.data.task import Command, LabelOrigin, Task
from papertrail.data.works import unify_works

if TYPE_CHECKING:
    from datasets import Features

Pairing = Literal["citation", "title_abstract", "same_venue"]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class AclsumSettings:
    """Queries and works of ACLSum.

    Attributes:
        pairing: Of training queries.
        mask_text: Replaces a citation.
        min_words: Minimum words of a query.
        per_venue: Maximum pairs of a venue (pairing same_venue).
        queries: Queries kept.
        documents: Maximum documents besides those that are relevant to a query; null keeps all.
    """

    task: Literal["semantic_search"]
    source: str
    format: Literal["aclsum"]
    pairing: Pairing
    mask_text: str
    min_words: Positive
    per_venue: Positive
    queries: Sizes
    documents: Positive | None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ArxivSettings:
    """Queries and documents of arXiv's snapshot.

    Attributes:
        records: Number of documents.
        choose: The first of the files, or drawn by seed.
        plain_signs: Remove, as published, all but letters, digits, white space and ,.?!:;()- from titles and abstracts;
            letters of every script are kept.
        min_title_words, min_abstract_words: Shorter records are dropped.
        pairing: Of training queries.
        per_category: Maximum pairs of a category string (pairing same_category).
        queries: Training pairs (null keeps all), and papers held out for validation and test.
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


AnySettings = AclsumSettings | ArxivSettings | CollectionSettings
Settings = Annotated[AnySettings, Field(discriminator="format")]


def features(settings: AnySettings) -> "Features":
    """Return the columns of a query.

    `relevant` has document ids, `positives` those that training pairs the query with, `gains` those of `relevant`.
    """
    from datasets import Features, List, Value

    gains = {"gains": List(Value("int32"))} if isinstance(settings, CollectionSettings) else {}
    return Features(
        id=Value("string"),
        paper=Value("string"),
        query=Value("string"),
        own=Value("string"),
        relevant=List(Value("string")),
        positives=List(Value("string")),
        **gains,
    )


def collection_features(settings: AnySettings) -> "Features":
    """Return the columns of a document; an unknown abstract is empty, an unknown year 0."""
    from datasets import Features, Value

    return Features(id=Value("string"), title=Value("string"), abstract=Value("string"), year=Value("int32"))


def read(folder: Path, settings: AnySettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """Yield (split, query), sampled to settings.queries by (seed, id)."""
    if isinstance(settings, AclsumSettings):
        yield from _read_queries(folder, settings, seed, counts)
    elif isinstance(settings, CollectionSettings):
        yield from read_judged_queries(folder, settings, seed, counts)
    else:
        yield from _read_titles(folder, settings, seed, counts)


def read_collection(folder: Path, settings: AnySettings, seed: int, counts: Counts, needed: set[str]) -> Iterator[Row]:
    """Yield every document once, sorted by id, including the needed ones."""
    if isinstance(settings, AclsumSettings):
        yield from _read_works(folder, settings, seed, counts, needed)
    elif isinstance(settings, CollectionSettings):
        yield from read_collection_documents(folder, settings, seed, counts, needed)
    else:
        records = _read_records(folder, settings, seed, Counts())
        held_out = _hold_out(records, settings, seed)
        for record in sorted(records, key=lambda record: record.id):
            title = "" if record.id in held_out else record.title
            yield {"id": record.id, "title": title, "abstract": record.abstract, "year": record.year}


def _read_queries(folder: Path, settings: AclsumSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    splits = unify_works(read_split_papers(folder, counts), counts)
    counts.dropped["papers in no split"] += len(splits.pop("none"))
    for split, papers in splits.items():
        rows = list(_make_queries(papers, settings.pairing if split == "train" else "citation", settings, counts))
        counts.read["queries"] += len(rows)
        chosen = sample((row["id"] for row in rows), settings.queries.of(split), seed, "semantic_search")
        counts.dropped["queries not sampled"] += len(rows) - len(chosen)
        yield from ((split, row) for row in rows if row["id"] in chosen)


def _make_queries(papers: Iterable[Paper], pairing: Pairing, settings: AclsumSettings, counts: Counts) -> Iterator[Row]:
    match pairing:
        case "citation":
            return citing_sentences(papers, settings.mask_text, settings.min_words, counts)
        case "title_abstract":
            return title_queries(papers, counts)
        case "same_venue":
            return venue_neighbours(papers, settings.per_venue, counts)


def _read_works(folder: Path, settings: AclsumSettings, seed: int, counts: Counts, needed: set[str]) -> Iterator[Row]:
    """Yield cited works and papers; besides the needed ones, sampled to settings.documents by (seed, id)."""
    splits = unify_works(read_split_papers(folder, Counts()), Counts(works=counts.works))
    papers = sorted((paper for papers in splits.values() for paper in papers), key=lambda paper: paper.id)
    documents = collect_works(papers, counts)
    chosen = needed | sample(documents, settings.documents, seed, "semantic_search documents")
    counts.dropped["documents not sampled"] += len(documents) - len(chosen)
    yield from (documents[key] for key in sorted(chosen))


def _read_records(folder: Path, settings: ArxivSettings, seed: int, counts: Counts) -> list[Record]:
    """Return the documents in the order of the files; of several with one title the first."""
    with open_snapshot(folder, settings.min_title_words, settings.min_abstract_words, counts) as snapshot:
        if settings.choose == "first":
            ids = snapshot.first(settings.records)
        else:
            ids = snapshot.sample(settings.records, seed, "semantic_search records")
        records = snapshot.read(ids)
        counts.dropped["records not chosen"] += snapshot.size - len(ids)
    return clean_records(records, settings.plain_signs, counts)


def _hold_out(records: list[Record], settings: ArxivSettings, seed: int) -> dict[str, str]:
    """Return paper -> "validation" or "test", for the papers that no training pair may have.

    Raises:
        ParamsError: queries.validation or queries.test is null, which would hold out all papers.
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
            yield held_out[record.id], make_query(f"{record.id}/title", record.id, record.title, [record.id])
    others = [record for record in records if record.id not in held_out]
    if settings.pairing == "title_abstract":
        rows = [make_query(f"{record.id}/title", record.id, record.title, [record.id]) for record in others]
    else:
        rows = list(category_neighbours(others, settings.per_category, counts))
    chosen = sample((row["id"] for row in rows), settings.queries.train, seed, "semantic_search")
    counts.dropped["queries not sampled"] += len(rows) - len(chosen)
    yield from (("train", row) for row in rows if row["id"] in chosen)


TASK = Task(
    title="Semantic search",
    headlines=("ndcg@10",),
    settings=Settings,
    features=features,
    label_origin="behaviour",
    read=read,
    group="paper",
    text="query",
    commands=(
        Command(
            name="search",
            title="Search",
            help="find the papers of an index that are most similar to a query",
            example='papertrail search "low-resource machine translation" -k 3',
            input="query",
            answer="hits",
            examples=("word alignment", "low-resource machine translation"),
        ),
        Command(
            name="similar",
            title="Similar papers",
            help="find the papers of an index that are most similar to one of them, by its id or title",
            example='papertrail similar "attention is all you need"',
            input="paper_name",
            answer="hits",
            examples=("attention is all you need",),
        ),
    ),
    collection_features=collection_features,
    read_collection=read_collection,
    optional_splits=splits_without_file,
)
