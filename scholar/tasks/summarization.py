"""Summarization: a paper's text, and what its authors or annotators say it comes to.

Format aclsum: one of the 250 ACL papers of ACLSum (MIT licence), 100 / 50 / 100. The text is its introduction and
conclusion as annotators split them into sentences, or the body text that the parser read, cut to a budget when a model
reads it. The target is the abstract, written by the authors, or one of the three summaries that human annotators wrote:
challenge, approach, outcome. Scores compare with those on arXiv or PubMed only in kind.

Format articles: any collection of articles with their abstracts. The published one is the arXiv part of Cohan et al.,
2018, "A Discourse-Aware Attention Model for Abstractive Summarization of Long Documents". An article that holds its own
abstract, word for word, is left out: the target could be copied.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from datasets import Features, List, Value
from pydantic import Field
from sentencex import segment

from scholar.corpora.aclsum import Sentence, read_sentences, read_split_papers, read_summaries
from scholar.corpora.articles import Draw, read_articles
from scholar.errors import ParamsError
from scholar.params import Fraction, Positive, RelativePath, Sizes, strict
from scholar.records import SPLITS, Counts, Row
from scholar.splits import draw, sample
from scholar.task import Task


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class AclsumSettings:
    """`text`: what is read; `target`: what is to be written; `examples`: papers kept."""

    task: Literal["summarization"]
    source: str
    format: Literal["aclsum"]
    text: Literal["introduction_conclusion", "body"]
    target: Literal["abstract", "challenge", "approach", "outcome"]
    examples: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Of the articles that are split by draw; the rest is for training."""

    validation: Fraction
    test: Fraction


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleSettings:
    """`files`: those of each split, or under `all` those that are split by draw, by `shares` (else null).

    `id` and `title` name columns, null where there are none; shorter articles and abstracts than `min_words` and
    `min_abstract_words` are debris; `examples`: articles kept.
    """

    task: Literal["summarization"]
    source: str
    format: Literal["articles"]
    files: dict[Literal["train", "validation", "test", "all"], Annotated[list[RelativePath], Field(min_length=1)]]
    shares: Shares | None
    id: str | None
    title: str | None
    article: str
    abstract: str
    min_words: Positive
    min_abstract_words: Positive
    examples: Sizes


Settings = Annotated[AclsumSettings | ArticleSettings, Field(discriminator="format")]


def features(settings: AclsumSettings | ArticleSettings) -> Features:
    """A paper: the sentences of its text and of its summary."""
    return Features(
        id=Value("string"), title=Value("string"), source=List(Value("string")), target=List(Value("string"))
    )


def read(
    folder: Path, settings: AclsumSettings | ArticleSettings, seed: int, counts: Counts
) -> Iterator[tuple[str, Row]]:
    """(split, paper), sampled down to settings.examples by (seed, id)."""
    if isinstance(settings, ArticleSettings):
        return _read_articles(folder, settings, seed, counts)
    return _read_papers(folder, settings, seed, counts)


def _read_papers(folder: Path, settings: AclsumSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    splits = read_split_papers(folder, counts)
    counts.dropped["papers in no split"] += len(splits.pop("none"))
    sentences: dict[str, list[Sentence]] = {}
    for _, sentence in read_sentences(folder):
        sentences.setdefault(sentence.paper, []).append(sentence)
    written = read_summaries(folder)
    for split, papers in splits.items():
        rows: list[Row] = []
        for paper in sorted(papers, key=lambda paper: paper.id):
            own = sentences.get(paper.id, [])
            abstract = [s.text for s in own if s.section == "abstract"]
            target = (
                abstract if settings.target == "abstract" else list(segment("en", written[paper.id][settings.target]))
            )
            source = [s.text for s in own if s.section != "abstract"]
            if settings.text == "body":
                source = [str(text) for paragraph in paper.body for text in segment("en", paragraph.text)]
            row: Row = {"id": paper.id, "title": paper.title, "source": _clean(source), "target": _clean(target)}
            if row["source"] and row["target"]:
                rows.append(row)
            else:
                counts.dropped["papers without text" if row["target"] else "papers without a summary"] += 1
        chosen = sample((row["id"] for row in rows), settings.examples.of(split), seed, "summarization")
        counts.dropped["papers not sampled"] += len(rows) - len(chosen)
        yield from ((split, row) for row in rows if row["id"] in chosen)


def _read_articles(folder: Path, settings: ArticleSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    if ("all" in settings.files) != (settings.shares is not None):
        raise ParamsError("params.yaml: datasets: files.all and shares belong together; give both, or set shares: null")
    columns = [settings.article, settings.abstract, *([settings.title] if settings.title else [])]
    drawn = {split: Draw[Row](settings.examples.of(split), seed, "summarization") for split in SPLITS}
    for part, files in settings.files.items():
        for id_, article in read_articles(folder, files, settings.id, columns, counts):
            text, abstract = article[settings.article], article[settings.abstract]
            if fault := _fault(text, abstract, settings):
                counts.dropped[fault] += 1
                continue
            split = _split_of(id_, settings.shares, seed) if settings.shares and part == "all" else part
            title = " ".join(article[settings.title].split()) if settings.title else ""
            drawn[split].offer(id_, {"id": id_, "title": title, "source": text, "target": abstract})
    for split, kept in drawn.items():
        rows = kept.chosen()
        counts.dropped["articles not sampled"] += kept.offered - len(rows)
        for _, row in rows:
            yield split, {**row, **{side: _clean(segment("en", row[side])) for side in ("source", "target")}}


def _split_of(id_: str, shares: Shares, seed: int) -> str:
    """The split of an article, as a function of its id and the seed alone."""
    place = draw(seed, "split", id_) / 2**64
    return "test" if place < shares.test else "validation" if place < shares.test + shares.validation else "train"


def _fault(text: str, abstract: str, settings: ArticleSettings) -> str:
    """Why an article cannot be learnt from; empty when it can."""
    words, abstract_words = len(text.split()), len(abstract.split())
    if not words or not abstract_words:
        return "articles without an abstract" if words else "articles without text"
    tight, tight_abstract = _squeeze(text), _squeeze(abstract)
    if tight == tight_abstract:
        return "articles equal to their abstract"
    if words < settings.min_words:
        return f"articles under {settings.min_words} words"
    if abstract_words < settings.min_abstract_words:
        return f"abstracts under {settings.min_abstract_words} words"
    if abstract_words > words:
        return "abstracts longer than their article"
    return "articles that hold their abstract" if tight_abstract in tight else ""


def _squeeze(text: str) -> str:
    return "".join(text.split()).casefold()  # `leakage.squash` is too slow for millions of pages


def _clean(sentences: Iterable[object]) -> list[str]:
    return [text for text in (" ".join(str(sentence).split()) for sentence in sentences) if text]


TASK = Task(settings=Settings, features=features, label_origin="author", read=read, group="id", text="target")
