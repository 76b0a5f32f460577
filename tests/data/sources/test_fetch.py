"""Sources: order of providers, hashes, output folders, unpinned files, conversion, full disks."""

import dataclasses
import errno
import hashlib
import io
import logging
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import SourceError
from papertrail.core.params import Local
from papertrail.data.sources import providers
from papertrail.data.sources.fetch import fetch_source, hash_like
from papertrail.data.sources.providers import DOWNLOADS, Provider
from tests.fixtures.raw_files import (
    OTHER,
    REVISION,
    TEXT,
    Server,
    fetch,
    hub_repo,
    local,
    read_folder,
    sha256,
    source,
    tarred,
    unpinned,
    url,
    wheel,
)

pytestmark = pytest.mark.usefixtures("isolate")


@pytest.mark.parametrize("unpack", [None, "set"])
def test_modes_do_not_depend_on_umask_or_origin(unpack: str | None) -> None:
    files = {"set.tar.gz": tarred({"set/a.txt": TEXT})}
    provider = local(files)
    Path("there/set.tar.gz").chmod(0o700)
    before = os.umask(0o077)
    try:
        fetch(source(files, provider, unpack=unpack))
    finally:
        os.umask(before)
    assert [oct(p.stat().st_mode & 0o7777) for p in Path("raw/set").iterdir()] == ["0o644"]


