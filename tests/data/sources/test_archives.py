"""Archives: unpacked files, members that lead outside, links, damaged archives."""

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from papertrail.core.errors import SourceError
from papertrail.data.sources.fetch import fetch_source
from tests.fixtures.raw_files import OTHER, TEXT, fetch, local, make_wheel, read_folder, source, tarred, wheel, zipped

pytestmark = pytest.mark.usefixtures("isolate")


def test_wheel_itself_unpacked() -> None:
    content = make_wheel({"tiny/__init__.py": b"", "tiny/data/a.txt": TEXT, "tiny/data/below/b.txt": OTHER})
    files = {"tiny-1.0-py3-none-any.whl": content}
    assert fetch(source(files, wheel(content, None), unpack="tiny/data")) == {"a.txt": TEXT, "below/b.txt": OTHER}


@pytest.mark.parametrize("archive", [zipped, tarred])
def test_archive_unpacked(archive: Callable[..., bytes]) -> None:
    content = archive({"./set/a.txt": TEXT, "set/below/b.txt": OTHER, "settle/c.txt": b"not below"}, link="outside")
    files = {"set.bin": content}
    assert fetch(source(files, local(files), unpack="set")) == {"a.txt": TEXT, "below/b.txt": OTHER}


@pytest.mark.parametrize("archive", [zipped, tarred])
@pytest.mark.parametrize("member", ["../evil", "set/../../evil", "/absolute/evil"])
def test_member_that_leaves_the_folder(archive: Callable[..., bytes], member: str) -> None:
    member = member.replace("/absolute", str(Path.cwd()))
    files = {"set.bin": archive({"set/a.txt": TEXT, member: b"evil"})}
    with pytest.raises(SourceError, match=rf"set\.bin: member '{member}' leads outside"):
        fetch_source(source(files, local(files), unpack="set"), Path("raw/set"))
    assert read_folder("raw") == {}
    assert list(Path.cwd().rglob("evil")) == []


@pytest.mark.parametrize(
    "content",
    [
        zipped({"set/a.txt": TEXT}, link="set/link"),
        tarred({"set/a.txt": TEXT}, link="set/link"),
        tarred({"set/a.txt": TEXT}, link="set/link", kind=tarfile.LNKTYPE),
        tarred({"set/a.txt": TEXT}, link="set/link", kind=tarfile.FIFOTYPE),
    ],
    ids=["zip", "tar", "hard", "fifo"],
)
def test_links_and_devices_are_not_unpacked(content: bytes) -> None:
    files = {"set.bin": content}
    with pytest.raises(SourceError, match=r"set\.bin: member 'set/link' is a link or device"):
        fetch_source(source(files, local(files), unpack="set"), Path("raw/set"))
    assert read_folder("raw") == {}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (zipped({"other/a.txt": TEXT}), "has no folder 'set'"),
        (tarred({"set": TEXT}), "has no folder 'set'"),  # a file of that name
        (TEXT, "not a zip file or .tar.gz"),
        (tarred({"set/a.txt": os.urandom(4000)})[:2000], "not a zip file or .tar.gz"),
        (zipped({"set/a.txt": TEXT}).replace(TEXT[:99], OTHER * 11), "Bad CRC-32"),
    ],
    ids=["no folder", "a file", "text", "cut", "damaged"],
)
def test_archive_that_cannot_be_used(content: bytes, expected: str) -> None:
    earlier = {"a.txt": b"earlier"}
    fetch(source(earlier, local(earlier)))
    files = {"set.bin": content}
    with pytest.raises(SourceError, match=rf"^set\.bin: .*{expected}"):
        fetch_source(source(files, local(files), unpack="set"), Path("raw/set"))
    assert read_folder("raw") == {"set/a.txt": b"earlier"}


def test_several_archives_become_one_folder() -> None:
    files = {"a.zip": zipped({"train/1.in": TEXT}), "b.tar.gz": tarred({"val/1.in": OTHER})}
    assert fetch(source(files, local(files), unpack=".")) == {"train/1.in": TEXT, "val/1.in": OTHER}


def test_overlapping_archives_are_an_error() -> None:
    files = {"a.zip": zipped({"train/1.in": TEXT}), "b.tar.gz": tarred({"val/1.in": OTHER, "train/1.in": OTHER})}
    with pytest.raises(SourceError, match=r"b\.tar\.gz: duplicate member 'train/1\.in'; archives of a source"):
        fetch_source(source(files, local(files), unpack="."), Path("raw/set"))
    assert not Path("raw/set").exists()


def test_each_archive_needs_the_folder() -> None:
    files = {"a.zip": zipped({"set/a.txt": TEXT}), "b.tar.gz": tarred({"sets/b.txt": OTHER})}
    with pytest.raises(SourceError, match=r"b\.tar\.gz: has no folder 'set'"):
        fetch_source(source(files, local(files), unpack="set"), Path("raw/set"))
