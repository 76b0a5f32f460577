"""Summarization: a paper's text, and what its authors or annotators say it comes to.

A row is one of the 250 ACL papers of ACLSum (MIT licence), 100 / 50 / 100. The text is its introduction and conclusion
as annotators split them into sentences, or the body text that the parser read, cut to a budget when a model reads it.
The target is the abstract, written by the authors, or one of the three summaries that human annotators wrote:
challenge, approach, outcome. Scores compare with those on arXiv or PubMed only in kind.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datasets import Features, List, Value
from sentencex import segment

from scholar.corpora.aclsum import Sentence, read_sentences, read_split_papers, read_summaries
from scholar.params import Sizes, strict
from scholar.records import Counts, Row
from scholar.splits import sample
from scholar.task import Task


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`text`: what is read; `target`: what is to be written; `examples`: papers kept."""

    task: Literal["summarization"]
    source: str
    text: Literal["introduction_conclusion", "body"]
    target: Literal["abstract", "challenge", "approach", "outcome"]
    examples: Sizes


def features(settings: Settings) -> Features:
    """A paper: the sentences of its text and of its summary."""
    return Features(
        id=Value("string"), title=Value("string"), source=List(Value("string")), target=List(Value("string"))
    )


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """(split, paper), sampled down to settings.examples by (seed, id)."""
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


def _clean(sentences: Iterable[object]) -> list[str]:
    return [text for text in (" ".join(str(sentence).split()) for sentence in sentences) if text]


TASK = Task(settings=Settings, features=features, label_origin="author", read=read, group="id", text="source")
