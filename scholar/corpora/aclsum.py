"""ACLSum: 250 papers of the ACL Anthology in S2ORC form, split, with sentence roles and summaries by human annotators.

Source: Takeshita et al., 2024, "ACLSum: A New Dataset for Aspect-based Summarization of Scientific Publications".
The roles are SciCite's three under other names: challenge (background), approach (method), outcome (result).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scholar.corpora.jsonl import read_json_lines
from scholar.corpora.s2orc import Paper, read_papers
from scholar.errors import DataError
from scholar.leakage import squash
from scholar.records import Counts

ROLES = ("challenge", "approach", "outcome")
SECTIONS = ("abstract", "introduction", "conclusion")
FILES = {"train": "train.jsonl", "validation": "val.jsonl", "test": "test.jsonl"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an abstract, introduction or conclusion, with the roles that annotators gave it (0, 1 or 2)."""

    id: str
    paper: str
    section: str
    text: str
    roles: tuple[str, ...]


def read_split_papers(folder: Path, counts: Counts) -> dict[str, list[Paper]]:
    """The papers of each split, and under "none" those that belong to no split.

    Raises:
        DataError: as read_papers; a paper of a split has no file, or stands in two splits, be it under two ids.
    """
    papers = {paper.id: paper for paper in read_papers(folder / "paper_jsons", counts)}
    splits: dict[str, list[Paper]] = {}
    for split, name in FILES.items():
        splits[split] = []
        for place, row in read_json_lines(folder / name, ("id", "sentences", "highlights")):
            id_ = str(row["id"])
            if id_ not in papers:
                raise DataError(f"{place}: paper '{id_}' has no file in {folder / 'paper_jsons'}, or came before")
            splits[split].append(papers.pop(id_))
    splits["none"] = list(papers.values())
    _check_titles(splits, folder)
    return splits


def read_sentences(folder: Path) -> Iterator[tuple[str, Sentence]]:
    """(split, sentence) in file order.

    Raises:
        DataError: a line is broken, or a role does not have one mark per sentence.
    """
    for split, name in FILES.items():
        for place, row in read_json_lines(folder / name, ("id", "sentences", "highlights")):
            try:
                sentences = [sentence for section in SECTIONS for sentence in _read_section(row, section, place)]
            except (AttributeError, TypeError) as error:
                raise DataError(f"{place}: sentences and highlights are not in ACLSum's form: {error}") from None
            yield from ((split, sentence) for sentence in sentences)


def read_summaries(folder: Path) -> dict[str, dict[str, str]]:
    """Paper -> role -> what annotators wrote about it.

    Raises:
        DataError: a line is broken, or a paper lacks the summary of a role.
    """
    summaries = {}
    for name in FILES.values():
        for place, row in read_json_lines(folder / name, ("id", "summary")):
            written = row["summary"]
            lacking = [
                role for role in ROLES if not isinstance(written, dict) or not isinstance(written.get(role), str)
            ]
            if lacking:
                raise DataError(f"{place}: summary.{lacking[0]}: a text was expected")
            summaries[str(row["id"])] = {role: written[role] for role in ROLES}
    return summaries


def _check_titles(splits: dict[str, list[Paper]], folder: Path) -> None:
    """A workshop paper that appears again at a conference has two ids and one title."""
    home: dict[str, tuple[str, Paper]] = {}
    for split, papers in splits.items():
        for paper in papers:
            other, twin = home.setdefault(squash(paper.title), (split, paper))
            if other != split and squash(paper.title):
                raise DataError(
                    f"{folder}: papers '{twin.id}' of {other} and '{paper.id}' of {split} have one title, "
                    f"'{paper.title}'; keep one of them, or both in one split"
                )


def _read_section(row: dict[str, Any], section: str, place: str) -> Iterator[Sentence]:
    sentences = row["sentences"].get(section, [])
    marks = {role: row["highlights"].get(role, {}).get(section, []) for role in ROLES}
    for role, given in marks.items():
        if len(given) != len(sentences):
            mismatch = f"{len(given)} marks for {len(sentences)} sentences"
            raise DataError(f"{place}: highlights.{role}.{section} has {mismatch}")
    for number, text in enumerate(sentences):
        roles = tuple(role for role in ROLES if marks[role][number])
        yield Sentence(f"{row['id']}/{section}/{number}", str(row["id"]), section, text, roles)
