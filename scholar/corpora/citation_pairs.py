"""Folders of N.in and N.label: a text with the bibliography of its paper, and which entry each citation in it means.

`N.in` is {"text": ..., "bib_entries": {id: {"title": ..., "abstract": ...}}}, `N.label` is {"correct_citation":
{citation string of the text: id}}. There are tens of thousands of them, so that they are read by all processors, and no
more than a few hundred are held.
"""

import hashlib
import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from scholar.corpora.s2orc import Entry, Paper, Paragraph, Span
from scholar.errors import DataError
from scholar.records import Counts

STRETCH = 100  # files that a process works through at a time
WITHIN_WORD = re.compile(r"\w\w")  # two characters that no word begins or ends between
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Passage:
    """One text, as a paper of one paragraph whose entries are called by what there is to read of them.

    `id` is the number of its files, which those of another folder may have too.
    `paper.id` stands for the bibliography, which the passages of one paper share; `titles` are those of the entries,
    `given` is what the file has of them.
    """

    id: str
    paper: Paper
    titles: dict[str, str]
    given: dict[str, Any]


Work = Callable[[Passage, Counts], list[T]]


def work_through(folder: Path, work: Work[T], counts: Counts) -> Iterator[T]:
    """What `work` makes of each passage of a folder, in the order of their numbers, whatever process it is done in.

    Raises:
        DataError: the folder holds no N.in; a file is no JSON or not of this form.
    """
    files = _list_files(folder, counts)
    stretches = [files[start : start + STRETCH] for start in range(0, len(files), STRETCH)]
    processes = min(os.cpu_count() or 1, len(stretches))
    with (
        ProcessPoolExecutor(processes) as pool,
        tqdm(desc=folder.name, total=len(files), unit=" files", disable=None) as bar,
    ):
        begun: deque[Future[tuple[list[T], Counts]]] = deque()
        for number in range(len(stretches) + processes):
            if number < len(stretches):
                begun.append(pool.submit(_work_stretch, stretches[number], work))
            if number >= processes:  # so many are worked on while one is taken
                made, counted = begun.popleft().result()
                counts.add(counted)
                bar.update(len(stretches[number - processes]))
                yield from made


def _work_stretch(files: list[Path], work: Work[T]) -> tuple[list[T], Counts]:
    counts = Counts()
    made: list[T] = []
    passage = None
    for file in files:
        passage = read_passage(file, counts, passage)
        made += work(passage, counts)
    return made, counts


def _list_files(folder: Path, counts: Counts) -> list[Path]:
    """The N.in that have a N.label, by number."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    texts = {name.removesuffix(".in") for name in names if name.endswith(".in")}
    labels = {name.removesuffix(".label") for name in names if name.endswith(".label")}
    if not texts:
        raise DataError(f"{folder}: no *.in file; the source is empty or its folder has another name")
    counts.dropped["texts without a label"] += len(texts - labels)
    counts.dropped["labels without a text"] += len(labels - texts)
    return [folder / f"{stem}.in" for stem in sorted(texts & labels, key=lambda stem: (len(stem), stem))]


def read_passage(file: Path, counts: Counts, before: Passage | None = None) -> Passage:
    """A passage with every place where one of its label's citations stands.

    Args:
        file: N.in.
        counts: what is told of it.
        before: the passage read last, most often of the same paper, so that its bibliography is read already.

    Raises:
        DataError: one of its two files is no JSON, or not of this form.
    """
    raw, label = _load(file), _load(file.with_suffix(".label"))
    try:
        text, given = _text(raw["text"]), raw["bib_entries"]
        if before is not None and before.given == given:
            paper, titles = before.paper, before.titles
        else:
            paper, titles = _read_bibliography(given)
        targets = {citation: _text(id_) for citation, id_ in label["correct_citation"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: it or its label is not of this form: {type(error).__name__} at {error}") from None
    counts.read["texts"] += 1
    counts.read["texts without a bibliography"] += not titles
    body = Paragraph("", text, tuple(_find_citations(text, targets, titles, counts)), ())
    return Passage(file.stem, replace(paper, body=(body,)), titles, given)


def _read_bibliography(given: dict[str, Any]) -> tuple[Paper, dict[str, str]]:
    titles = {id_: _line(entry, "title") for id_, entry in given.items()}
    entries = {id_: Entry(id_, _line(entry, "abstract") or titles[id_], None, "", ()) for id_, entry in given.items()}
    printed = "\x1f".join(f"{id_}\x1f{title}" for id_, title in sorted(titles.items()))
    return Paper(hashlib.sha256(printed.encode()).hexdigest()[:16], "", "", (), entries), titles


def _find_citations(text: str, targets: dict[str, str], bibliography: dict[str, str], counts: Counts) -> Iterator[Span]:
    """Where the citation strings stand, not as part of a longer word; of two that overlap, the first and longer one."""
    strings = sorted(filter(None, targets), key=lambda citation: (-len(citation), citation))
    counts.dropped["citations that the text does not have"] += len(targets) - len(strings)
    standing = {citation: _count(text, citation) for citation in strings}
    counts.dropped["citations that the text does not have"] += list(standing.values()).count(0)
    overlapping = sum(standing.values())
    any_of = "|".join(map(re.escape, strings))
    whole = rf"(?:(?<!\w)|(?!\w))(?:{any_of})(?:(?!\w)|(?<!\w))"
    for found in re.finditer(whole, text) if strings else ():
        overlapping -= 1
        target = targets[found[0]]
        yield Span(found.start(), found.end(), target if target in bibliography else None)
    counts.dropped["citations inside another"] += overlapping


def _count(text: str, citation: str) -> int:
    """How often it stands in the text, not as part of a longer word."""
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
        value = json.loads(content)
        if "\\ud" in content.lower():  # such escapes come in pairs; half of one is no character
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError as error:
        raise DataError(f"{file}: no text ({error}); mend the escape") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{file}:{error.lineno}: not valid JSON ({error.msg}); the file may be cut off") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 ({error}); convert it first") from None


def _line(entry: dict[str, Any], field: str) -> str:
    return " ".join(_text(entry.get(field) or "").split())


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a value that should be text: {value!r:.60}")
    return value
