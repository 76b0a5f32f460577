"""Citation linking: which entry of the bibliography a citation in running text refers to.

A query is the text around one resolved citation; the citation is masked, so that author and year do not name the entry.
Every occurrence is a query. A candidate is an entry of the same paper, described by its title, or by its abstract where
the data has one. The cited entry was resolved by a parser, not by people. In training a query has its entry and
`negatives` others; in validation and test it has the whole bibliography, and the column `sampled` marks the same draw
of `negatives` others, for scores of single pairs as others publish at 1:5.

Format aclsum: the 250 papers of ACLSum (MIT licence; 9,781 occurrences). Format jsonl: a file per split in the forms of
papertrail.data.formats.link_lines, with contexts that are masked already. Format folder: folders of N.in and N.label as
the published system reads them (55,556 files for training, 3,000 for validation; no test). Files with the same
bibliography are one paper, and each split needs a folder of its own papers. unarXive's sample (CC BY-SA 4.0) has 2,074
/ 244 / 724 files of 30 / 6 / 7 papers; its entries are raw references, which contain author and year.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from heapq import nsmallest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from papertrail.core.params import Files, Positive, Sizes, strict
from papertrail.core.randomness import draw, sample
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.citations import ContextSettings, has_author_and_year, has_title, mask_context
from papertrail.data.formats.aclsum import read_split_papers
from papertrail.data.formats.citation_pairs import Passage, map_passages
from papertrail.data.formats.link_lines import LinkFields, read_queries
from papertrail.data.formats.s2orc import Entry, Paper, Paragraph, Span
from papertrail.data.task import Command, Task
from papertrail.data.text import normalise_title
from papertrail.data.works import unify_bibliographies

if TYPE_CHECKING:
    from datasets import Features


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs(ContextSettings):
    """Queries and candidates.

    Attributes:
        negatives: Wrong entries per query in training.
        queries: Queries kept.
    """

    task: Literal["citation_linking"]
    source: str
    negatives: Positive
    queries: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class AclsumPairs(Pairs):
    """Citations of the papers of ACLSum."""

    format: Literal["aclsum"]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPairs(Pairs):
    """Citations of folders of N.in and N.label; `files`: the folder of each split."""

    format: Literal["folder"]
    files: Files

    @property
    def prefers_abstracts(self) -> bool:
        """Whether a candidate is described by its abstract, where it has one, instead of its title."""
        return True


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class LinePairs(Pairs):
    """Citations as JSON lines; `context_characters` and `mask` are for texts that a model links later."""

    format: Literal["jsonl"]
    files: Files
    fields: LinkFields


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which queries of a split are kept: those whose draw is at most `last`."""

    seed: int
    split: str
    last: int


Settings = Annotated[AclsumPairs | FolderPairs | LinePairs, Field(discriminator="format")]


def features(settings: Pairs) -> "Features":
    """Return the columns of a pair of a query and a candidate; the rows of a query are consecutive."""
    from datasets import ClassLabel, Features, Value

    return Features(
        id=Value("string"),
        paper=Value("string"),
        query=Value("string"),
        context=Value("string"),
        candidate=Value("string"),
        label=ClassLabel(names=["other", "cited"]),
        sampled=Value("bool"),
    )


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """Yield (split, pair) for the queries drawn by (seed, query id)."""
    if isinstance(settings, AclsumPairs):
        return _read_aclsum(folder, settings, seed, counts)
    if isinstance(settings, LinePairs):
        return _read_lines(folder, settings, seed, counts)
    return _read_folders(folder, settings, seed, counts)


