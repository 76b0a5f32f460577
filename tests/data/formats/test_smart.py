"""Records of SMART: fields, line ends, repeated titles, and broken files."""

import gzip
from pathlib import Path

import pytest

from papertrail.core.errors import DataError
from papertrail.data.formats.smart import read_smart

DOCUMENTS = """\
.I 1
.T
flow past a flat
plate .
.A
ting-yili
.B
j. ae. scs. 25, 1958, 324.
.W
flow past a flat
plate .
  the plate is flat .  the flow
is not .
.I 2
.T
.A
.B
.W
.I 003
.T\x20
shear of a wing .
.W
here the text begins otherwise . a line may begin
.Then go on .
"""


def write(folder: Path, text: str = DOCUMENTS, name: str = "cran.all") -> Path:
    """Write a file of records; return it."""
    content = text.encode()
    (folder / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return folder / name


@pytest.mark.parametrize("name", ["cran.all", "cran.all.1400.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "BOM"])
def test_records(tmp_path: Path, name: str, end: str, mark: str) -> None:
    file = write(tmp_path, mark + DOCUMENTS.replace("\n", end), name)
    first, second, third = read_smart(file)
    assert first == (
        f"{file}:1",
        {
            "I": "1",
            "T": "flow past a flat plate .",
            "A": "ting-yili",
            "B": "j. ae. scs. 25, 1958, 324.",
            "W": "the plate is flat . the flow is not",  # without the title
        },
    )
    assert second == (f"{file}:14", {"I": "2", "T": "", "A": "", "B": "", "W": ""})
    assert third[1]["I"] == "003"
    assert third[1]["W"] == "here the text begins otherwise . a line may begin .Then go on ."


def test_both_parts_of_a_repeated_field_are_kept(tmp_path: Path) -> None:
    twice = ".I 578\n.T\nblunt nose flows .\n.W\nblunt nose flows .\nspeeds are low .\n.W\nblades have stalled .\n"
    ((_, fields),) = read_smart(write(tmp_path, twice))  # as in documents 576 and 578 of Cranfield
    assert fields["W"] == "speeds are low . blades have stalled"


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cran\.all: no such file"):
        list(read_smart(tmp_path / "cran.all"))


@pytest.mark.parametrize("cut", [slice(None, -20), slice(None, 5)], ids=["cut off", "cut in the head"])
def test_a_damaged_file_is_an_error(tmp_path: Path, cut: slice) -> None:
    file = write(tmp_path, name="cran.gz")
    file.write_bytes(file.read_bytes()[cut])
    with pytest.raises(DataError, match=r"cran\.gz:\d+: cannot be unpacked"):
        list(read_smart(file))


@pytest.mark.parametrize("text", ["", "\n", "title\n.I 1\n.W\ntext\n", "<html>.I 1</html>", ".I\n.W\ntext\n"])
def test_a_file_of_another_form_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"cran\.all(:1)?: (empty; )?expected a first line '\.I <number>'"):
        list(read_smart(write(tmp_path, text)))
