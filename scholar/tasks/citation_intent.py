"""Citation intent, or the rhetorical role of a sentence: one label of a short list for one text.

Format aclsum: sentences of abstracts, introductions and conclusions of 250 ACL papers (MIT licence); human annotators
marked those that state the challenge, the approach or the outcome, the roles that SciCite (Cohan et al., 2019) calls
background, method and result. Sentences with exactly one role are kept: 1,589 / 719 / 1,402. They are not citation
contexts, so scores compare with SciCite's only in kind.

Format jsonl: a file of objects per split, whose fields params.yaml names. SciCite (Cohan et al., 2019; human labels) in
the copy of allenai/scibert has 7,320 / 916 / 1,861 citation contexts and tells no papers; 104 of train are like one of
validation or test, two of them to the letter, and leave it. Published there: 0.849 macro-F1 by BERT-base-uncased, 0.855
by SciBERT.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from datasets import ClassLabel, Features, Value
from pydantic import Field

from scholar.corpora.aclsum import read_sentences
from scholar.corpora.jsonl import read_json_lines
from scholar.errors import DataError
from scholar.params import Files, Sizes, strict
from scholar.records import SPLITS, Counts, Row
from scholar.splits import sample
from scholar.task import LabelOrigin, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Labelled texts, whatever their format. `examples`: texts kept."""

    task: Literal["citation_intent"]
    source: str
    labels: Annotated[list[str], Field(min_length=2)]
    examples: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Roles(Labelled):
    """Sentences of papers with the roles that annotators gave them."""

    format: Literal["aclsum"]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What the fields are called; `paper` tells which texts belong together, null that each stands for itself, as
    does a text whose own `paper` is null or empty."""

    text: str
    label: str
    paper: str | None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Lines(Labelled):
    """A file of objects per split; `labels_by`: who labelled them."""

    format: Literal["jsonl"]
    files: Files
    fields: Fields
    labels_by: LabelOrigin


Settings = Annotated[Roles | Lines, Field(discriminator="format")]


def features(settings: Labelled) -> Features:
    """A text with its label."""
    return Features(
        id=Value("string"), paper=Value("string"), text=Value("string"), label=ClassLabel(names=settings.labels)
    )


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """(split, labelled text), sampled down to settings.examples by (seed, id)."""
    found = _read_lines(folder, settings, counts) if isinstance(settings, Lines) else _read_roles(folder, counts)
    rows: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for split, row in found:
        rows[split].append(row)
    for split, kept in rows.items():
        chosen = sample((row["id"] for row in kept), settings.examples.of(split), seed, "citation_intent")
        counts.dropped["texts not sampled"] += len(kept) - len(chosen)
        yield from ((split, row) for row in kept if row["id"] in chosen)


def _read_roles(folder: Path, counts: Counts) -> Iterator[tuple[str, Row]]:
    for split, sentence in read_sentences(folder):
        counts.read["sentences"] += 1
        if len(sentence.roles) == 1:
            row = {"id": sentence.id, "paper": sentence.paper, "text": sentence.text, "label": sentence.roles[0]}
            yield split, row
        else:
            counts.dropped[f"sentences with {len(sentence.roles)} roles"] += 1


def _read_lines(folder: Path, settings: Lines, counts: Counts) -> Iterator[tuple[str, Row]]:
    names = settings.fields
    keys = tuple(name for name in (names.text, names.label, names.paper) if name is not None)
    for split in SPLITS:
        for number, (place, row) in enumerate(read_json_lines(folder / settings.files.of(split), keys)):
            counts.read["texts"] += 1
            text, label, id_ = row[names.text], row[names.label], f"{split}/{number}"
            if label not in settings.labels:
                raise DataError(f"{place}: label {label!r} is not in labels {settings.labels}")
            if not isinstance(text, str):
                raise DataError(f"{place}: {names.text}: a text was expected, got {text!r:.80}")
            if text.strip():
                told = None if names.paper is None else row[names.paper]
                alone = told is None or told == ""
                counts.read["texts that tell no paper"] += alone and names.paper is not None
                paper = id_ if alone else str(told)
                yield split, {"id": id_, "paper": paper, "text": text, "label": label}
            else:
                counts.dropped["empty texts"] += 1


TASK = Task(settings=Settings, features=features, label_origin="human", read=read, group="paper", text="text")
