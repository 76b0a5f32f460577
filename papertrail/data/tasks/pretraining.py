"""Pretraining text: runs of sentences, for masked language modelling and next sentence prediction.

Format aclsum: paragraphs of the 250 ACL papers (MIT licence). Papers of the test split are left out, so that the
encoder never sees downstream test text; papers of the validation split measure the pretraining.

Format articles: any collection with a column of text, such as articles of PubMed or abstracts of arXiv. A row is a run
of at most `max_sentences` sentences of one document, cut into runs of even length. A test row is therefore searched in
one run, not in a whole paper, where stock phrases add up. Long documents have more rows, and so more sentence pairs. A
random next sentence is from another row of the same paper with a probability of one over the number of papers.

Sentences shorter than `min_words` are dropped, nothing else is cleaned. A row has at least two sentences.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from papertrail.core.params import Positive, Rate, RelativePath, Sizes, strict
from papertrail.core.randomness import draw, sample
from papertrail.core.records import Counts, Row
from papertrail.data.formats.aclsum import read_split_papers
from papertrail.data.formats.articles import StreamSample, read_articles
from papertrail.data.task import Task
from papertrail.data.text import split_sentences

if TYPE_CHECKING:
    from datasets import Features


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class AclsumSettings:
    """Paragraphs of ACLSum; `examples`: paragraphs kept."""

    task: Literal["pretraining"]
    source: str
    format: Literal["aclsum"]
    min_words: Positive
    examples: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleSettings:
    """Documents of a collection.

    Attributes:
        files: All files.
        id: Name of a column, null if there is none.
        text: Name of a column.
        min_words: Minimum words of a sentence.
        max_sentences: Of a row.
        documents: Documents kept; null keeps all.
        validation_share: Of the documents, by draw.
    """

    task: Literal["pretraining"]
    source: str
    format: Literal["articles"]
    files: Annotated[list[RelativePath], Field(min_length=1)]
    id: str | None
    text: str
    min_words: Positive
    max_sentences: Annotated[int, Field(ge=4)]  # with fewer, a run could have one sentence
    documents: Positive | None
    validation_share: Rate


Settings = Annotated[AclsumSettings | ArticleSettings, Field(discriminator="format")]


def features(settings: AclsumSettings | ArticleSettings) -> "Features":
    """Return the columns of a paragraph or a run of sentences."""
    from datasets import Features, List, Value

    return Features(id=Value("string"), paper=Value("string"), sentences=List(Value("string")))


def read(
    folder: Path, settings: AclsumSettings | ArticleSettings, seed: int, counts: Counts
) -> Iterator[tuple[str, Row]]:
    """Yield (split, row), sampled by (seed, id); there is no test split."""
    if isinstance(settings, ArticleSettings):
        return _read_articles(folder, settings, seed, counts)
    return _read_papers(folder, settings, seed, counts)


def _read_papers(folder: Path, settings: AclsumSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    splits = read_split_papers(folder, counts)
    counts.dropped["papers of the test split"] += len(splits["test"])
    papers = {"train": [*splits["train"], *splits["none"]], "validation": splits["validation"]}
    for split in papers:
        rows: list[Row] = []
        for paper in papers[split]:
            for number, paragraph in enumerate(paper.body):
                sentences = _split_sentences(paragraph.text, settings.min_words, counts)
                if len(sentences) < 2:
                    counts.dropped["paragraphs under two sentences"] += 1
                else:
                    rows.append({"id": f"{paper.id}/{number}", "paper": paper.id, "sentences": sentences})
        chosen = sample((row["id"] for row in rows), settings.examples.of(split), seed, "pretraining")
        counts.dropped["paragraphs not sampled"] += len(rows) - len(chosen)
        yield from ((split, row) for row in rows if row["id"] in chosen)


def _read_articles(folder: Path, settings: ArticleSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    texts = StreamSample[str](settings.documents, seed, "pretraining")
    for id_, article in read_articles(folder, settings.files, settings.id, [settings.text], counts):
        if article[settings.text].strip():
            texts.add(id_, article[settings.text])
        else:
            counts.dropped["documents without text"] += 1
    documents = texts.chosen()
    counts.dropped["documents not sampled"] += texts.seen - len(documents)
    for id_, text in documents:
        sentences = _split_sentences(text, settings.min_words, counts)
        if len(sentences) < 2:
            counts.dropped["documents under two sentences"] += 1
            continue
        split = "validation" if draw(seed, "split", id_) < settings.validation_share * 2**64 else "train"
        for number, run in enumerate(_cut(sentences, settings.max_sentences)):
            yield split, {"id": f"{id_}/{number}", "paper": id_, "sentences": run}


def _cut(sentences: list[str], longest: int) -> list[list[str]]:
    """Return the sentences in as few runs as possible, whose lengths differ by at most one."""
    runs = -(-len(sentences) // longest)
    bounds = [len(sentences) * number // runs for number in range(runs + 1)]
    return [sentences[start:end] for start, end in pairwise(bounds)]


def _split_sentences(text: str, min_words: int, counts: Counts) -> list[str]:
    """Return the sentences with enough words; count the others."""
    sentences = split_sentences(text)
    kept = [sentence for sentence in sentences if len(sentence.split()) >= min_words]
    counts.read["sentences"] += len(sentences)
    counts.dropped[f"sentences under {min_words} words"] += len(sentences) - len(kept)
    return kept


TASK = Task(
    title="Pretraining text",
    headlines=(),
    settings=Settings,
    features=features,
    label_origin="none",
    read=read,
    group="paper",
    text="sentences",
)