def test_next_provider_after_a_failure(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.files = {"/set/a.txt": TEXT}  # has one of the two files
    files = {"a.txt": TEXT, "b.txt": OTHER}
    with caplog.at_level(logging.WARNING, logger="papertrail.data.sources.fetch"):
        assert fetch(source(files, url(server), local(files))) == files
    assert [record.getMessage().split(" for ")[0] for record in caplog.records] == [
        f"b.txt: url {server.base}/set: 404 Client Error: Not Found"
    ]


def test_next_provider_after_a_wrong_hash(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.files = {"/set/a.txt": OTHER}
    files = {"a.txt": TEXT}
    assert fetch(source(files, url(server), local(files))) == files
    assert f"refused, its sha256 is {sha256(OTHER)}" in caplog.text


def test_a_failure_keeps_the_earlier_output(server: Server) -> None:
    earlier = {"a.txt": b"earlier"}
    fetch(source(earlier, local(earlier)))
    server.files = {"/set/a.txt": OTHER}
    with pytest.raises(SourceError) as caught:
        fetch_source(source({"a.txt": TEXT}, url(server), Local(kind="local", folder="nowhere")), Path("raw/set"))
    lines = str(caught.value).splitlines()
    assert lines[0] == f"a.txt with sha256 {sha256(TEXT)} is unavailable from every provider:"
    assert lines[1] == f"  url {server.base}/set: refused, its sha256 is {sha256(OTHER)}"
    assert lines[2] == "  local nowhere: nowhere/a.txt: No such file or directory"
    assert "rerun" in lines[3]
    assert "params.yaml" in lines[3]
    assert read_folder("raw") == {"set/a.txt": b"earlier"}
    assert list(DOWNLOADS.iterdir()) == []


def test_a_success_replaces_the_earlier_output() -> None:
    earlier, later = {"a.txt": TEXT, "gone.txt": OTHER}, {"a.txt": OTHER}
    fetch(source(earlier, local(earlier, "1")))
    assert fetch(source(later, local(later, "2"))) == later


def test_files_found_before_a_failure_are_not_downloaded_again(server: Server) -> None:
    files = {"a.txt": TEXT, "b.txt": OTHER}
    server.files = {"/set/a.txt": TEXT}
    with pytest.raises(SourceError, match=r"^b\.txt"):
        fetch_source(source(files, url(server)), Path("raw/set"))
    assert not Path("raw").exists()
    server.files = {"/set/b.txt": OTHER}
    assert fetch(source(files, url(server))) == files


# --- files without a sha256 ---


def recorded(content: bytes, path: str, large: bool) -> dict[str, Any]:
    """Return a hub's record of a file: git's hash, for a large file that of its pointer, and its sha256."""
    stored = f"pointer to {sha256(content)}".encode() if large else content
    blob = hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()
    lfs = {"lfs": {"oid": sha256(content), "size": len(content), "pointerSize": len(stored)}} if large else {}
    return {"type": "file", "path": path, "size": len(content), "oid": blob, **lfs}


def put_on_hub(hub: Server, files: dict[str, bytes], large: bool, prefix: str = "", kind: str = "models") -> None:
    """Put files and their records on a hub."""
    hub.files = {f"{prefix}/who/what/resolve/{REVISION}/{name}": content for name, content in files.items()}
    records = [recorded(content, name, large) for name, content in files.items()]
    hub.records = {f"/api/{kind}/who/what/paths-info/{REVISION}": records}


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize(
    ("repo_type", "prefix", "kind"), [("model", "", "models"), ("dataset", "/datasets", "datasets")]
)
def test_files_are_checked_against_the_record_of_the_hub(
    hub: Server, repo_type: str, prefix: str, kind: str, large: bool, caplog: pytest.LogCaptureFixture
) -> None:
    put_on_hub(hub, {"below/a.txt": TEXT, "below/b.txt": OTHER}, large, prefix, kind)
    with caplog.at_level(logging.INFO, logger="papertrail.data.sources.fetch"):
        files = fetch(unpinned(["a.txt", "b.txt"], hub_repo(repo_type, "below")))
    assert files == {"a.txt": TEXT, "b.txt": OTHER}
    for name, content in files.items():
        assert f"{name}: sha256 {sha256(content)}; you can pin it in params.yaml" in caplog.messages


def test_git_hash_equals_that_of_git() -> None:
    Path("a.txt").write_bytes(TEXT)
    expected = subprocess.run(
        ["git", "hash-object", "a.txt"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert hash_like("0" * 40, Path("a.txt")) == expected


@pytest.mark.parametrize(("large", "kind"), [(True, "sha256"), (False, "git hash")])
def test_hub_whose_file_differs_from_its_record(hub: Server, large: bool, kind: str) -> None:
    put_on_hub(hub, {"a.txt": TEXT}, large)
    hub.files = dict.fromkeys(hub.files, OTHER)
    with pytest.raises(SourceError, match=rf"^a\.txt \(sha256 null\)(?s:.*)hub who/what: refused, its {kind} is"):
        fetch_source(unpinned(["a.txt"], hub_repo()), Path("raw/set"))
    assert read_folder("raw") == {}


def test_hub_without_a_record(hub: Server) -> None:
    put_on_hub(hub, {"a.txt": TEXT}, True)
    with pytest.raises(SourceError, match=rf"hub who/what: no file 'b\.txt' at revision {REVISION}"):
        fetch_source(unpinned(["b.txt"], hub_repo()), Path("raw/set"))
    hub.records = {}
    with pytest.raises(SourceError, match=r"hub who/what: .*404"):
        fetch_source(unpinned(["a.txt"], hub_repo()), Path("raw/set"))


def test_pinned_and_unpinned_files_of_one_source(hub: Server) -> None:
    put_on_hub(hub, {"a.txt": TEXT, "b.txt": OTHER}, False)
    wanted = source({"a.txt": TEXT}, hub_repo())
    assert fetch(dataclasses.replace(wanted, files={**wanted.files, "b.txt": None})) == {"a.txt": TEXT, "b.txt": OTHER}


def test_large_file_of_a_hub_is_not_downloaded_again(hub: Server) -> None:
    put_on_hub(hub, {"a.txt": TEXT}, True)
    with pytest.raises(SourceError, match=r"^b\.txt"):
        fetch_source(unpinned(["a.txt", "b.txt"], hub_repo()), Path("raw/set"))
    put_on_hub(hub, {"a.txt": TEXT, "b.txt": OTHER}, True)
    requests = len(hub.ranges)
    assert fetch(unpinned(["a.txt", "b.txt"], hub_repo())) == {"a.txt": TEXT, "b.txt": OTHER}
    assert len(hub.ranges) == requests + 1


def test_unpinned_local_file_is_accepted(hub: Server, caplog: pytest.LogCaptureFixture) -> None:
    files = {"a.txt": TEXT, "b.txt": TEXT}
    with caplog.at_level(logging.INFO, logger="papertrail.data.sources.fetch"):
        assert fetch(unpinned(files, hub_repo(), local(files))) == files  # the hub has neither
    assert f"b.txt: sha256 {sha256(TEXT)}; you can pin it in params.yaml" in caplog.messages


# --- conversion ---


@pytest.mark.parametrize(
    ("convert", "expected"),
    [
        ("tinny.gguf", "raw/set: convert: no file 'tinny.gguf' in the source"),
        ("tiny.gguf", "tiny.gguf: not a GGUF file"),
        ("tiny.bin", "tiny.bin: not a file of weights only"),
    ],
)
def test_failed_conversion_leaves_no_files(convert: str, expected: str) -> None:
    files = {"tiny.gguf": TEXT, "tiny.bin": TEXT, "licence.txt": OTHER}
    with pytest.raises(SourceError, match=f"^{expected}"):
        fetch_source(source(files, local(files), convert=convert), Path("raw/set"))
    assert read_folder("raw") == {}
    assert list(Path("raw").iterdir()) == []


# --- full disks ---


class FullDisk(io.BytesIO):
    """A file on a full disk."""

    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every write of a file fail as on a full disk."""
    opened = Path.open

    def full(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
        return FullDisk() if mode in ("wb", "ab") else opened(path, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", full)


def test_no_other_provider_is_used_on_a_full_disk(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files = {"a.txt": TEXT}
    server.files = {"/set/a.txt": TEXT}
    providers_: list[Provider] = [url(server), local(files)]
    fill_disk(monkeypatch)
    for order in (providers_, providers_[::-1]):
        with pytest.raises(OSError, match="No space left") as caught:
            fetch_source(source(files, *order), Path("raw/set"))
        assert caught.value.errno == errno.ENOSPC
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_full_disk_while_unpacking(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"set.tar.gz": tarred({"set/a.txt": TEXT})}
    provider = local(files)
    DOWNLOADS.mkdir(parents=True)
    (DOWNLOADS / sha256(files["set.tar.gz"])).write_bytes(files["set.tar.gz"])
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        fetch_source(source(files, provider, unpack="set"), Path("raw/set"))
    assert list(Path("raw").iterdir()) == []


def test_full_disk_in_the_output_of_pip_or_the_hub_library(monkeypatch: pytest.MonkeyPatch) -> None:
    output = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, output))

    def raise_full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(providers, "hf_hub_download", raise_full)
    for provider in (wheel(b"", None), hub_repo()):
        with pytest.raises(OSError, match="No space left") as caught:
            fetch_source(source({"a.txt": TEXT}, provider, local({"a.txt": TEXT})), Path("raw/set"))
        assert caught.value.errno == errno.ENOSPC


def test_hub_library_cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "a.txt")

    monkeypatch.setattr(providers, "hf_hub_download", forbid)
    with pytest.raises(PermissionError):
        fetch_source(source({"a.txt": TEXT}, hub_repo(), local({"a.txt": TEXT})), Path("raw/set"))
