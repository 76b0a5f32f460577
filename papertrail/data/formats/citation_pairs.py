"""Folders of N.in and N.label: a text with the bibliography of its paper, and the entry that each citation refers to.

`N.in` is {"text": ..., "bib_entries": {id: {"title": ..., "abstract": ...}}}, `N.label` is {"correct_citation":
{citation string of the text: id}}. A folder has tens of thousands of them, so all processors read them, and only a few
hundred are in memory.
"""

import hashlib
import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from papertrail.core.errors import DataError
from papertrail.core.records import Counts
from papertrail.data.formats.s2orc import Entry, Paper, Paragraph, Span
from papertrail.data.formats.text import parse_json
from papertrail.data.text import nfc_json

CHUNK = 100  # files that a process works on at a time
WITHIN_WORD = re.compile(r"\w\w")  # two characters with no word boundary between them
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Passage:
    """One text, as a paper of one paragraph.

    Attributes:
        id: Number of its files; another folder may have the same number.
        paper: Its id is a hash of the bibliography, which all passages of a paper share. The title of an entry is its
            abstract, if it has one.
        titles: Entry -> title.
        raw_entries: The bibliography as in the file.
    """

    id: str
    paper: Paper
    titles: dict[str, str]
    raw_entries: dict[str, Any]


Work = Callable[[Passage, Counts], list[T]]


def map_passages(folder: Path, work: Work[T], counts: Counts) -> Iterator[T]:
    """Yield the results of `work` on each passage of a folder, in the order of their numbers, computed in processes.

    Args:
        folder: Of N.in and N.label.
        work: A function of a passage and counts; it must be picklable.
        counts: Receives the counts of reading and of `work`.

    Raises:
        DataError: The folder has no N.in; a file is not JSON or has another form.
    """
    files = _list_files(folder, counts)
    chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    processes = min(os.cpu_count() or 1, len(chunks))
    with (
        ProcessPoolExecutor(processes) as pool,
        tqdm(desc=folder.name, total=len(files), unit=" files", disable=None) as bar,
    ):
        running: deque[Future[tuple[list[T], Counts]]] = deque()
        for number in range(len(chunks) + processes):
            if number < len(chunks):
                running.append(pool.submit(_work_on_chunk, chunks[number], work))
            if number >= processes:  # one chunk per process runs while a result is consumed
                results, counted = running.popleft().result()
                counts.add(counted)
                bar.update(len(chunks[number - processes]))
                yield from results


def _work_on_chunk(files: list[Path], work: Work[T]) -> tuple[list[T], Counts]:
    counts = Counts()
    results: list[T] = []
    passage = None
    for file in files:
        passage = read_passage(file, counts, passage)
        results += work(passage, counts)
    return results, counts


def _list_files(folder: Path, counts: Counts) -> list[Path]:
    """Return the N.in that have a N.label, by number."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    texts = {name.removesuffix(".in") for name in names if name.endswith(".in")}
    labels = {name.removesuffix(".label") for name in names if name.endswith(".label")}
    if not texts:
        raise DataError(f"{folder}: no *.in file; the source is empty or its folder has another name")
    counts.dropped["texts without a label"] += len(texts - labels)
    counts.dropped["labels without a text"] += len(labels - texts)
    return [folder / f"{stem}.in" for stem in sorted(texts & labels, key=lambda stem: (len(stem), stem))]


def read_passage(file: Path, counts: Counts, previous: Passage | None = None) -> Passage:
    """Return a passage with every occurrence of its label's citations.

    Args:
        file: N.in.
        counts: Receives what was read and dropped.
        previous: The passage before it, whose bibliography is reused if it is the same.

    Raises:
        DataError: N.in or N.label is not JSON or has another form.
    """
    raw, label = _load(file), _load(file.with_suffix(".label"))
    try:
        text, raw_entries = _text(raw["text"]), raw["bib_entries"]
        if previous is not None and previous.raw_entries == raw_entries:
            paper, titles = previous.paper, previous.titles
        else:
            paper, titles = _read_bibliography(raw_entries)
        targets = {citation: _text(id_) for citation, id_ in label["correct_citation"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: it or its label has another form: {type(error).__name__} at {error}") from None
    counts.read["texts"] += 1
    counts.read["texts without a bibliography"] += not titles
    body = Paragraph("", text, tuple(_find_citations(text, targets, titles, counts)), ())
    return Passage(file.stem, replace(paper, body=(body,)), titles, raw_entries)


def _read_bibliography(raw: dict[str, Any]) -> tuple[Paper, dict[str, str]]:
    titles = {id_: _line(entry, "title") for id_, entry in raw.items()}
    entries = {id_: Entry(id_, _line(entry, "abstract") or titles[id_], None, "", ()) for id_, entry in raw.items()}
    joined = "\x1f".join(f"{id_}\x1f{title}" for id_, title in sorted(titles.items()))
    return Paper(hashlib.sha256(joined.encode()).hexdigest()[:16], "", "", (), entries), titles


def _find_citations(text: str, targets: dict[str, str], bibliography: dict[str, str], counts: Counts) -> Iterator[Span]:
    """Yield the occurrences of citation strings outside longer words; of overlapping ones the first and longest."""
    strings = sorted(filter(None, targets), key=lambda citation: (-len(citation), citation))
    counts.dropped["citations that the text does not have"] += len(targets) - len(strings)
    occurrences = {citation: _count(text, citation) for citation in strings}
    counts.dropped["citations that the text does not have"] += list(occurrences.values()).count(0)
    overlapping = sum(occurrences.values())
    any_of = "|".join(map(re.escape, strings))
    whole = rf"(?:(?<!\w)|(?!\w))(?:{any_of})(?:(?!\w)|(?<!\w))"
    for found in re.finditer(whole, text) if strings else ():
        overlapping -= 1
        target = targets[found[0]]
        yield Span(found.start(), found.end(), target if target in bibliography else None)
    counts.dropped["citations inside another"] += overlapping


def _count(text: str, citation: str) -> int:
    """Return the number of occurrences that are not part of a longer word."""
    number, start = 0, text.find(citation)
    while start >= 0:
        end = start + len(citation)
        borders = ((max(start - 1, 0), start + 1), (end - 1, end + 1))
        whole = not any(WITHIN_WORD.fullmatch(text, *border) for border in borders)
        number += whole
        start = text.find(citation, end if whole else start + 1)
    return number


def _load(file: Path) -> Any:
    try:
        content = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 ({error}); convert the file to UTF-8 first") from None
    return nfc_json(parse_json(content, file))


def _line(entry: dict[str, Any], field: str) -> str:
    return " ".join(_text(entry.get(field) or "").split())


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a value that should be text: {value!r:.60}")
    return value
