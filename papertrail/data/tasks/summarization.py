"""Summarization: the text of a paper and a summary by its authors or by annotators.

Format aclsum: one of the 250 ACL papers of ACLSum (MIT licence), 100 / 50 / 100. The text is its introduction and
conclusion, split into sentences by annotators, or the body text that the parser read; a model truncates it to its
budget. The target is the abstract by the authors, or one of three summaries by human annotators: challenge, approach,
outcome. Scores compare with those on arXiv or PubMed only in kind.

Format articles: any collection of articles with their abstracts; a list of sentences is one text. With `references` the
field of the abstract is a list of references, and a summary is scored against the best or the mean of them, as for
SciTLDR (Cachola et al., 2020: the best). Models are trained on the first. The published one is the arXiv part of Cohan
et al., 2018, "A Discourse-Aware Attention Model for Abstractive Summarization of Long Documents". An article that
contains its own abstract word for word is dropped, as the target could be copied.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from papertrail.core.errors import ParamsError
from papertrail.core.params import Fraction, Positive, RelativePath, Sizes, strict
from papertrail.core.randomness import draw, sample
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.formats.aclsum import Sentence, read_sentences, read_split_papers, read_summaries
from papertrail.data.formats.articles import StreamSample, read_fields
from papertrail.data.formats.s2orc import Paper
from papertrail.data.task import Command, Task
from papertrail.data.text import count_words, split_sentences

if TYPE_CHECKING:
    from datasets import Features


ReferenceScores = Literal["best", "mean"]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class AclsumSettings:
    """Papers of ACLSum; `text` is the input of a model, `target` its reference; `examples`: papers kept."""

    task: Literal["summarization"]
    source: str
    format: Literal["aclsum"]
    text: Literal["introduction_conclusion", "body"]
    target: Literal["abstract", "challenge", "approach", "outcome"]
    examples: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Shares of the articles that are split by draw; the rest is for training."""

    validation: Fraction
    test: Fraction


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleSettings:
    """Articles of a collection.

    Attributes:
        files: Files of each split; those under `all` are split by draw.
        shares: Of the draw; null without `all`.
        id, title: Names of columns, null if there are none.
        article, abstract: Names of columns; each has a text, or a list of sentences.
        references: The abstract has several references. best: a summary gets the scores with the reference that has the
            highest ROUGE-1; mean: the means. Without it, it has one.
        min_words, min_abstract_words: Shorter articles and abstracts are dropped.
        examples: Articles kept.
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
    references: ReferenceScores | None = None


Settings = Annotated[AclsumSettings | ArticleSettings, Field(discriminator="format")]


def features(settings: AclsumSettings | ArticleSettings) -> "Features":
    """Return the columns of a paper: the sentences of its text and of its summary.

    With several references: those of each, the first of which is the target, and how they are scored.
    """
    from datasets import Features, List, Value

    sentences = List(Value("string"))
    several = {}
    if isinstance(settings, ArticleSettings) and settings.references is not None:
        several = {"references": List(sentences), "scored_by": Value("string")}
    return Features(id=Value("string"), title=Value("string"), source=sentences, target=sentences, **several)


def read(
    folder: Path, settings: AclsumSettings | ArticleSettings, seed: int, counts: Counts
) -> Iterator[tuple[str, Row]]:
    """Yield (split, paper), sampled to settings.examples by (seed, id)."""
    if isinstance(settings, ArticleSettings):
        return _read_articles(folder, settings, seed, counts)
    return _read_papers(folder, settings, seed, counts)


def _read_papers(folder: Path, settings: AclsumSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    splits = read_split_papers(folder, counts)
    counts.dropped["papers in no split"] += len(splits.pop("none"))
    sentences: dict[str, list[Sentence]] = {}
    for _, sentence in read_sentences(folder):
        sentences.setdefault(sentence.paper, []).append(sentence)
    summaries = read_summaries(folder)
    for split, papers in splits.items():
        rows: list[Row] = []
        for paper in sorted(papers, key=lambda paper: paper.id):
            row = _make_row(paper, sentences.get(paper.id, []), summaries[paper.id], settings)
            if row["source"] and row["target"]:
                rows.append(row)
            else:
                counts.dropped["papers without text" if row["target"] else "papers without a summary"] += 1
        chosen = sample((row["id"] for row in rows), settings.examples.of(split), seed, "summarization")
        counts.dropped["papers not sampled"] += len(rows) - len(chosen)
        yield from ((split, row) for row in rows if row["id"] in chosen)


def _make_row(paper: Paper, sentences: list[Sentence], summaries: dict[str, str], settings: AclsumSettings) -> Row:
    if settings.target == "abstract":
        target = _clean(sentence.text for sentence in sentences if sentence.section == "abstract")
    else:
        target = split_sentences(summaries[settings.target])
    if settings.text == "body":
        source = [sentence for paragraph in paper.body for sentence in split_sentences(paragraph.text)]
    else:
        source = _clean(sentence.text for sentence in sentences if sentence.section != "abstract")
    return {"id": paper.id, "title": paper.title, "source": source, "target": target}


def _read_articles(folder: Path, settings: ArticleSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    if ("all" in settings.files) != (settings.shares is not None):
        raise ParamsError("params.yaml: datasets: files.all and shares belong together; set both, or shares: null")
    columns = [settings.article, settings.abstract, *([settings.title] if settings.title else [])]
    samples = {split: StreamSample[Row](settings.examples.of(split), seed, "summarization") for split in SPLITS}
    for part, files in settings.files.items():
        for id_, fields in read_fields(folder, files, settings.id, columns, counts):
            text, references = " ".join(fields[settings.article]), fields[settings.abstract]
            references = [" ".join(references)] if settings.references is None else references or [""]
            faults = [_find_fault(text, reference, settings) for reference in references]
            if all(faults):
                counts.dropped[faults[0]] += 1
                continue
            if any(faults):
                counts.dropped["references that cannot be used"] += sum(map(bool, faults))
            usable = [reference for reference, fault in zip(references, faults, strict=True) if not fault]
            split = _split_of(id_, settings.shares, seed) if settings.shares and part == "all" else part
            title = " ".join(" ".join(fields[settings.title]).split()) if settings.title else ""
            samples[split].add(id_, {"id": id_, "title": title, "source": text, "target": usable})
    for split, articles in samples.items():
        rows = articles.chosen()
        counts.dropped["articles not sampled"] += articles.seen - len(rows)
        yield from ((split, _split_texts(row, settings.references)) for _, row in rows)


def _split_texts(row: Row, scored_by: ReferenceScores | None) -> Row:
    """Return a row with texts as sentences, and with all its references if there may be several."""
    references = [split_sentences(text) for text in row["target"]]
    several = {} if scored_by is None else {"references": references, "scored_by": scored_by}
    return {**row, "source": split_sentences(row["source"]), "target": references[0], **several}


def _split_of(id_: str, shares: Shares, seed: int) -> str:
    """Return the split of an article, which depends on its id and the seed only."""
    place = draw(seed, "split", id_) / 2**64
    return "test" if place < shares.test else "validation" if place < shares.test + shares.validation else "train"


def _find_fault(text: str, abstract: str, settings: ArticleSettings) -> str:
    """Return why an article cannot be used, "" if it can."""
    words, abstract_words = count_words(text), count_words(abstract)
    if not words or not abstract_words:
        return "articles without an abstract" if words else "articles without text"
    squeezed, squeezed_abstract = _squeeze(text), _squeeze(abstract)
    if squeezed == squeezed_abstract:
        return "articles equal to their abstract"
    if words < settings.min_words:
        return f"articles under {settings.min_words} words"
    if abstract_words < settings.min_abstract_words:
        return f"abstracts under {settings.min_abstract_words} words"
    if abstract_words > words:
        return "abstracts longer than their article"
    return "articles that hold their abstract" if squeezed_abstract in squeezed else ""


def _squeeze(text: str) -> str:
    return "".join(text.split()).casefold()  # text.squash is too slow for millions of pages


def _clean(sentences: Iterable[str]) -> list[str]:
    """Return the sentences with single spaces, without blank ones."""
    return [text for text in (" ".join(sentence.split()) for sentence in sentences) if text]


TASK = Task(
    title="Summarization",
    headlines=("rougeL",),
    settings=Settings,
    features=features,
    label_origin="author",
    read=read,
    group="id",
    text="target",
    commands=(
        Command(
            name="summarize",
            title="Summarize",
            help="summarize a paper: by sentences of it, or by a text that a language model writes",
            example="papertrail summarize paper.txt",
            input="document",
            answer="summary",
            examples=(
                "Round pebbles are hard to tell apart when they are wet. We train a sieve that looks at the edges of "
                "each pebble. It finds nine of ten round pebbles in two valleys.",
            ),
        ),
    ),
)
