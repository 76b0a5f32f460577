"""Citation linking: which entry of the bibliography does a citation in running text mean.

A query is the text around one resolved citation, the citation itself masked so that author and year do not give it
away; every occurrence is a query. A candidate is an entry of the same paper, told by its title, or by its abstract
where the data have one. Who is cited was resolved by a parser, not by people. In training each query stands with its
entry and `negatives` others; in validation and test with the whole bibliography, where column `sampled` marks the same
draw of 1 to `negatives`, for scores of single pairs such as others publish at 1:5.

The data are the 250 papers of ACLSum (MIT licence; 9,781 occurrences), or folders of N.in and N.label as the published
system reads them (55,556 files for training, 3,000 for validation; no test). Of these, files with the same bibliography
are one paper, and each split needs a folder of its own papers. unarXive's sample (CC BY-SA 4.0) has 2,074 / 244 / 724
files of 30 / 6 / 7 papers; its entries are raw references, which tell author and year.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from heapq import nsmallest
from pathlib import Path
from typing import Annotated, Literal

from datasets import ClassLabel, Features, Value
from pydantic import Field

from scholar.corpora.aclsum import read_split_papers
from scholar.corpora.citation_pairs import Passage, work_through
from scholar.corpora.s2orc import (
    Entry,
    Paper,
    Paragraph,
    Span,
    has_author_and_year,
    has_title,
    normalise_title,
)
from scholar.params import Files, Positive, Sizes, strict
from scholar.records import SPLITS, Counts, Row
from scholar.splits import draw, sample
from scholar.task import Task


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Queries and candidates. `queries`: queries kept; `context_characters`: text kept on either side."""

    task: Literal["citation_linking"]
    source: str
    context_characters: Positive
    mask: Literal["target", "all", "none"]
    mask_text: str
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


Settings = Annotated[AclsumPairs | FolderPairs, Field(discriminator="format")]


def features(settings: Pairs) -> Features:
    """A pair of a query and a candidate; the rows of one query stand together."""
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
    """(split, pair) for the queries drawn by (seed, query id)."""
    if isinstance(settings, AclsumPairs):
        return _read_aclsum(folder, settings, seed, counts)
    return _read_folders(folder, settings, seed, counts)


def _read_aclsum(folder: Path, settings: AclsumPairs, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    splits = read_split_papers(folder, counts)
    counts.dropped["papers in no split"] += len(splits.pop("none"))
    for split, papers in splits.items():
        for paper in papers:
            titles = [normalise_title(entry.title) for entry in paper.bibliography.values()]
            titled = [title for title in titles if title]
            counts.dropped["candidates without a title"] += len(titles) - len(titled)
            counts.dropped["candidates of a title that came before"] += len(titled) - len(set(titled))
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
            counts.add_clue("cited_title_in_context", has_title(context, cited))
            counts.add_clue("cited_author_and_year_in_context", has_author_and_year(context, cited))
        for key, query in usable.items():
            if key in chosen:
                yield from ((split, row) for row in _pairs(key, *query, settings, seed, split))


def _read_folders(folder: Path, settings: FolderPairs, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """Read twice where a sample is drawn, first to draw it, so that no more than the draws of all queries are held."""
    for split in SPLITS:
        place, size = folder / settings.files.of(split), settings.queries.of(split)
        last = 2**64  # the draw of the last query that is kept
        if size is not None:
            last = max(
                nsmallest(size, work_through(place, partial(_draw_queries, seed, split), Counts())), default=last
            )
        pairs = partial(_pairs_of, settings, seed, split, last)
        yield from ((split, row) for row in work_through(place, pairs, counts))


def _draw_queries(seed: int, split: str, passage: Passage, counts: Counts) -> list[int]:
    return [draw(seed, "citation_linking", key) for key, _ in _queries_of(split, passage, counts)]


def _pairs_of(settings: FolderPairs, seed: int, split: str, last: int, passage: Passage, counts: Counts) -> list[Row]:
    rows: list[Row] = []
    (paragraph,) = passage.paper.body
    for key, span in _queries_of(split, passage, counts):
        cited = passage.paper.bibliography[str(span.target)]
        context = mask_context(paragraph, span, settings)
        titled = replace(cited, title=passage.titles[cited.id])
        counts.add_clue("cited_title_in_context", has_title(context, titled))
        if draw(seed, "citation_linking", key) <= last:
            rows += _pairs(key, passage.paper, paragraph, span, settings, seed, split)
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
    elif not _others(paper, normalise_title(paper.bibliography[span.target].title)):
        counts.dropped["citations with no other candidate"] += 1
    else:
        return True
    return False


def _others(paper: Paper, cited: str) -> bool:
    """Whether an entry has another title than the one cited."""
    return any(normalise_title(entry.title) not in ("", cited) for entry in paper.bibliography.values())


def _candidates(paper: Paper, cited: Entry) -> list[Entry]:
    """The bibliography without untitled entries and without second entries of one title: nothing tells them apart."""
    unique = {normalise_title(entry.title): entry for entry in reversed(paper.bibliography.values())}
    unique[normalise_title(cited.title)] = cited
    return sorted((entry for title, entry in unique.items() if title), key=lambda entry: entry.id)


def _pairs(
    key: str, paper: Paper, paragraph: Paragraph, span: Span, settings: Pairs, seed: int, split: str
) -> Iterator[Row]:
    cited = paper.bibliography[str(span.target)]
    candidates = _candidates(paper, cited)
    others = [f"{key}/{entry.id}" for entry in candidates if entry is not cited]
    drawn = set(sorted(others, key=lambda id_: draw(seed, "negative", id_))[: settings.negatives])
    context = mask_context(paragraph, span, settings)
    for entry in candidates:
        id_ = f"{key}/{entry.id}"
        sampled = entry is cited or id_ in drawn
        if sampled or split != "train":
            label = "cited" if entry is cited else "other"
            row = {"id": id_, "paper": paper.id, "query": key, "context": context, "candidate": entry.title}
            yield {**row, "label": label, "sampled": sampled}


def mask_context(paragraph: Paragraph, span: Span, settings: Pairs) -> str:
    """The citation masked, with up to settings.context_characters of the paragraph on either side, cut at words."""
    size = settings.context_characters
    before, after = paragraph.text[: span.start], paragraph.text[span.end :]
    hidden = [other for other in paragraph.citations if settings.mask == "all" or other.target == span.target]
    for other in reversed(hidden if settings.mask != "none" else []):
        if other.end <= span.start:
            before = before[: other.start] + settings.mask_text + before[other.end :]
        elif other.start >= span.end:
            start, end = other.start - span.end, other.end - span.end
            after = after[:start] + settings.mask_text + after[end:]
    middle = paragraph.text[span.start : span.end] if settings.mask == "none" else settings.mask_text
    left = before if len(before) <= size else before[-size:].partition(" ")[2]
    right = after if len(after) <= size else after[:size].rpartition(" ")[0]
    return " ".join(f"{left} {middle} {right}".split())


TASK = Task(settings=Settings, features=features, label_origin="parser", read=read, group="paper", text="context")
