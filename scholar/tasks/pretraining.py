"""Text to pretrain on: paragraphs as lists of sentences, for masked words and for next sentences.

Body text of the 250 ACL papers (MIT licence). Papers of the test split are left out, so that no downstream test text is
ever seen; papers of the validation split measure the pretraining. Sentences shorter than `min_words` are dropped, and
a paragraph needs two sentences to say what comes next.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datasets import Features, List, Value
from sentencex import segment

from scholar.corpora.aclsum import read_split_papers
from scholar.params import Positive, Sizes, strict
from scholar.records import Counts, Row
from scholar.splits import sample
from scholar.task import Task


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`examples`: paragraphs kept."""

    task: Literal["pretraining"]
    source: str
    min_words: Positive
    examples: Sizes


def features(settings: Settings) -> Features:
    """A paragraph."""
    return Features(id=Value("string"), paper=Value("string"), sentences=List(Value("string")))


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """(split, paragraph), sampled down to settings.examples by (seed, id); there is no test split."""
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


def _sentences(text: str, min_words: int, counts: Counts) -> list[str]:
    found = [" ".join(sentence.split()) for sentence in segment("en", text)]
    kept = [sentence for sentence in found if len(sentence.split()) >= min_words]
    counts.read["sentences"] += len(found)
    counts.dropped[f"sentences under {min_words} words"] += len(found) - len(kept)
    return kept


TASK = Task(settings=Settings, features=features, label_origin="none", read=read, group="paper", text="sentences")
