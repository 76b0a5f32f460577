"""Citations to link as JSON lines: a pair per line, or a context with its bibliography.

    {"context": ..., "candidate": ..., "label": 1}         the lines of one context (and paper) are one query
    {"context": ..., "cited": id, "bibliography": [...]}   entries {"id", "title"}; also titles alone, or id -> entry

The citation is already masked in the context.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from papertrail.core.errors import DataError
from papertrail.core.params import strict
from papertrail.core.records import Counts
from papertrail.data.formats.jsonl import read_id, read_json_lines
from papertrail.data.formats.s2orc import Entry
from papertrail.data.text import normalise_title

LABELS = {"1": True, "true": True, "yes": True, "cited": True, "0": False, "false": False, "no": False, "other": False}


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFields:
    """Names of the fields: those of a pair, `candidate` and `label`, or `cited` and `bibliography`.

    Contexts of one `paper` are kept in one split; null: each context is a paper.
    """

    context: str
    paper: str | None
    candidate: str | None = None
    label: str | None = None
    cited: str | None = None
    bibliography: str | None = None

    def __post_init__(self) -> None:
        """Check that the names are those of one form.

        Raises:
            ValueError: They are not.
        """
        given = [self.candidate, self.label, self.cited, self.bibliography]
        if [name is None for name in given] not in ([False, False, True, True], [True, True, False, False]):
            raise ValueError("expected candidate and label, or cited and bibliography")

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        names = (self.context, self.paper, self.candidate, self.label, self.cited, self.bibliography)
        return tuple(name for name in names if name is not None)


@dataclass(slots=True)
class Citation:
    """A context with its candidates and which of them are cited, both by id."""

    paper: str | None
    context: str
    candidates: dict[str, str] = field(default_factory=dict)  # id -> title
    cited: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A citation of one entry; `candidates` are sorted by id and have titles that differ."""

    id: str
    paper: str
    context: str
    candidates: list[Entry]
    cited: Entry


def read_queries(file: Path, fields: LinkFields, split: str, counts: Counts) -> Iterator[Query]:
    """Yield a query for each cited entry; the other cited entries of its context are no candidates.

    Raises:
        DataError: The file cannot be read, or a value has another form.
    """
    read = _read_pairs if fields.label is not None else _read_bibliographies
    for number, citation in enumerate(read(file, fields, counts)):
        counts.read["citations"] += len(citation.cited)
        counts.dropped["contexts without a cited candidate"] += not citation.cited
        cited_titles = {normalise_title(citation.candidates[id_]) for id_ in citation.cited}
        others: dict[str, Entry] = {}  # by title
        for id_, title in citation.candidates.items():
            if normalise_title(title) not in cited_titles:
                others.setdefault(normalise_title(title), _entry(id_, title))
        repeated = len(citation.candidates) - len(citation.cited) - len(others)
        counts.dropped["candidates with a duplicate title"] += repeated
        if citation.cited and not others:
            counts.dropped["citations with no other candidate"] += len(citation.cited)
            continue
        for place, id_ in enumerate(citation.cited):
            key = f"{split}/{number}" if len(citation.cited) == 1 else f"{split}/{number}/{place}"
            entry = _entry(id_, citation.candidates[id_])
            yield Query(
                id=key,
                paper=f"{split}/{number}" if citation.paper is None else citation.paper,
                context=citation.context,
                candidates=sorted([entry, *others.values()], key=lambda other: other.id),
                cited=entry,
            )


def _entry(id_: str, title: str) -> Entry:
    return Entry(id_, title, None, "", ())


def _read_pairs(file: Path, fields: LinkFields, counts: Counts) -> Iterator[Citation]:
    citations: dict[tuple[str | None, str], Citation] = {}
    for place, row in read_json_lines(file, fields.names):
        counts.read["pairs"] += 1
        found = _begin(row, fields, place)
        title = _text(row, fields.candidate, place)
        label = LABELS.get(str(row[str(fields.label)]).strip().lower().removesuffix(".0"))
        if label is None:
            known = ", ".join(LABELS)
            raise DataError(f"{place}: {fields.label}: expected one of {known}, got {row[str(fields.label)]!r:.80}")
        if not normalise_title(title):
            counts.dropped["candidates without a title"] += 1
            continue
        citation = citations.setdefault((found.paper, found.context), found)
        id_ = str(len(citation.candidates))
        citation.candidates[id_] = title
        citation.cited += [id_] if label else []
    yield from citations.values()


def _read_bibliographies(file: Path, fields: LinkFields, counts: Counts) -> Iterator[Citation]:
    for place, row in read_json_lines(file, fields.names):
        counts.read["contexts"] += 1
        citation = _begin(row, fields, place)
        entries = _titles(row[str(fields.bibliography)], f"{place}: {fields.bibliography}")
        citation.candidates = {id_: title for id_, title in entries.items() if normalise_title(title)}
        counts.dropped["candidates without a title"] += len(entries) - len(citation.candidates)
        by_title = {normalise_title(title): id_ for id_, title in citation.candidates.items()}
        cited = row[str(fields.cited)]
        for value in cited if isinstance(cited, list) else [cited]:
            id_ = read_id(value, f"{place}: {fields.cited}")
            known = id_ if id_ in citation.candidates else by_title.get(normalise_title(id_ or ""))
            if known is None:
                counts.dropped["citations of an entry that the bibliography does not have"] += 1
            elif known not in citation.cited:
                citation.cited.append(known)
        yield citation


def _begin(row: Mapping[str, Any], fields: LinkFields, place: str) -> Citation:
    context = _text(row, fields.context, place)
    if not context:
        raise DataError(f"{place}: {fields.context}: empty; expected the text around a citation")
    paper = None if fields.paper is None else read_id(row[fields.paper], f"{place}: {fields.paper}")
    return Citation(paper, context)


def _text(row: Mapping[str, Any], name: str | None, place: str) -> str:
    value = "" if row[str(name)] is None else row[str(name)]
    if not isinstance(value, str):
        raise DataError(f"{place}: {name}: expected a text, got {value!r:.80}")
    return " ".join(value.split())


def _titles(value: Any, place: str) -> dict[str, str]:
    """Return id -> title of a bibliography in any of its forms; the id of a title in a list is its position."""
    if isinstance(value, dict):
        items = [(id_, entry) for id_, entry in value.items()]
    elif isinstance(value, list):
        items = [(e.get("id", n) if isinstance(e, dict) else n, e) for n, e in enumerate(value)]
    else:
        raise DataError(f"{place}: expected a list of entries or id -> entry, got {type(value).__name__}")
    titles: dict[str, str] = {}
    for id_, entry in items:
        key, title = read_id(id_, place), entry.get("title") if isinstance(entry, dict) else entry
        if key is None or key in titles:
            raise DataError(f"{place}: {'no id' if key is None else f'duplicate id {key}'}; every entry needs its own")
        if title is not None and not isinstance(title, str):
            raise DataError(f"{place}: entry '{key}': expected a title, got {title!r:.80}")
        titles[key] = " ".join((title or "").split())
    return titles
