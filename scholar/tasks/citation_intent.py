"""Citation intent, or the rhetorical role of a sentence: one label of a short list for one text.

Format aclsum: sentences of abstracts, introductions and conclusions of 250 ACL papers (MIT licence); human annotators
marked those that state the challenge, the approach or the outcome, the roles that SciCite (Cohan et al., 2019) calls
background, method and result. Sentences with exactly one role are kept: 1,589 / 719 / 1,402. They are not citation
contexts, so scores compare with SciCite's only in kind. Format jsonl: objects with `text` and `label`, one a line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from datasets import ClassLabel, Features, Value
from pydantic import Field

from scholar.corpora.aclsum import read_sentences
from scholar.corpora.jsonl import read_json_lines
from scholar.errors import DataError, ParamsError
from scholar.params import Files, Sizes, strict
from scholar.records import SPLITS, Counts, Row
from scholar.splits import sample
from scholar.task import Task


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A data set of labelled texts. `files` (format jsonl): a file per split, else null; `examples`: texts kept."""

    task: Literal["citation_intent"]
    source: str
    format: Literal["aclsum", "jsonl"]
    files: Files | None
    labels: Annotated[list[str], Field(min_length=2)]
    examples: Sizes


def features(settings: Settings) -> Features:
    """A text with its label."""
    return Features(
        id=Value("string"), paper=Value("string"), text=Value("string"), label=ClassLabel(names=settings.labels)
    )


def read(folder: Path, settings: Settings, seed: int, counts: Counts) -> Iterator[tuple[str, Row]]:
    """(split, labelled text), sampled down to settings.examples by (seed, id)."""
    reader = _read_roles if settings.format == "aclsum" else _read_lines
    rows: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for split, row in reader(folder, settings, counts):
        rows[split].append(row)
    for split, kept in rows.items():
        chosen = sample((row["id"] for row in kept), settings.examples.of(split), seed, "citation_intent")
        counts.dropped["texts not sampled"] += len(kept) - len(chosen)
        yield from ((split, row) for row in kept if row["id"] in chosen)


def _read_roles(folder: Path, settings: Settings, counts: Counts) -> Iterator[tuple[str, Row]]:
    for split, sentence in read_sentences(folder):
        counts.read["sentences"] += 1
        if len(sentence.roles) == 1:
            row = {"id": sentence.id, "paper": sentence.paper, "text": sentence.text, "label": sentence.roles[0]}
            yield split, row
        else:
            counts.dropped[f"sentences with {len(sentence.roles)} roles"] += 1


def _read_lines(folder: Path, settings: Settings, counts: Counts) -> Iterator[tuple[str, Row]]:
    if settings.files is None:
        raise ParamsError("params.yaml: datasets: format jsonl needs files: {train: ..., validation: ..., test: ...}")
    for split in SPLITS:
        for number, (place, row) in enumerate(read_json_lines(folder / settings.files.of(split), ("text", "label"))):
            counts.read["texts"] += 1
            if row["label"] not in settings.labels:
                raise DataError(f"{place}: label '{row['label']}' is not in labels {settings.labels}")
            id_ = f"{split}/{number}"
            yield split, {"id": id_, "paper": str(row.get("paper", id_)), "text": row["text"], "label": row["label"]}


TASK = Task(settings=Settings, features=features, label_origin="human", read=read, group="paper", text="text")
