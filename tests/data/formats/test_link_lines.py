"""Citations to link as JSON lines: pairs, contexts with bibliographies, and broken lines."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import DataError, ParamsError
from papertrail.core.params import Files, Sizes, validate
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.formats.link_lines import LinkFields, Query, read_queries
from papertrail.data.tasks.citation_linking import TASK, LinePairs

PAIRS = LinkFields(context="context", paper=None, candidate="title", label="label")
ENTRIES = LinkFields(context="context", paper="paper", cited="cited", bibliography="entries")


def read(folder: Path, lines: list[Any], fields: LinkFields, counts: Counts | None = None) -> list[Query]:
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return list(read_queries(folder / "a.jsonl", fields, "test", counts or Counts()))


def pair(context: str, title: str, label: Any) -> dict[str, Any]:
    return {"context": context, "title": title, "label": label}


@pytest.mark.parametrize(
    ("yes", "no"), [(1, 0), (1.0, 0.0), ("1", "0"), (True, False), ("yes", "no"), ("cited", "other")]
)
def test_pairs_of_one_context_are_a_query(tmp_path: Path, yes: Any, no: Any) -> None:
    lines = [
        pair("A [X].", "On A", yes),
        pair("B [X].", "On C", no),
        pair("A [X].", "On B", no),
        pair("B [X].", "On B", yes),
    ]
    first, second = read(tmp_path, lines, PAIRS)
    assert (first.id, first.paper, first.context) == ("test/0", "test/0", "A [X].")
    assert [(entry.id, entry.title) for entry in first.candidates] == [("0", "On A"), ("1", "On B")]
    assert (first.cited.title, second.cited.title) == ("On A", "On B")


def test_pairs_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    lines = [
        pair("A", "On A", 1),  # no other candidate
        pair("B", "On B", 0),  # none cited
        pair("C", "On C", 1),
        pair("C", "on c.", 0),  # the same title
        pair("C", "On D", 0),
        pair("C", " ", 0),
    ]
    counts = Counts()
    (query,) = read(tmp_path, lines, PAIRS, counts)
    assert [entry.title for entry in query.candidates] == ["On C", "On D"]
    assert +counts.dropped == {
        "citations with no other candidate": 1,
        "contexts without a cited candidate": 1,
        "candidates with a duplicate title": 1,
        "candidates without a title": 1,
    }


def test_each_cited_entry_is_a_query(tmp_path: Path) -> None:
    lines = [pair("A", "On A", 1), pair("A", "On B", 1), pair("A", "On C", 0)]
    first, second = read(tmp_path, lines, PAIRS)
    assert (first.id, [entry.title for entry in first.candidates]) == ("test/0/0", ["On A", "On C"])
    assert (second.id, [entry.title for entry in second.candidates]) == ("test/0/1", ["On B", "On C"])


@pytest.mark.parametrize(
    ("entries", "cited"),
    [
        ([{"id": "b0", "title": "On A"}, {"id": "b1", "title": "On B"}], "b1"),
        ([{"id": 0, "title": "On A"}, {"id": 1.0, "title": "On B"}], 1),
        ([{"title": "On A"}, {"title": "On B"}], 1),
        (["On A", "On B"], 1.0),
        (["On A", "On B"], "on b"),
        ({"b0": "On A", "b1": "On B"}, "b1"),
        ({"b0": {"title": "On A"}, "b1": {"title": " On  B"}}, ["b1"]),
    ],
)
def test_bibliographies_in_any_form(tmp_path: Path, entries: Any, cited: Any) -> None:
    line = {"context": "See  [X].", "paper": 7.0, "cited": cited, "entries": entries}
    (query,) = read(tmp_path, [line], ENTRIES)
    assert (query.paper, query.context, query.cited.title) == ("7", "See [X].", "On B")
    assert [entry.title for entry in query.candidates] == ["On A", "On B"]


def test_an_unknown_cited_entry_is_counted(tmp_path: Path) -> None:
    counts = Counts()
    line = {"context": "A", "paper": None, "cited": "b9", "entries": {"b0": "On A", "b1": "On B"}}
    assert read(tmp_path, [line], ENTRIES, counts) == []
    assert counts.dropped["citations of an entry that the bibliography does not have"] == 1


@pytest.mark.parametrize(
    ("fields", "line", "expected"),
    [
        (PAIRS, pair("A", "On A", "perhaps"), "label: expected one of 1, true, yes, cited, 0, .* got 'perhaps'"),
        (PAIRS, pair("", "On A", 1), "context: empty; expected the text around a citation"),
        (PAIRS, {"context": "A", "title": ["On A"], "label": 1}, "title: expected a text, got"),
        (PAIRS, {"context": "A", "label": 1}, r"no field 'title' \(fields: context, label\)"),
        (
            ENTRIES,
            {"context": "A", "paper": 1, "cited": 1, "entries": "On A"},
            "entries: expected a list of entries or",
        ),
        (
            ENTRIES,
            {"context": "A", "paper": 1, "cited": 1, "entries": {"a": 5}},
            "entries: entry 'a': expected a title",
        ),
        (
            ENTRIES,
            {"context": "A", "paper": 1, "cited": 1, "entries": [{"id": 1}, {"id": "1.0"}]},
            "entries: duplicate id 1",
        ),
    ],
)
def test_broken_lines(tmp_path: Path, fields: LinkFields, line: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError, match=rf"a\.jsonl:1: {expected}"):
        read(tmp_path, [line], fields)


ALL_FIELDS = {"candidate": "c", "label": "l", "cited": "x", "bibliography": "b"}


@pytest.mark.parametrize("extra", [{}, {"candidate": "c"}, ALL_FIELDS])
def test_fields_of_two_forms(extra: dict[str, str]) -> None:
    with pytest.raises(ParamsError, match=r"^x: expected candidate and label, or cited and bibliography$"):
        validate(LinkFields, {"context": "c", "paper": None, **extra}, "x")


def test_rows_of_the_task(tmp_path: Path) -> None:
    settings = LinePairs(
        task="citation_linking",
        source="lines",
        format="jsonl",
        files=Files(train="train.jsonl", validation="validation.jsonl", test="test.jsonl"),
        fields=ENTRIES,
        context_characters=200,
        mask="target",
        mask_text="[X]",
        negatives=2,
        queries=Sizes(train=None, validation=1, test=None),
    )
    for split in SPLITS:
        entries = [f"On {split} {number}" for number in range(6)]
        lines = [{"context": f"{split} {n} [X]", "paper": split, "cited": n, "entries": entries} for n in range(2)]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    counts = Counts()
    rows: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for split, row in TASK.read(tmp_path, settings, 42, counts):
        rows[split].append(row)
    assert {split: len(found) for split, found in rows.items()} == {"train": 2 * 3, "validation": 6, "test": 2 * 6}
    assert all(row["sampled"] for row in rows["train"])
    assert sum(row["sampled"] for row in rows["test"]) == 2 * 3
    first = rows["test"][0]
    assert first == {
        "id": "test/0/0",
        "paper": "test",
        "query": "test/0",
        "context": "test 0 [X]",
        "candidate": "On test 0",
        "label": "cited",
        "sampled": True,
    }
    assert TASK.features(settings).keys() == first.keys()
    assert counts.dropped["citations not sampled"] == 1
    assert counts.labels["cited_title_in_context"] == 6
    assert counts.read["contexts without mask_text"] == 0
    list(TASK.read(tmp_path, replace(settings, mask_text="[CITATION]"), 42, counts))
    assert counts.read["contexts without mask_text"] == 6


def test_labels_with_spaces_and_a_pair_without_a_title(tmp_path: Path) -> None:
    pairs = [("On A", " 1 "), ("On B", "0"), (None, "0.0")]
    lines = [{"context": "A [X]", "title": title, "label": label} for title, label in pairs]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    counts = Counts()
    ((query),) = read_queries(tmp_path / "a.jsonl", PAIRS, "test", counts)
    assert (query.cited.title, [entry.title for entry in query.candidates]) == ("On A", ["On A", "On B"])
    assert counts.dropped["candidates without a title"] == 1
