"""Entity mentions: which words of a sentence mention a citation, a figure or a table (or, in CoNLL data, an entity).

Format s2orc: sentences of the body text of the 250 ACL papers (MIT licence), labelled by the parser that read the PDFs,
not by people: 11,354 citations, 1,886 figures and tables in about 50,000 sentences. Scores there tell how well a model
learns the parser's habits and compare with nothing published. Format conll: files with IOB2 tags in the last column.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from datasets import ClassLabel, Features, List, Value
from pydantic import Field

from scholar.corpora.aclsum import read_split_papers
from scholar.corpora.conll import read_sentences
from scholar.corpora.s2orc import Paragraph, sentence_bounds
from scholar.errors import DataError, ParamsError
from scholar.params import Files, Fraction, Positive, Sizes, choose, strict
from scholar.records import SPLITS, Counts, Row
from scholar.splits import sample
from scholar.task import Task

KINDS = {"BIBREF": "CITATION", "FIGREF": "FIGURE", "TABREF": "TABLE"}  # what the parser's ids begin with
WORD = re.compile(r"\w+|[^\w\s]")


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tagged sentences. `files` (format conll): a file per split, else null; `examples`: sentences kept.

    `train_mention_share`: of the sampled training sentences, how many hold a mention; null takes them as they come.
    """

    task: Literal["ner"]
    source: str
    format: Literal["s2orc", "conll"]
    files: Files | None
    types: Annotated[list[str], Field(min_length=1)]
    min_words: Positive
    train_mention_share: Fraction | None
    examples: Sizes


def features(settings: Settings) -> Features:
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
    reader = _read_papers if settings.format == "s2orc" else _read_columns
    rows: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for split, row in reader(folder, settings, counts):
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


def _choose(rows: list[Row], split: str, settings: Settings, seed: int) -> set[str]:
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


def _read_papers(folder: Path, settings: Settings, counts: Counts) -> Iterator[tuple[str, Row]]:
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


def _read_columns(folder: Path, settings: Settings, counts: Counts) -> Iterator[tuple[str, Row]]:
    if settings.files is None:
        raise ParamsError("params.yaml: datasets: format conll needs files: {train: ..., validation: ..., test: ...}")
    for split in SPLITS:
        file = folder / settings.files.of(split)
        for number, (document, tokens, tags) in enumerate(read_sentences(file)):
            unknown = {tag[2:] for tag in tags if tag != "O"} - set(settings.types)
            if unknown:
                raise DataError(
                    f"{file}: sentence {number + 1}: type '{min(unknown)}' is not in types {settings.types}"
                )
            counts.read["sentences"] += 1
            starts = [sum(len(token) + 1 for token in tokens[:position]) for position in range(len(tokens))]
            row = {"id": f"{split}/{number}", "paper": f"{split}/{document}", "tokens": tokens, "starts": starts}
            yield split, {**row, "ner_tags": tags}


TASK = Task(settings=Settings, features=features, label_origin="parser", read=read, group="paper", text="tokens")
