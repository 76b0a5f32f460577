"""Citation intent, or the rhetorical role of a sentence: one label per text.

Format aclsum: sentences of abstracts, introductions and conclusions of 250 ACL papers (MIT licence). Human annotators
marked those that state the challenge, the approach or the outcome; SciCite (Cohan et al., 2019) calls these roles
background, method and result. Sentences with exactly one role are kept: 1,589 / 719 / 1,402. They are not citation
contexts, so scores compare with SciCite's only in kind.

Format jsonl: a file of objects per split, whose fields params.yaml names. Where text and label are two lists of the
same length, as in CSAbstruct, each pair is a row, and the rows of an object are in one split. SciCite (Cohan et al.,
2019; human labels) in the copy of allenai/scibert has 7,320 / 916 / 1,861 citation contexts without their papers. 104
training contexts are near-duplicates of one of validation or test, and are dropped. Published macro-F1: 0.849 by
BERT-base-uncased, 0.855 by SciBERT.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from papertrail.core.errors import DataError
from papertrail.core.params import Files, Sizes, strict
from papertrail.core.randomness import sample
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.formats.aclsum import read_sentences
from papertrail.data.formats.jsonl import read_id, read_json_lines
from papertrail.data.task import Command, LabelOrigin, Task

if TYPE_CHECKING:
    from datasets import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Labelled texts of any format; `examples`: texts kept."""

    task: Literal["citation_intent"]
    source: str
    labels: Annotated[list[str], Field(min_length=2)]
    examples: Sizes


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Roles(Labelled):
    """Sentences of papers with their roles by annotators."""

    format: Literal["aclsum"]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Names of the fields; texts with the same `paper` are kept in one split.

    A label may be a whole number or a boolean; `labels` then has it as in the file: "0", "true".
    `paper` is null if there is no such field. A text, or a list of texts, whose paper is null or empty is a separate
    paper.
    """

    text: str
    label: str
    paper: str | None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Lines(Labelled):
    """A file of objects per split; `labels_by`: who assigned the labels."""

    format: Literal["jsonl"]
    files: Files
    fields: Fields
    labels_by: LabelOrigin


Settings = Annotated[Roles | Lines, Field(discriminator="format")]


def features(settings: Labelled) -> "Features":
    """Return the columns of a text."""
    from datasets import ClassLabel, Features, Value

    return Features(
        id=Value("string"), paper=Value("string"), text=Value("string"), label=ClassLabel(names=settings.labels)
    )


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """Yield (split, labelled text), sampled to settings.examples by (seed, id)."""
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
            paper = None if names.paper is None else read_id(row[names.paper], f"{place}: {names.paper}")
            id_ = f"{split}/{number}"
            own = {"paper": id_ if paper is None else paper}
            for part, text, label in _texts_of(row, names, place):
                counts.read["texts"] += 1
                counts.read["texts without a paper"] += paper is None and names.paper is not None
                name = json.dumps(label) if isinstance(label, bool | int) else label
                if not isinstance(name, str) or name not in settings.labels:
                    raise DataError(f"{place}: label {label!r} is not in labels {settings.labels}")
                if not isinstance(text, str):
                    raise DataError(f"{place}: {names.text}: expected a text, got {text!r:.80}")
                if text.strip():
                    yield split, {"id": f"{id_}{part}", **own, "text": text, "label": name}
                else:
                    counts.dropped["empty texts"] += 1


def _texts_of(row: Row, names: Fields, place: str) -> Iterator[tuple[str, object, object]]:
    """Yield the end of an id, a text and its label; several of an object with a list of each."""
    texts, labels = row[names.text], row[names.label]
    if not isinstance(texts, list) or not isinstance(labels, list):
        yield "", texts, labels
    elif len(texts) != len(labels):
        raise DataError(f"{place}: {names.text} has {len(texts)} texts, {names.label} {len(labels)} labels")
    else:
        yield from ((f"/{part}", *pair) for part, pair in enumerate(zip(texts, labels, strict=True)))


TASK = Task(
    title="Citation intent",
    headlines=("macro_f1", "average_precision"),
    settings=Settings,
    features=features,
    label_origin="human",
    read=read,
    group="paper",
    text="text",
    commands=(
        Command(
            name="intent",
            title="Citation intent",
            help="classify the role of a sentence in its paper",
            example='papertrail intent "We show gains of two points." "Parsing is hard."',
            input="sentence",
            answer="labels",
            examples=("We show gains of two points.", "Parsing is hard."),
        ),
    ),
)
