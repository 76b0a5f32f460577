"""CoNLL columns, whole and broken."""

from pathlib import Path

import pytest

from scholar.corpora.conll import read_sentences
from scholar.errors import DataError


def read(folder: Path, text: str) -> list[tuple[int, list[str], list[str]]]:
    """The sentences of a file of this text."""
    (folder / "a.txt").write_bytes(text.encode())
    return list(read_sentences(folder / "a.txt"))


def test_sentences_and_documents(tmp_path: Path) -> None:
    text = "-DOCSTART- O\n\nOld NN B-A\nsalt NN I-A\n. . O\n\n\nNo O\n\n-DOCSTART-\n\nTea B-A\nmilk B-B"
    assert read(tmp_path, text) == [
        (1, ["Old", "salt", "."], ["B-A", "I-A", "O"]),
        (1, ["No"], ["O"]),
        (2, ["Tea", "milk"], ["B-A", "B-B"]),
    ]


@pytest.mark.parametrize("text", ["a O\r\nb B-A\r\n\r\nc O\r\n", "a\tO\nb\tB-A\n\nc\tO", "\ufeffa O\nb B-A\n \nc O\n"])
def test_line_ends_and_separators(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == [(0, ["a", "b"], ["O", "B-A"]), (0, ["c"], ["O"])]


@pytest.mark.parametrize("text", ["", "\n\n", "-DOCSTART-\n"])
def test_no_sentences(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("a O\nb\n", 2, "a token and its tag were expected, got 'b'"),
        ("a O\nb I-A\n", 2, "tag 'I-A' after 'O' is not IOB2"),
        ("a B-B\nb I-A\n", 2, "tag 'I-A' after 'B-B' is not IOB2"),
        ("a B-A\n\nb I-A\n", 3, "tag 'I-A' after 'O' is not IOB2"),
        ("a B-A\nb E-A\n", 2, "tag 'E-A' after 'B-A' is not IOB2"),
    ],
)
def test_broken_line(tmp_path: Path, text: str, line: int, expected: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'a.txt'}:{line}: {expected}")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt: no such file"):
        list(read_sentences(tmp_path / "a.txt"))


def test_file_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Größe O\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"a\.txt: not UTF-8"):
        list(read_sentences(tmp_path / "a.txt"))