def _read_aclsum(folder: Path, settings: AclsumPairs, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    splits = unify_bibliographies(read_split_papers(folder, counts), counts)
    counts.dropped["papers in no split"] += len(splits.pop("none"))
    for split, papers in splits.items():
        for paper in papers:
            titles = [normalise_title(entry.title) for entry in paper.bibliography.values()]
            titled = [title for title in titles if title]
            counts.dropped["candidates without a title"] += len(titles) - len(titled)
            counts.dropped["candidates with a duplicate title"] += len(titled) - len(set(titled))
        queries = {
            f"{paper.id}/{number}/{span.start}": (paper, paragraph, span)
            for paper in papers
            for number, paragraph in enumerate(paper.body)
            for span in paragraph.citations
        }
        usable = {key: query for key, query in queries.items() if _is_usable(*query, counts)}
        counts.read["citations"] += len(queries)
        chosen = sample(usable, settings.queries.of(split), seed, "citation_linking")
        counts.dropped["citations not sampled"] += len(usable) - len(chosen)
        for paper, paragraph, span in usable.values():
            cited, context = paper.bibliography[str(span.target)], mask_context(paragraph, span, settings)
            counts.add_leakage_check("cited_title_in_context", has_title(context, cited))
            counts.add_leakage_check("cited_author_and_year_in_context", has_author_and_year(context, cited))
        for key, query in usable.items():
            if key in chosen:
                yield from ((split, row) for row in _make_pairs(key, query, settings, seed, split))


def _read_lines(folder: Path, settings: LinePairs, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    for split in SPLITS:
        queries = list(read_queries(folder / settings.files.of(split), settings.fields, split, counts))
        chosen = sample((query.id for query in queries), settings.queries.of(split), seed, "citation_linking")
        counts.dropped["citations not sampled"] += len(queries) - len(chosen)
        for query in queries:
            counts.add_leakage_check("cited_title_in_context", has_title(query.context, query.cited))
            counts.read["contexts without mask_text"] += settings.mask_text not in query.context
            if query.id in chosen:
                columns = {"paper": query.paper, "query": query.id, "context": query.context}
                rows = _pair_rows(columns, query.candidates, query.cited, settings.negatives, seed, split)
                yield from ((split, row) for row in rows)


def _read_folders(folder: Path, settings: FolderPairs, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """Yield the pairs of all splits; where a sample is drawn, a first pass computes the draws, which is less memory."""
    for split in SPLITS:
        split_folder, size = folder / settings.files.of(split), settings.queries.of(split)
        last = 2**64  # the draw of the last query that is kept
        if size is not None:
            draws = map_passages(split_folder, partial(_draw_queries, seed, split), Counts())
            last = max(nsmallest(size, draws), default=last)
        pairs = partial(_pairs_of_passage, settings, Sampling(seed, split, last))
        yield from ((split, row) for row in map_passages(split_folder, pairs, counts))


def _draw_queries(seed: int, split: str, passage: Passage, counts: Counts) -> list[int]:
    return [draw(seed, "citation_linking", key) for key, _ in _queries_of(split, passage, counts)]


def _pairs_of_passage(settings: FolderPairs, sampling: Sampling, passage: Passage, counts: Counts) -> list[Row]:
    rows: list[Row] = []
    (paragraph,) = passage.paper.body
    for key, span in _queries_of(sampling.split, passage, counts):
        cited = passage.paper.bibliography[str(span.target)]
        context = mask_context(paragraph, span, settings)
        titled = replace(cited, title=passage.titles[cited.id])
        counts.add_leakage_check("cited_title_in_context", has_title(context, titled))
        if draw(sampling.seed, "citation_linking", key) <= sampling.last:
            rows += _make_pairs(key, (passage.paper, paragraph, span), settings, sampling.seed, sampling.split)
        else:
            counts.dropped["citations not sampled"] += 1
    return rows


def _queries_of(split: str, passage: Passage, counts: Counts) -> Iterator[tuple[str, Span]]:
    (paragraph,) = passage.paper.body
    counts.read["citations"] += len(paragraph.citations)
    for span in paragraph.citations:
        if _is_usable(passage.paper, paragraph, span, counts):
            yield f"{split}/{passage.id}/{span.start}", span


def _is_usable(paper: Paper, paragraph: Paragraph, span: Span, counts: Counts) -> bool:
    if span.target is None:
        counts.dropped["citations that the parser did not resolve"] += 1
    elif not normalise_title(paper.bibliography[span.target].title):
        counts.dropped["citations of an entry without a title"] += 1
    elif not _has_other_titles(paper, normalise_title(paper.bibliography[span.target].title)):
        counts.dropped["citations with no other candidate"] += 1
    else:
        return True
    return False


def _has_other_titles(paper: Paper, cited: str) -> bool:
    return any(normalise_title(entry.title) not in ("", cited) for entry in paper.bibliography.values())


def _candidates(paper: Paper, cited: Entry) -> list[Entry]:
    """Return the bibliography without untitled entries and without duplicates by title, sorted by id."""
    unique = {normalise_title(entry.title): entry for entry in reversed(paper.bibliography.values())}
    unique[normalise_title(cited.title)] = cited
    return sorted((entry for title, entry in unique.items() if title), key=lambda entry: entry.id)


def _make_pairs(
    key: str, query: tuple[Paper, Paragraph, Span], settings: Pairs, seed: int, split: str
) -> Iterator[Row]:
    """Yield the rows of a query; see `_pair_rows`."""
    paper, paragraph, span = query
    cited = paper.bibliography[str(span.target)]
    columns = {"paper": paper.id, "query": key, "context": mask_context(paragraph, span, settings)}
    return _pair_rows(columns, _candidates(paper, cited), cited, settings.negatives, seed, split)


def _pair_rows(
    columns: Row, candidates: list[Entry], cited: Entry, negatives: int, seed: int, split: str
) -> Iterator[Row]:
    """Yield the rows of a query: in training the sampled candidates, else all.

    Args:
        columns: Values of paper, query and context.
        candidates: Entries sorted by id, the cited one included.
        cited: The cited entry.
        negatives: Other entries to sample.
        seed: Of the draw.
        split: Of the query.
    """
    key = columns["query"]
    others = [f"{key}/{entry.id}" for entry in candidates if entry is not cited]
    drawn = set(sorted(others, key=lambda id_: draw(seed, "negative", id_))[:negatives])
    for entry in candidates:
        id_ = f"{key}/{entry.id}"
        sampled = entry is cited or id_ in drawn
        if sampled or split != "train":
            label = "cited" if entry is cited else "other"
            yield {"id": id_, **columns, "candidate": entry.title, "label": label, "sampled": sampled}


EXAMPLE = {
    "text": "We translate with attention (Bahdanau et al., 2015); Table 2 shows the scores.",
    "bibliography": [
        {
            "id": "b0",
            "title": "Neural machine translation by jointly learning to align and translate",
            "abstract": "",
        },
        {"id": "b1", "title": "Speech recognition with deep recurrent networks", "abstract": ""},
    ],
}
TASK = Task(
    title="Citation linking",
    headlines=("mrr",),
    settings=Settings,
    features=features,
    label_origin="parser",
    read=read,
    group="paper",
    text="context",
    commands=(
        Command(
            name="link",
            title="Link citations",
            help="rank the entries of a bibliography for each citation of a text",
            example="papertrail link draft.tex --bibliography references.bib\n  papertrail link paper.json 17.in",
            input="citations",
            answer="links",
            examples=(EXAMPLE,),
        ),
    ),
)
