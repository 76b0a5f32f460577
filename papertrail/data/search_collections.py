"""Search data sets from published or own files: queries with judged documents, and the documents."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from papertrail.core.errors import DataError
from papertrail.core.params import Fraction, OptionalFiles, Positive, RelativePath, Sizes, strict
from papertrail.core.randomness import sample
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.formats.beir import (
    MAX_GRADE,
    DocumentFields,
    Judgement,
    QueryFields,
    read_documents,
    read_judgements,
    read_queries,
)
from papertrail.data.search_pairs import make_query
from papertrail.data.task import LabelOrigin

Gain = Annotated[int, Field(ge=-MAX_GRADE, le=MAX_GRADE)]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionFiles:
    """Files of a collection, relative to the folder of the source.

    Attributes:
        documents: All documents.
        queries: All queries; null for documents alone, which an index can have.
        qrels: Judgements of each split; null for a split that there is not.
    """

    documents: RelativePath
    queries: RelativePath | None
    qrels: OptionalFiles

    def __post_init__(self) -> None:
        """Check that there are queries and judgements, or neither."""
        judged = [split for split in SPLITS if self.qrels.of(split) is not None]
        if self.queries is None and judged:
            raise ValueError(f"queries: null, but qrels.{judged[0]} needs the queries that it judges")
        if self.queries is not None and not judged:
            raise ValueError("qrels: queries need the judgements of at least one split; set queries to null without")


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSettings:
    """Documents, queries and judgements in the files of papertrail.data.formats.beir.

    Attributes:
        document_fields, query_fields: Names of the fields.
        query_ids: The ids of queries are those in the file, or their positions in it, from 1.
        query_document: The document that a query was written from. It is excluded from the results of the query, and is
            not relevant. same_id: has the id of the query; last_judgement: is in the last judgement of the query; null:
            there is none.
        gains: Grade -> gain, such as {"1": 4, "2": 3} where grade 1 is best; null: the grade is the gain. A document
            with a gain of 0 or less is not relevant.
        max_unknown: Maximum share of the judgements of a file whose query or document is missing.
        queries: Queries kept.
        documents: Maximum documents besides those that are relevant to a query; null keeps all.
    """

    task: Literal["semantic_search"]
    source: str
    format: Literal["beir"]
    files: CollectionFiles
    document_fields: DocumentFields
    query_fields: QueryFields
    query_ids: Literal["file", "position"]
    query_document: Literal["same_id", "last_judgement"] | None
    gains: dict[str, Gain] | None
    max_unknown: Fraction
    labels_by: LabelOrigin
    queries: Sizes
    documents: Positive | None


def splits_without_file(settings: object) -> frozenset[str]:
    """Return the splits that a data set does not have."""
    if not isinstance(settings, CollectionSettings):
        return frozenset()
    return frozenset(split for split in SPLITS if settings.files.qrels.of(split) is None)


def read_judged_queries(
    folder: Path, settings: CollectionSettings, seed: int, counts: Counts
) -> Iterator[tuple[str, Row]]:
    """Yield (split, query), each split in the order of the queries, sampled to settings.queries by (seed, id).

    The row of a query has its relevant documents and their gains.

    Raises:
        DataError: A file cannot be read, a query is in two splits, or too many judgements are of unknown ids.
    """
    files = settings.files
    if files.queries is None:
        return
    documents = {row["id"] for _, row in read_documents(folder / files.documents, settings.document_fields)}
    found = read_queries(folder / files.queries, settings.query_fields, settings.query_ids == "position")
    queries = {row["id"]: row["text"] for _, row in found}
    counts.read["queries"] += len(queries)
    split_of: dict[str, str] = {}
    for split in SPLITS:
        if (name := files.qrels.of(split)) is None:
            continue
        judged = _read_split(folder / name, settings, queries, documents, counts)
        for id_ in judged:
            if (other := split_of.setdefault(id_, split)) != split:
                where = f"{files.qrels.of(other)} ({other}) and in {name} ({split})"
                raise DataError(f"{folder}: query '{id_}' is judged in {where}; keep it in one split")
        rows = [row for id_ in queries if id_ in judged if (row := _make_row(id_, queries, judged, settings, counts))]
        chosen = sample((row["id"] for row in rows), settings.queries.of(split), seed, "semantic_search")
        counts.dropped["queries not sampled"] += len(rows) - len(chosen)
        yield from ((split, row) for row in rows if row["id"] in chosen)
    counts.dropped["queries without a judgement"] += len(queries) - len(split_of)


def read_collection_documents(
    folder: Path, settings: CollectionSettings, seed: int, counts: Counts, needed: set[str]
) -> Iterator[Row]:
    """Yield the documents sorted by id; besides the needed ones, sampled to settings.documents by (seed, id).

    A document without title and abstract is dropped, unless it is needed.
    """
    documents = {}
    for _, row in read_documents(folder / settings.files.documents, settings.document_fields):
        counts.read["documents"] += 1
        if row["title"] or row["abstract"] or row["id"] in needed:
            documents[row["id"]] = row
        else:
            counts.dropped["documents without text"] += 1
    chosen = needed | sample(documents.keys() - needed, settings.documents, seed, "semantic_search documents")
    counts.dropped["documents not sampled"] += len(documents) - len(chosen & documents.keys())
    yield from (documents[id_] for id_ in sorted(chosen) if id_ in documents)


def _read_split(
    file: Path, settings: CollectionSettings, queries: Collection[str], documents: Collection[str], counts: Counts
) -> dict[str, dict[str, int]]:
    """Return query -> document -> gain in the order of the file.

    Raises:
        DataError: A pair has two grades, a grade has no gain, or too many judgements are of unknown ids.
    """
    judged: dict[str, dict[str, int]] = defaultdict(dict)
    unknown: list[str] = []
    total = 0
    for judgement in read_judgements(file):
        total += 1
        query, document = judgement.query, judgement.document
        if query not in queries or document not in documents:
            kind, id_ = ("document", document) if query in queries else ("query", query)
            counts.dropped[f"judgements of an unknown {kind}"] += 1
            unknown.append(f"{kind} '{id_}' at {judgement.place}")
            continue
        gain = _gain_of(judgement, settings.gains)
        counts.dropped["repeated judgements"] += document in judged[query]
        if judged[query].setdefault(document, gain) != gain:
            raise DataError(
                f"{judgement.place}: query '{query}' and document '{document}' have another grade on an earlier line; "
                "keep one of the two"
            )
    counts.read["judgements"] += total
    if len(unknown) > settings.max_unknown * total:
        raise DataError(
            f"{file}: {len(unknown)} of {total} judgements are of queries or documents that are missing, the first of "
            f"{unknown[0]}; at most a share of {settings.max_unknown} is allowed (max_unknown); correct the files, the "
            "fields or query_ids of the data set, or raise the limit"
        )
    return judged


def _gain_of(judgement: Judgement, gains: Mapping[str, int] | None) -> int:
    if gains is None:
        return judgement.grade
    if str(judgement.grade) not in gains:
        known = ", ".join(gains)
        raise DataError(f"{judgement.place}: grade {judgement.grade} is not in gains ({known}); add it to params.yaml")
    return gains[str(judgement.grade)]


def _make_row(
    id_: str,
    queries: Mapping[str, str],
    judged: Mapping[str, Mapping[str, int]],
    settings: CollectionSettings,
    counts: Counts,
) -> Row | None:
    """Return the row of a judged query; None if it has no text or no relevant document."""
    own = {"same_id": id_, "last_judgement": list(judged[id_])[-1], None: ""}[settings.query_document]
    relevant = {document: gain for document, gain in sorted(judged[id_].items()) if gain > 0 and document != own}
    counts.dropped["judgements that are not relevant"] += sum(gain <= 0 for gain in judged[id_].values())
    counts.dropped["judgements of the query's own document"] += judged[id_].get(own, 0) > 0
    if not queries[id_] or not relevant:
        counts.dropped["queries without text" if not queries[id_] else "queries without a relevant document"] += 1
        return None
    return {**make_query(id_, id_, queries[id_], list(relevant), own), "gains": list(relevant.values())}
