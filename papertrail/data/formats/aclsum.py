"""ACLSum: 250 papers of the ACL Anthology in S2ORC form, split, with sentence roles and summaries by human annotators.

Source: Takeshita et al., 2024, "ACLSum: A New Dataset for Aspect-based Summarization of Scientific Publications".
The roles are those of SciCite under other names: challenge (background), approach (method), outcome (result).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from papertrail.core.errors import DataError
from papertrail.core.records import Counts
from papertrail.data.formats.jsonl import read_json_lines
from papertrail.data.formats.s2orc import Paper, read_papers
from papertrail.data.text import squash

ROLES = ("challenge", "approach", "outcome")
SECTIONS = ("abstract", "introduction", "conclusion")
FILES = {"train": "train.jsonl", "validation": "val.jsonl", "test": "test.jsonl"}
PAPERS = "paper_jsons"  # folder


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an abstract, introduction or conclusion with its roles by annotators (none, one or two)."""

    id: str
    paper: str
    section: str
    text: str
    roles: tuple[str, ...]


def read_split_papers(folder: Path, counts: Counts) -> dict[str, list[Paper]]:
    """Return the papers of each split; papers that belong to no split are under "none".

    Raises:
        DataError: See `read_papers`; a paper of a split has no file; a paper is in two splits, by its id or its title.
    """
    papers = {paper.id: paper for paper in read_papers(folder / PAPERS, counts)}
    splits: dict[str, list[Paper]] = {}
    for split, name in FILES.items():
        splits[split] = []
        for place, row in read_json_lines(folder / name, ("id", "sentences", "highlights")):
            id_ = str(row["id"])
            if id_ not in papers:
                raise DataError(f"{place}: paper '{id_}' has no file in {folder / PAPERS}, or is listed twice")
            splits[split].append(papers.pop(id_))
    splits["none"] = list(papers.values())
    _check_titles(splits, folder)
    return splits


def read_sentences(folder: Path) -> Iterator[tuple[str, Sentence]]:
    """Yield (split, sentence) in the order of the files.

    Raises:
        DataError: A line has another form, or a role does not have one mark per sentence.
    """
    for split, name in FILES.items():
        for place, row in read_json_lines(folder / name, ("id", "sentences", "highlights")):
            try:
                sentences = [sentence for section in SECTIONS for sentence in _read_section(row, section, place)]
            except (AttributeError, TypeError) as error:
                raise DataError(f"{place}: sentences and highlights are not in ACLSum's form: {error}") from None
            yield from ((split, sentence) for sentence in sentences)


def read_summaries(folder: Path) -> dict[str, dict[str, str]]:
    """Return paper -> role -> summary by annotators.

    Raises:
        DataError: A line has another form, or a paper lacks the summary of a role.
    """
    summaries = {}
    for name in FILES.values():
        for place, row in read_json_lines(folder / name, ("id", "summary")):
            summary = row["summary"]
            missing = [
                role for role in ROLES if not isinstance(summary, dict) or not isinstance(summary.get(role), str)
            ]
            if missing:
                raise DataError(f"{place}: summary.{missing[0]}: expected a text")
            summaries[str(row["id"])] = {role: summary[role] for role in ROLES}
    return summaries


def _check_titles(splits: dict[str, list[Paper]], folder: Path) -> None:
    """Refuse a paper that is in two splits under two ids, such as a workshop paper that a conference reprints."""
    seen: dict[str, tuple[str, Paper]] = {}
    for split, papers in splits.items():
        for paper in papers:
            other, duplicate = seen.setdefault(squash(paper.title), (split, paper))
            if other != split and squash(paper.title):
                raise DataError(
                    f"{folder}: papers '{duplicate.id}' of {other} and '{paper.id}' of {split} have the same title, "
                    f"'{paper.title}'; keep one of them, or both in one split"
                )


def _read_section(row: dict[str, Any], section: str, place: str) -> Iterator[Sentence]:
    sentences = row["sentences"].get(section, [])
    marks = {role: row["highlights"].get(role, {}).get(section, []) for role in ROLES}
    for role, values in marks.items():
        if len(values) != len(sentences):
            mismatch = f"{len(values)} marks for {len(sentences)} sentences"
            raise DataError(f"{place}: highlights.{role}.{section} has {mismatch}")
    for number, text in enumerate(sentences):
        roles = tuple(role for role in ROLES if marks[role][number])
        yield Sentence(f"{row['id']}/{section}/{number}", str(row["id"]), section, text, roles)
