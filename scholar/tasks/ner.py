"""Entity mentions: which words of a sentence mention a citation, a figure or a table (or, in CoNLL data, an entity).

Format s2orc: sentences of the body text of the 250 ACL papers (MIT licence), labelled by the parser that read the PDFs,
not by people: 11,354 citations, 1,886 figures and tables in about 50,000 sentences. Scores there tell how well a model
learns the parser's habits and compare with nothing published.

Format conll: a file per split with a tag in the last column, of any of the conventions of scholar.corpora.conll; rows
have IOB2 tags. A sentence of no document (in many files no -DOCSTART- tells any) stands for itself, as a paper of one
sentence. BC5CDR (Li et al., 2016; chemicals and diseases by human annotators, under its own terms) in the copy of
allenai/scibert has one type, `Entity`, and 500 documents a file: 3,942 / 3,949 / 4,139 sentences with 9,270 / 9,455 /
9,662 mentions read as iob1, which is how its F1 was published (Beltagy et al., 2019: 0.867 by BERT-base-cased, 0.900 by
SciBERT). Scores on typed copies of it do not compare.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from datasets import ClassLabel, Features, List, Value
from pydantic import Field

from scholar.corpora.aclsum import read_split_papers
from scholar.corpora.conll import Tagging, read_sentences
from scholar.corpora.s2orc import Paragraph, sentence_bounds
from scholar.errors import ParamsError
from scholar.params import Files, Fraction, Positive, Sizes, choose, strict
from scholar.records import SPLITS, Counts, Row
from scholar.splits import sample
from scholar.task import LabelOrigin, Task

KINDS = {"BIBREF": "CITATION", "FIGREF": "FIGURE", "TABREF": "TABLE"}  # what the parser's ids begin with
WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """Tagged sentences, whatever their format. `examples`: sentences kept.

    `train_mention_share`: of the sampled training sentences, how many hold a mention; null takes them as they come.
    """

    task: Literal["ner"]
    source: str
    types: Annotated[list[str], Field(min_length=1)]
    min_words: Positive
    train_mention_share: Fraction | None
    examples: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Papers(Tagged):
    """Body text of papers, tagged where the parser found a citation, a figure or a table."""

    format: Literal["s2orc"]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Columns(Tagged):
    """A file per split; `tagging` is the convention of its tags, `labels_by` who set them."""

    format: Literal["conll"]
    files: Files
    tagging: Tagging
    labels_by: LabelOrigin


Settings = Annotated[Papers | Columns, Field(discriminator="format")]


def features(settings: Tagged) -> Features:
    """A sentence; `starts` are character offsets of its tokens in it."""
    tags = ["O", *(f"{prefix}-{kind}" for kind in settings.types for prefix in "BI")]
    return Features(
        id=Value("string"),
        paper=Value("string"),
        tokens=List(Value("string")),
        starts=List(Value("int32")),
        ner_tags=List(ClassLabel(names=tags)),
    )


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """(split, sentence), sampled down to settings.examples by (seed, id)."""
    if isinstance(settings, Columns):
        found = _read_columns(folder, settings, counts)
    else:
        found = _read_papers(folder, settings, counts)
    rows: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for split, row in found:
        if len(row["tokens"]) < settings.min_words:
            counts.dropped[f"sentences under {settings.min_words} words"] += 1
        else:
            rows[split].append(row)
    for split, kept in rows.items():
        chosen = _choose(kept, split, settings, seed)
        mentions = sum(row["id"] in chosen and any(tag != "O" for tag in row["ner_tags"]) for row in kept)
        counts.read[f"{split} sentences with a mention"] += mentions
        counts.dropped["sentences not sampled"] += len(kept) - len(chosen)
        yield from ((split, row) for row in kept if row["id"] in chosen)


def _choose(rows: list[Row], split: str, settings: Tagged, seed: int) -> set[str]:
    """The ids of the rows to keep; where one kind of training sentence is too rare, the other fills up."""
    size, share = settings.examples.of(split), settings.train_mention_share
    if split != "train" or share is None:
        return sample((row["id"] for row in rows), size, seed, "ner")
    if size is None:
        raise ParamsError("params.yaml: datasets: train_mention_share needs a size in examples.train; set one to null")
    mentioning = [row["id"] for row in rows if any(tag != "O" for tag in row["ner_tags"])]
    plain = {row["id"] for row in rows} - set(mentioning)
    wanted = min(max(round(size * share), size - len(plain)), len(mentioning))
    return sample(mentioning, wanted, seed, "ner") | sample(plain, size - wanted, seed, "ner")


def _read_papers(folder: Path, settings: Papers, counts: Counts) -> Iterator[tuple[str, Row]]:
    for kind in settings.types:
        choose("entity type", kind, sorted(KINDS.values()))
    splits = read_split_papers(folder, counts)
    counts.dropped["papers in no split"] += len(splits.pop("none"))
    for split, papers in splits.items():
        for paper in papers:
            for number, paragraph in enumerate(paper.body):
                for sentence, row in enumerate(tag_sentences(paragraph, settings.types)):
                    counts.read["sentences"] += 1
                    yield split, {"id": f"{paper.id}/{number}/{sentence}", "paper": paper.id, **row}


def tag_sentences(paragraph: Paragraph, types: list[str]) -> Iterator[Row]:
    """Tokens, their offsets and IOB2 tags of each sentence; mentions of other types are plain text."""
    spans = [(span.start, span.end, "CITATION") for span in paragraph.citations]  # resolved or not, it is a citation
    spans += [(s.start, s.end, KINDS.get(s.target[:6], "")) for s in paragraph.references if s.target]
    spans = [span for span in spans if span[2] in types]
    for start, end in sentence_bounds(paragraph.text, [span[:2] for span in spans]):
        tokens, starts, tags = [], [], []
        inside = None  # the mention that the token before belongs to
        for match in WORD.finditer(paragraph.text, start, end):
            mention = next((span for span in spans if span[0] < match.end() and match.start() < span[1]), None)
            tokens.append(match.group())
            starts.append(match.start() - start)
            tags.append("O" if mention is None else f"{'I' if mention is inside else 'B'}-{mention[2]}")
            inside = mention
        yield {"tokens": tokens, "starts": starts, "ner_tags": tags}


def _read_columns(folder: Path, settings: Columns, counts: Counts) -> Iterator[tuple[str, Row]]:
    for split in SPLITS:
        file = folder / settings.files.of(split)
        for number, (document, tokens, tags) in enumerate(
            read_sentences(file, settings.tagging, settings.types, counts)
        ):
            counts.read["sentences"] += 1
            starts = [sum(len(token) + 1 for token in tokens[:position]) for position in range(len(tokens))]
            paper = document if isinstance(document, str) else f"{split}/{document}"  # numbers begin anew in each file
            if document is None:
                paper = f"{split}/sentence/{number}"
            yield (
                split,
                {"id": f"{split}/{number}", "paper": paper, "tokens": tokens, "starts": starts, "ner_tags": tags},
            )


TASK = Task(settings=Settings, features=features, label_origin="parser", read=read, group="paper", text="tokens")
