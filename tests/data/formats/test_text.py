"""Lines of text files, plain, compressed and broken."""

import gzip
from pathlib import Path

import pytest

from papertrail.core.errors import DataError
from papertrail.data.formats.text import read_lines

TEXT = "\ufefffirst\r\nseco\u2028nd\n\nlast"


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_lines_keep_their_line_ends(tmp_path: Path, name: str) -> None:
    content = TEXT.encode()
    (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    assert list(read_lines(tmp_path / name)) == ["first\r\n", "seco\u2028nd\n", "\n", "last"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (gzip.compress(b"a\n" * 1000, mtime=0)[:-9], r":1001: cannot be unpacked"),
        (b"a\n", r":1: cannot be unpacked"),
        (gzip.compress("a\nb\ngrün\n".encode("cp1252"), mtime=0), r":3: not UTF-8"),
    ],
)
def test_broken_file(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(DataError, match=expected):
        list(read_lines(tmp_path / "a.gz"))


@pytest.mark.parametrize("name", ["none.txt", "none.txt.gz", "."])
def test_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no such file; fetch the source again"):
        list(read_lines(tmp_path / name))


def test_windows_1252_is_an_error_with_its_line(repo: Path) -> None:
    file = repo / "../shared/data/dirty/cp1252_P02-1061.xml"
    if not file.is_file():
        pytest.skip(f"{file}: the file is missing")
    with pytest.raises(
        DataError, match=r"cp1252_P02-1061\.xml:20: not UTF-8 .*0x93.*; convert the file to UTF-8 first"
    ):
        list(read_lines(file))
