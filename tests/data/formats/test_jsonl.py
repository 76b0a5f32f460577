"""JSON lines: lines with their places, and broken lines."""

from pathlib import Path

import pytest

from papertrail.core.errors import DataError
from papertrail.data.formats.jsonl import read_json_lines


def read(folder: Path, content: bytes) -> list[tuple[str, dict[str, object]]]:
    """Read lines that must have a field `text`."""
    (folder / "a.jsonl").write_bytes(content)
    return list(read_json_lines(folder / "a.jsonl", ("text",)))


def test_lines_and_their_places(tmp_path: Path) -> None:
    rows = read(tmp_path, '{"text": "é"}\n\n  \n{"text": "b", "x": 1}'.encode())
    file = tmp_path / "a.jsonl"
    assert rows == [(f"{file}:1", {"text": "é"}), (f"{file}:4", {"text": "b", "x": 1})]


@pytest.mark.parametrize("content", [b'\xef\xbb\xbf{"text": "a"}\r\n', b'{"text": "a"}'])
def test_byte_order_mark_and_line_ends(tmp_path: Path, content: bytes) -> None:
    assert [row for _, row in read(tmp_path, content)] == [{"text": "a"}]


def test_a_line_separator_inside_a_text_does_not_end_the_line(tmp_path: Path) -> None:
    assert [row for _, row in read(tmp_path, '{"text": "a\u2028b\u0085c"}'.encode())] == [{"text": "a\u2028b\u0085c"}]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"text": "a"}\n{"text": "b', "a.jsonl:2: not valid JSON .*the file may be truncated"),
        (b'{"text": "a"}\n[1]', "a.jsonl:2: expected a JSON object, got list"),
        (
            b'[{"text": "a"},\n{"text": "b"}]',
            "a.jsonl:1: expected a JSON object, got list; write each object on one line",
        ),
        (b'\n{\n "text": "a"\n}', "a.jsonl:2: expected a JSON object, got the beginning of one; write each object on"),
        (b'{"label": 1, "body": 2}', r"a.jsonl:1: no field 'text' \(fields: body, label\)"),
        (b'{"text": "\\ud83d\\ude00"}\n{"text": "\\uD83D"}', r"a.jsonl:2: half a character \(\\ud83d\) in a string"),
        (b'{"text": "a"}\n{"text": "\xff"}', "a.jsonl:2: not UTF-8"),
    ],
)
def test_broken_line(tmp_path: Path, content: bytes, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read(tmp_path, content)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl: no such file; fetch the source again"):
        list(read_json_lines(tmp_path / "a.jsonl", ()))
