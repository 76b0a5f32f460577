"""Folders of N.in and N.label: places of citations, counts, broken files, the order of results."""

import json
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import DataError
from papertrail.core.records import Counts
from papertrail.data.formats.citation_pairs import CHUNK, Passage, map_passages, read_passage
from tests.fixtures.citation_pairs import BIBLIOGRAPHY, write_pair


def read(folder: Path, text: str, label: dict[str, str], counts: Counts | None = None) -> list[tuple[str, str | None]]:
    """Return the citation strings that are found in a text, each with its entry."""
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
        ("x[1]y", {"[1]": "a"}, [("[1]", "a")], {}),  # a bracket is a word boundary
        (
            "Smith 20011 Smith",
            {"Smith 2001": "a", "Smith": "b"},
            [("Smith", "b"), ("Smith", "b")],
            {"citations that the text does not have": 1},
        ),
        ("(a+b)*[1] is (a+b)", {"(a+b)": "a"}, [("(a+b)", "a"), ("(a+b)", "a")], {}),
        ("Nothing.", {"[1]": "a"}, [], {"citations that the text does not have": 1}),
        ("Nothing.", {"": "a"}, [], {"citations that the text does not have": 1}),
        ("As [1].", {"[1]": "z"}, [("[1]", None)], {}),  # unresolved; the task counts these
        ("As [1].", {}, [], {}),
    ],
)
def test_places_of_citations(
    tmp_path: Path, text: str, label: dict[str, str], expected: list[tuple[str, str]], dropped: dict[str, int]
) -> None:
    counts = Counts()
    assert read(tmp_path, text, label, counts) == expected
    assert +counts.dropped == dropped


def test_an_entry_is_described_by_its_abstract_or_its_title(tmp_path: Path) -> None:
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


def test_passages_with_one_bibliography_are_one_paper(tmp_path: Path) -> None:
    reordered = dict(reversed(BIBLIOGRAPHY.items()))
    other = {**BIBLIOGRAPHY, "a": {"title": "Another"}}
    bibliographies = [BIBLIOGRAPHY, reordered, other, dict(list(BIBLIOGRAPHY.items())[:2])]
    files = [write_pair(tmp_path, n, f"{n}", {}, entries) for n, entries in enumerate(bibliographies)]
    ids = [read_passage(file, Counts()).paper.id for file in files]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_texts_without_a_bibliography_are_counted(tmp_path: Path) -> None:
    counts = Counts()
    read_passage(write_pair(tmp_path, 0, "As [1].", {"[1]": "a"}, {}), counts)
    assert counts.read["texts without a bibliography"] == 1


@pytest.mark.parametrize(
    ("suffix", "content", "expected"),
    [
        (
            "in",
            b'{"text": "a",\n"bib_entries": {"a"',
            r"0\.in:2: not valid JSON \(Expecting ':' delimiter, column 20\); the file",
        ),
        ("label", b"", r"0\.label:1: not valid JSON"),
        ("in", b'{"text": "\xe9"}', r"0\.in: not UTF-8"),
        ("in", b'{"text": "a \\uD83D b", "bib_entries": {}}', r"0\.in:1: half a character \(\\ud83d\) in a string"),
        ("in", b'{"text": "", "bib_entries": {"a": {"title": "\\udc00"}}}', r"0\.in:1: half a character"),
        ("in", b'{"text": "\xed\xa0\x80", "bib_entries": {}}', r"0\.in: not UTF-8"),
        ("label", b'{"correct_citation": {"\\ud800": "a"}}', r"0\.label:1: half a character"),
        ("in", b'{"bib_entries": {}}', r"0\.in: it or its label has another form: KeyError at 'text'"),
        ("in", b'{"text": 5, "bib_entries": {}}', r"0\.in: .* TypeError at a value that should be text: 5"),
        ("in", b'{"text": "", "bib_entries": []}', r"0\.in: it or its label"),
        ("in", b'{"text": "", "bib_entries": {"a": "Title"}}', r"0\.in: it or its label"),
        ("in", b'{"text": "", "bib_entries": {"a": {"title": ["x"]}}}', r"0\.in: .* a value that should be text"),
        ("label", b'{"correct_citation": {"[1]": 3}}', r"0\.in: .* a value that should be text: 3"),
        ("label", b'["[1]"]', r"0\.in: it or its label"),
    ],
)
def test_broken_pair_is_an_error_with_its_file(tmp_path: Path, suffix: str, content: bytes, expected: str) -> None:
    write_pair(tmp_path, 0, "As [1].", {"[1]": "a"})
    (tmp_path / f"0.{suffix}").write_bytes(content)
    with pytest.raises(DataError, match=expected):
        list(map_passages(tmp_path, describe, Counts()))  # raised in another process


def describe(passage: Passage, counts: Counts) -> list[str]:
    """Return the id and the text of a passage."""
    counts.read["calls"] += 1
    return [passage.id, passage.paper.body[0].text]


def test_results_are_in_the_order_of_the_numbers(tmp_path: Path) -> None:
    count = 3 * CHUNK + 5
    for number in range(count):
        write_pair(tmp_path / "set", number, f"text {number}", {})
    (tmp_path / "set/1.label").unlink()
    (tmp_path / "set/x.label").write_text("{}")
    (tmp_path / "set/notes.txt").touch()
    counts = Counts()
    results = list(map_passages(tmp_path / "set", describe, counts))
    assert results == [value for n in range(count) if n != 1 for value in (f"{n}", f"text {n}")]
    assert counts.read["calls"] == counts.read["texts"] == count - 1
    assert +counts.dropped == {"texts without a label": 1, "labels without a text": 1}


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_without_texts_is_an_error(tmp_path: Path, exists: bool) -> None:
    if exists:
        (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match=r"set: no \*\.in file"):
        list(map_passages(tmp_path / "set", describe, Counts()))


def test_a_consumer_may_stop_early(tmp_path: Path) -> None:
    for number in range(5 * CHUNK):
        write_pair(tmp_path, number, "text", {})
    results: Any = map_passages(tmp_path, describe, Counts())
    assert next(results) == "0"
    results.close()


def test_labels_are_read_as_json(tmp_path: Path) -> None:
    file = write_pair(tmp_path, 0, "Wie Größe 𝒜 [1]", {"[1]": "a"})
    assert json.loads(file.read_text(encoding="utf-8"))["text"] == "Wie Größe 𝒜 [1]"
    assert read(tmp_path, "Wie Größe 𝒜 [1]", {"[1]": "a"}) == [("[1]", "a")]
