"""Folders of N.in and N.label: where citations stand, what is counted, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from scholar.corpora.citation_pairs import STRETCH, Passage, read_passage, work_through
from scholar.errors import DataError
from scholar.records import Counts
from tests.fixtures.citation_pairs import BIBLIOGRAPHY, write_pair


def read(folder: Path, text: str, label: dict[str, str], counts: Counts | None = None) -> list[tuple[str, str | None]]:
    """Citation strings of a text as they are found, with the entry that each means."""
    file = write_pair(folder, 0, text, label)
    (paragraph,) = read_passage(file, counts or Counts()).paper.body
    return [(text[span.start : span.end], span.target) for span in paragraph.citations]


@pytest.mark.parametrize(
    ("text", "label", "expected", "dropped"),
    [
        ("As [1] and [2], and [1] again.", {"[1]": "a"}, [("[1]", "a"), ("[1]", "a")], {}),
        ("As [1] and [2].", {"[1]": "a", "[2]": "b"}, [("[1]", "a"), ("[2]", "b")], {}),
        ("As [12] had.", {"[1]": "a", "[12]": "b"}, [("[12]", "b")], {"citations that the text does not have": 1}),
        (
            "Smith and Jones after Smith",
            {"Smith": "a", "Smith and Jones": "b"},
            [("Smith and Jones", "b"), ("Smith", "a")],
            {"citations inside another": 1},
        ),
        (
            "Smith 2001a, Smith 2001 and [10] of 10: 1 or 21",
            {"Smith 2001": "a", "1": "b", "0": "c"},
            [("Smith 2001", "a"), ("1", "b")],
            {"citations that the text does not have": 1},
        ),
        ("Naïve Bay, Bayé, Bay_ and xBay", {"Bay": "a"}, [("Bay", "a")], {}),
        ("x[1]y", {"[1]": "a"}, [("[1]", "a")], {}),  # a bracket ends at itself
        (
            "Smith 20011 Smith",
            {"Smith 2001": "a", "Smith": "b"},
            [("Smith", "b"), ("Smith", "b")],
            {"citations that the text does not have": 1},
        ),
        ("(a+b)*[1] is (a+b)", {"(a+b)": "a"}, [("(a+b)", "a"), ("(a+b)", "a")], {}),
        ("Nothing.", {"[1]": "a"}, [], {"citations that the text does not have": 1}),
        ("Nothing.", {"": "a"}, [], {"citations that the text does not have": 1}),
        ("As [1].", {"[1]": "z"}, [("[1]", None)], {}),  # the task counts what is not resolved
        ("As [1].", {}, [], {}),
    ],
)
def test_where_citations_stand(
    tmp_path: Path, text: str, label: dict[str, str], expected: list[tuple[str, str]], dropped: dict[str, int]
) -> None:
    counts = Counts()
    assert read(tmp_path, text, label, counts) == expected
    assert +counts.dropped == dropped


def test_an_entry_is_its_abstract_else_its_title(tmp_path: Path) -> None:
    bibliography = {
        "a": {"title": "One\n title", "abstract": ""},
        "b": {"title": "Two", "abstract": "Of  stones"},
        "c": {},
    }
    passage = read_passage(write_pair(tmp_path, 7, "As [1].", {"[1]": "a"}, bibliography), Counts())
    assert passage.id == "7"
    assert {id_: entry.title for id_, entry in passage.paper.bibliography.items()} == {
        "a": "One title",
        "b": "Of stones",
        "c": "",
    }
    assert passage.titles == {"a": "One title", "b": "Two", "c": ""}


def test_a_bibliography_stands_for_its_paper(tmp_path: Path) -> None:
    reordered = dict(reversed(BIBLIOGRAPHY.items()))
    other = {**BIBLIOGRAPHY, "a": {"title": "Another"}}
    given = [BIBLIOGRAPHY, reordered, other, dict(list(BIBLIOGRAPHY.items())[:2])]
    ids = [read_passage(write_pair(tmp_path, n, f"{n}", {}, b), Counts()).paper.id for n, b in enumerate(given)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_no_bibliography_is_counted(tmp_path: Path) -> None:
    counts = Counts()
    read_passage(write_pair(tmp_path, 0, "As [1].", {"[1]": "a"}, {}), counts)
    assert counts.read["texts without a bibliography"] == 1


@pytest.mark.parametrize(
    ("suffix", "content", "told"),
    [
        ("in", b'{"text": "a",\n"bib_entries": {"a"', r"0\.in:2: not valid JSON \(Expecting ':' delimiter\); the file"),
        ("label", b"", r"0\.label:1: not valid JSON"),
        ("in", b'{"text": "\xe9"}', r"0\.in: not UTF-8"),
        ("in", b'{"text": "a \\uD83D b", "bib_entries": {}}', r"0\.in: no text \('utf-8' codec"),
        ("in", b'{"text": "", "bib_entries": {"a": {"title": "\\udc00"}}}', r"0\.in: no text"),
        ("in", b'{"text": "\xed\xa0\x80", "bib_entries": {}}', r"0\.in: not UTF-8"),
        ("label", b'{"correct_citation": {"\\ud800": "a"}}', r"0\.label: no text"),
        ("in", b'{"bib_entries": {}}', r"0\.in: it or its label is not of this form: KeyError at 'text'"),
        ("in", b'{"text": 5, "bib_entries": {}}', r"0\.in: .* TypeError at a value that should be text: 5"),
        ("in", b'{"text": "", "bib_entries": []}', r"0\.in: it or its label"),
        ("in", b'{"text": "", "bib_entries": {"a": "Title"}}', r"0\.in: it or its label"),
        ("in", b'{"text": "", "bib_entries": {"a": {"title": ["x"]}}}', r"0\.in: .* a value that should be text"),
        ("label", b'{"correct_citation": {"[1]": 3}}', r"0\.in: .* a value that should be text: 3"),
        ("label", b'["[1]"]', r"0\.in: it or its label"),
    ],
)
def test_what_is_no_pair_is_refused_with_its_file(tmp_path: Path, suffix: str, content: bytes, told: str) -> None:
    write_pair(tmp_path, 0, "As [1].", {"[1]": "a"})
    (tmp_path / f"0.{suffix}").write_bytes(content)
    with pytest.raises(DataError, match=told):
        list(work_through(tmp_path, note, Counts()))  # also from another process


def note(passage: Passage, counts: Counts) -> list[str]:
    """Work that tells what it was given."""
    counts.read["notes"] += 1
    return [passage.id, passage.paper.body[0].text]


def test_work_comes_in_the_order_of_the_numbers(tmp_path: Path) -> None:
    count = 3 * STRETCH + 5
    for number in range(count):
        write_pair(tmp_path / "set", number, f"text {number}", {})
    (tmp_path / "set/1.label").unlink()
    (tmp_path / "set/x.label").write_text("{}")
    (tmp_path / "set/notes.txt").touch()
    counts = Counts()
    made = list(work_through(tmp_path / "set", note, counts))
    assert made == [told for n in range(count) if n != 1 for told in (f"{n}", f"text {n}")]
    assert counts.read["notes"] == counts.read["texts"] == count - 1
    assert +counts.dropped == {"texts without a label": 1, "labels without a text": 1}


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_without_texts_is_refused(tmp_path: Path, exists: bool) -> None:
    if exists:
        (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match=r"set: no \*\.in file"):
        list(work_through(tmp_path / "set", note, Counts()))


def test_a_consumer_that_stops_leaves_no_process(tmp_path: Path) -> None:
    for number in range(5 * STRETCH):
        write_pair(tmp_path, number, "text", {})
    some: Any = work_through(tmp_path, note, Counts())
    assert next(some) == "0"
    some.close()


def test_labels_are_read_as_json(tmp_path: Path) -> None:
    file = write_pair(tmp_path, 0, "Wie Größe 𝒜 [1]", {"[1]": "a"})
    assert json.loads(file.read_text(encoding="utf-8"))["text"] == "Wie Größe 𝒜 [1]"
    assert read(tmp_path, "Wie Größe 𝒜 [1]", {"[1]": "a"}) == [("[1]", "a")]
