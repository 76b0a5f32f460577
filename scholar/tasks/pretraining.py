"""Text to pretrain on: runs of sentences, for masked words and for next sentences.

Format aclsum: paragraphs of the 250 ACL papers (MIT licence). Papers of the test split are left out, so that no
downstream test text is ever seen; papers of the validation split measure the pretraining.

Format articles: any collection with a column of text, such as articles of PubMed or abstracts of arXiv. A row is a run
of at most `max_sentences` sentences of one document, cut into runs of even length. A test row is then sought in a page,
not in a whole paper, where stock phrases add up; and long documents give more pairs than short ones, as they have more
text. A wrong next sentence comes from another page of its own paper once in as many times as there are papers.

Sentences shorter than `min_words` are dropped, nothing else is cleaned, and a row needs two sentences to say what comes
next.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from datasets import Features, List, Value
from pydantic import Field
from sentencex import segment

from scholar.corpora.aclsum import read_split_papers
from scholar.corpora.articles import Draw, read_articles
from scholar.params import Positive, Rate, RelativePath, Sizes, strict
from scholar.records import Counts, Row
from scholar.splits import draw, sample
from scholar.task import Task


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class AclsumSettings:
    """`examples`: paragraphs kept."""

    task: Literal["pretraining"]
    source: str
    format: Literal["aclsum"]
    min_words: Positive
    examples: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleSettings:
    """`text` and `id` name columns, id null where there is none; `documents`: kept in all, null keeps every one.

    `validation_share`: of the documents, by draw.
    """

    task: Literal["pretraining"]
    source: str
    format: Literal["articles"]
    files: Annotated[list[RelativePath], Field(min_length=1)]
    id: str | None
    text: str
    min_words: Positive
    max_sentences: Annotated[int, Field(ge=4)]  # fewer would leave runs of one
    documents: Positive | None
    validation_share: Rate


Settings = Annotated[AclsumSettings | ArticleSettings, Field(discriminator="format")]


def features(settings: AclsumSettings | ArticleSettings) -> Features:
    """A paragraph, or a run of sentences."""
    return Features(id=Value("string"), paper=Value("string"), sentences=List(Value("string")))


def read(
    folder: Path, settings: AclsumSettings | ArticleSettings, seed: int, counts: Counts
) -> Iterator[tuple[str, Row]]:
    """(split, row), sampled by (seed, id); there is no test split."""
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
                sentences = _sentences(paragraph.text, settings.min_words, counts)
                if len(sentences) < 2:
                    counts.dropped["paragraphs under two sentences"] += 1
                else:
                    rows.append({"id": f"{paper.id}/{number}", "paper": paper.id, "sentences": sentences})
        chosen = sample((row["id"] for row in rows), settings.examples.of(split), seed, "pretraining")
        counts.dropped["paragraphs not sampled"] += len(rows) - len(chosen)
        yield from ((split, row) for row in rows if row["id"] in chosen)


def _read_articles(folder: Path, settings: ArticleSettings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    drawn = Draw[str](settings.documents, seed, "pretraining")
    for id_, article in read_articles(folder, settings.files, settings.id, [settings.text], counts):
        if article[settings.text].strip():
            drawn.offer(id_, article[settings.text])
        else:
            counts.dropped["documents without text"] += 1
    documents = drawn.chosen()
    counts.dropped["documents not sampled"] += drawn.offered - len(documents)
    for id_, text in documents:
        sentences = _sentences(text, settings.min_words, counts)
        if len(sentences) < 2:
            counts.dropped["documents under two sentences"] += 1
            continue
        split = "validation" if draw(seed, "split", id_) < settings.validation_share * 2**64 else "train"
        for number, run in enumerate(_cut(sentences, settings.max_sentences)):
            yield split, {"id": f"{id_}/{number}", "paper": id_, "sentences": run}


def _cut(sentences: list[str], longest: int) -> list[list[str]]:
    """The sentences in as few runs as may be, whose lengths differ by one at most."""
    runs = -(-len(sentences) // longest)
    bounds = [len(sentences) * number // runs for number in range(runs + 1)]
    return [sentences[start:end] for start, end in pairwise(bounds)]


def _sentences(text: str, min_words: int, counts: Counts) -> list[str]:
    found = [" ".join(sentence.split()) for sentence in segment("en", text)]
    kept = [sentence for sentence in found if len(sentence.split()) >= min_words]
    counts.read["sentences"] += len(found)
    counts.dropped[f"sentences under {min_words} words"] += len(found) - len(kept)
    return kept


TASK = Task(settings=Settings, features=features, label_origin="none", read=read, group="paper", text="sentences")
