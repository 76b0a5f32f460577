"""Every provider against a stand-in on this machine: a web server, a hub, a folder, a wheel made by hand."""

import dataclasses
import errno
import hashlib
import io
import json
import logging
import os
import socket
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import huggingface_hub
import pytest

from scholar import sources
from scholar.errors import SourceError
from scholar.params import Hub, Local, Source, Url, Wheel
from scholar.sources import DOWNLOADS, Provider, fetch_source

TEXT = b"a raw file\n" * 1000
OTHER = b"another\r\n"
LONG = bytes(range(251)) * 1000
CUT = 200_000  # bytes of LONG that arrive
KEPT = CUT // sources.BLOCK * sources.BLOCK
REVISION = "a" * 40


class Server(ThreadingHTTPServer):
    """Serves `files` by path; the fields say how it misbehaves, `ranges` notes what each GET asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.knows_ranges = True
        self.cut_after: int | None = None  # bytes of the next body, then the connection ends
        self.ranges: list[str | None] = []
        self.records: dict[str, list[dict[str, Any]]] = {}  # what a hub has on record: address -> files
        self.base = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        body = self._answer(wanted if self.server.knows_ranges else None)
        cut, self.server.cut_after = self.server.cut_after, None
        self.wfile.write(body[:cut])

    def do_POST(self) -> None:
        """A hub's answer to which of these paths it has at a revision."""
        (asked,) = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["paths"]
        known = self.server.records.get(self.path)
        told = {"error": "Repository not found"} if known is None else [r for r in known if r["path"] == asked]
        body = json.dumps(told).encode()
        self.send_response(404 if known is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, wanted: str | None = None) -> bytes:
        body = self.server.files.get(self.path)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        status = 404 if body is None else 416 if start and start >= len(body) else 206 if start else 200
        body = body[start:] if body is not None and status < 400 else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        return body

    def log_message(self, *_: object) -> None:
        """Silence: pytest shows what failed."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DOWNLOADS is relative; no pip of these tests may look at an index."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    Path("links").mkdir()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def hub(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server as Hugging Face hub; HF_ENDPOINT is read at import, so its constants are set instead."""
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", server.base)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.base + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return server


@pytest.fixture
def pip_calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []
    run = subprocess.run

    def counted(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", counted)
    return calls


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def source(
    files: dict[str, bytes], *providers: Provider, unpack: str | None = None, convert: str | None = None
) -> Source:
    pinned = {name: sha256(content) for name, content in files.items()}
    return Source(licence="CC0-1.0", files=pinned, unpack=unpack, convert=convert, providers=list(providers))


def unpinned(names: Iterable[str], *providers: Provider, convert: str | None = None) -> Source:
    files = dict.fromkeys(names)
    return Source(licence="CC0-1.0", files=files, unpack=None, convert=convert, providers=list(providers))


def local(files: dict[str, bytes], folder: str = "there") -> Local:
    for name, content in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Local(kind="local", folder=folder)


def url(server: Server, path: str = "/set") -> Url:
    return Url(kind="url", base=server.base + path)


def hub_repo(repo_type: Any = "model", folder: str | None = None) -> Hub:
    return Hub(kind="hub", repo="who/what", repo_type=repo_type, revision=REVISION, folder=folder)


def make_wheel(files: dict[str, bytes]) -> bytes:
    """A wheel `tiny` 1.0 in the folder that pip looks at."""
    meta = {
        "METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    path = Path("links/tiny-1.0-py3-none-any.whl")
    with zipfile.ZipFile(path, "w") as package:
        for name, content in files.items():
            package.writestr(name, content)
        for name, text in meta.items():
            package.writestr(f"tiny-1.0.dist-info/{name}", text)
    return path.read_bytes()


def wheel(content: bytes, folder: str | None) -> Wheel:
    return Wheel(kind="wheel", requirement="tiny==1.0", sha256=sha256(content), folder=folder)


def zipped(members: dict[str, bytes], link: str | None = None) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as package:
        for name, content in members.items():
            package.writestr(name, content)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = 0o120777 << 16  # a symbolic link, its target is the content
            package.writestr(info, "../../outside")
    return stream.getvalue()


def tarred(members: dict[str, bytes], link: str | None = None, kind: bytes = tarfile.SYMTYPE) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as package:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o4777
            package.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = kind, "../../outside"
            package.addfile(info)
    return stream.getvalue()


def found(folder: str = "raw/set") -> dict[str, bytes]:
    """All files below a folder; none when it is not there."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def fetch(wanted: Source) -> dict[str, bytes]:
    fetch_source(wanted, Path("raw/set"))
    assert [path.name for path in Path("raw").iterdir()] == ["set"]  # no .part left
    assert list(DOWNLOADS.iterdir()) == []
    return found()


# Each provider alone


def test_local(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    files = {"a.txt": TEXT, "below/b.txt": OTHER, "below/same.txt": TEXT}
    local(files)
    assert fetch(source(files, Local(kind="local", folder="~/there"))) == files
    assert found("there") == files  # copied, not moved


def test_url(server: Server) -> None:
    server.files = {"/set/a%20%231.txt": TEXT, "/set/below/b.txt": OTHER}
    files = {"a #1.txt": TEXT, "below/b.txt": OTHER}
    assert fetch(source(files, url(server, "/set/"))) == files


@pytest.mark.parametrize(("repo_type", "prefix"), [("model", ""), ("dataset", "/datasets")])
@pytest.mark.parametrize("folder", [None, "below"])
def test_hub(hub: Server, repo_type: str, prefix: str, folder: str | None) -> None:
    path = f"{prefix}/who/what/resolve/{REVISION}/" + (f"{folder}/" if folder else "")
    files = {"a.txt": TEXT, "more/b.txt": OTHER}
    hub.files = {path + name: content for name, content in files.items()}
    assert fetch(source(files, hub_repo(repo_type, folder))) == files


def test_wheel_members_with_one_download(pip_calls: list[list[str]]) -> None:
    files = {"a.txt": TEXT, "below/b.txt": OTHER}
    content = make_wheel({f"tiny/data/{name}": content for name, content in files.items()})
    assert fetch(source(files, wheel(content, "tiny/data"))) == files
    assert len(pip_calls) == 1
    assert pip_calls[0][0] == sys.executable


def test_wheel_itself_unpacked() -> None:
    content = make_wheel({"tiny/__init__.py": b"", "tiny/data/a.txt": TEXT, "tiny/data/below/b.txt": OTHER})
    files = {"tiny-1.0-py3-none-any.whl": content}
    assert fetch(source(files, wheel(content, None), unpack="tiny/data")) == {"a.txt": TEXT, "below/b.txt": OTHER}


@pytest.mark.parametrize("archive", [zipped, tarred])
def test_archive_unpacked(archive: Callable[..., bytes]) -> None:
    content = archive({"./set/a.txt": TEXT, "set/below/b.txt": OTHER, "settle/c.txt": b"not below"}, link="outside")
    files = {"set.bin": content}
    assert fetch(source(files, local(files), unpack="set")) == {"a.txt": TEXT, "below/b.txt": OTHER}


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


# Failures of providers


def test_second_provider_after_the_first(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.files = {"/set/a.txt": TEXT}  # has one of the two files
    files = {"a.txt": TEXT, "b.txt": OTHER}
    with caplog.at_level(logging.WARNING, logger="scholar.sources"):
        assert fetch(source(files, url(server), local(files))) == files
    assert [record.getMessage().split(" for ")[0] for record in caplog.records] == [
        f"b.txt: url {server.base}/set: 404 Client Error: Not Found"
    ]


def test_wrong_hash_is_refused_and_the_next_tried(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.files = {"/set/a.txt": OTHER}
    files = {"a.txt": TEXT}
    assert fetch(source(files, url(server), local(files))) == files
    assert f"refused, its sha256 is {sha256(OTHER)}" in caplog.text


def test_failure_leaves_the_earlier_output(server: Server) -> None:
    earlier = {"a.txt": b"earlier"}
    fetch(source(earlier, local(earlier)))
    server.files = {"/set/a.txt": OTHER}
    with pytest.raises(SourceError) as caught:
        fetch_source(source({"a.txt": TEXT}, url(server), Local(kind="local", folder="nowhere")), Path("raw/set"))
    told = str(caught.value).splitlines()
    assert told[0] == f"a.txt with sha256 {sha256(TEXT)} could not be had:"
    assert told[1] == f"  url {server.base}/set: refused, its sha256 is {sha256(OTHER)}"
    assert told[2] == "  local nowhere: nowhere/a.txt: No such file or directory"
    assert "repeat" in told[3]
    assert "params.yaml" in told[3]
    assert found("raw") == {"set/a.txt": b"earlier"}
    assert list(DOWNLOADS.iterdir()) == []


def test_success_replaces_the_earlier_output() -> None:
    earlier, later = {"a.txt": TEXT, "gone.txt": OTHER}, {"a.txt": OTHER}
    fetch(source(earlier, local(earlier, "1")))
    assert fetch(source(later, local(later, "2"))) == later


def test_files_found_before_a_failure_are_not_asked_for_again(server: Server) -> None:
    files = {"a.txt": TEXT, "b.txt": OTHER}
    server.files = {"/set/a.txt": TEXT}
    with pytest.raises(SourceError, match=r"^b\.txt"):
        fetch_source(source(files, url(server)), Path("raw/set"))
    assert not Path("raw").exists()
    server.files = {"/set/b.txt": OTHER}
    assert fetch(source(files, url(server))) == files


def test_server_down(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        base = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", base + "/{repo_id}")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)  # its pauses between attempts
    with pytest.raises(SourceError, match=r"(?s)url http.*refused.*hub who/what: .*refused"):
        fetch_source(source({"a.txt": TEXT}, Url(kind="url", base=base), hub_repo()), Path("raw/set"))


def test_server_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "TIMEOUT", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the connection is taken, nothing is ever sent
        base = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(SourceError, match="timed out"):
            fetch_source(source({"a.txt": TEXT}, Url(kind="url", base=base)), Path("raw/set"))


def test_hub_without_the_file_or_with_a_wrong_one(hub: Server) -> None:
    with pytest.raises(SourceError, match=r"hub who/what: .*404"):
        fetch_source(source({"a.txt": TEXT}, hub_repo()), Path("raw/set"))
    hub.files = {f"/who/what/resolve/{REVISION}/a.txt": OTHER}
    with pytest.raises(SourceError, match=f"refused, its sha256 is {sha256(OTHER)}"):
        fetch_source(source({"a.txt": TEXT}, hub_repo()), Path("raw/set"))
    assert list(DOWNLOADS.iterdir()) == []


def test_hub_with_an_impossible_name(hub: Server) -> None:
    wrong = Hub(kind="hub", repo="no/such/repo", repo_type="model", revision=REVISION, folder=None)
    with pytest.raises(SourceError, match="hub no/such/repo: Repo id must be"):
        fetch_source(source({"a.txt": TEXT}, wrong), Path("raw/set"))


def test_wheel_that_pip_refuses_is_asked_for_once(pip_calls: list[list[str]]) -> None:
    make_wheel({"tiny/a.txt": TEXT})
    files = {"a.txt": TEXT, "b.txt": OTHER}
    pinned_otherwise = wheel(b"other content", "tiny")
    assert fetch(source(files, pinned_otherwise, local(files))) == files
    assert len(pip_calls) == 1
    with pytest.raises(SourceError, match=r"wheel tiny==1\.0: ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"):
        fetch_source(source({"a.txt": TEXT}, pinned_otherwise), Path("raw/set"))


def test_wheel_without_the_member() -> None:
    content = make_wheel({"tiny/a.txt": TEXT})
    with pytest.raises(SourceError, match=r"tiny-1.0-py3-none-any.whl: There is no item named 'tiny/b.txt'"):
        fetch_source(source({"b.txt": TEXT}, wheel(content, "tiny")), Path("raw/set"))


# Files whose sha256 is not known yet


def recorded(content: bytes, path: str, large: bool) -> dict[str, Any]:
    """What a hub tells of a file: git's hash of a small one, of a large one that of its pointer, and the sha256."""
    stored = f"pointer to {sha256(content)}".encode() if large else content
    blob = hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()
    lfs = {"lfs": {"oid": sha256(content), "size": len(content), "pointerSize": len(stored)}} if large else {}
    return {"type": "file", "path": path, "size": len(content), "oid": blob, **lfs}


def put_on_hub(hub: Server, files: dict[str, bytes], large: bool, prefix: str = "", kind: str = "models") -> None:
    hub.files = {f"{prefix}/who/what/resolve/{REVISION}/{name}": content for name, content in files.items()}
    records = [recorded(content, name, large) for name, content in files.items()]
    hub.records = {f"/api/{kind}/who/what/paths-info/{REVISION}": records}


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize(
    ("repo_type", "prefix", "kind"), [("model", "", "models"), ("dataset", "/datasets", "datasets")]
)
def test_hub_tells_what_its_files_hash_to(
    hub: Server, repo_type: str, prefix: str, kind: str, large: bool, caplog: pytest.LogCaptureFixture
) -> None:
    put_on_hub(hub, {"below/a.txt": TEXT, "below/b.txt": OTHER}, large, prefix, kind)
    with caplog.at_level(logging.INFO, logger="scholar.sources"):
        found = fetch(unpinned(["a.txt", "b.txt"], hub_repo(repo_type, "below")))
    assert found == {"a.txt": TEXT, "b.txt": OTHER}
    for name, content in found.items():
        assert f"{name}: sha256 {sha256(content)}; params.yaml may have it in place of null" in caplog.messages


def test_git_s_hash_is_that_of_git() -> None:
    Path("a.txt").write_bytes(TEXT)
    told = subprocess.run(["git", "hash-object", "a.txt"], capture_output=True, text=True, check=True).stdout.strip()
    assert sources._hash_as("0" * 40, Path("a.txt")) == told


@pytest.mark.parametrize(("large", "kind"), [(True, "sha256"), (False, "git hash")])
def test_hub_that_sends_other_bytes_than_it_has_on_record(hub: Server, large: bool, kind: str) -> None:
    put_on_hub(hub, {"a.txt": TEXT}, large)
    hub.files = dict.fromkeys(hub.files, OTHER)
    with pytest.raises(SourceError, match=rf"^a\.txt \(sha256 null\)(?s:.*)hub who/what: refused, its {kind} is"):
        fetch_source(unpinned(["a.txt"], hub_repo()), Path("raw/set"))
    assert found("raw") == {}


def test_hub_that_has_nothing_on_record(hub: Server) -> None:
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


def test_large_file_of_a_hub_is_not_asked_for_again(hub: Server) -> None:
    put_on_hub(hub, {"a.txt": TEXT}, True)
    with pytest.raises(SourceError, match=r"^b\.txt"):
        fetch_source(unpinned(["a.txt", "b.txt"], hub_repo()), Path("raw/set"))
    put_on_hub(hub, {"a.txt": TEXT, "b.txt": OTHER}, True)
    asked = len(hub.ranges)
    assert fetch(unpinned(["a.txt", "b.txt"], hub_repo())) == {"a.txt": TEXT, "b.txt": OTHER}
    assert len(hub.ranges) == asked + 1


def test_local_file_is_taken_as_it_is(hub: Server, caplog: pytest.LogCaptureFixture) -> None:
    files = {"a.txt": TEXT, "b.txt": TEXT}
    with caplog.at_level(logging.INFO, logger="scholar.sources"):
        assert fetch(unpinned(files, hub_repo(), local(files))) == files  # the hub has neither
    assert f"b.txt: sha256 {sha256(TEXT)}; params.yaml may have it in place of null" in caplog.messages


# Broken downloads


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_cut_download_goes_on(server: Server, knows_ranges: bool) -> None:
    server.files = {"/set/a.txt": LONG}
    server.cut_after, server.knows_ranges = CUT, knows_ranges
    wanted = source({"a.txt": LONG}, url(server))
    with pytest.raises(SourceError, match="IncompleteRead"):
        fetch_source(wanted, Path("raw/set"))
    assert found(str(DOWNLOADS)) == {f"{sha256(LONG)}.part": LONG[:KEPT]}
    assert fetch(wanted) == {"a.txt": LONG}
    assert server.ranges == [None, f"bytes={KEPT}-"]


def test_cut_download_goes_on_at_the_next_provider(server: Server) -> None:
    server.files = {"/first/a.txt": LONG, "/second/a.txt": LONG}
    server.cut_after = CUT
    assert fetch(source({"a.txt": LONG}, url(server, "/first"), url(server, "/second"))) == {"a.txt": LONG}
    assert server.ranges == [None, f"bytes={KEPT}-"]


@pytest.mark.parametrize(
    ("begun", "ranges"),
    [
        (TEXT, []),  # whole, but not moved yet: nothing to ask for
        (TEXT + b"?", [f"bytes={len(TEXT) + 1}-", None]),  # 416, then from the start
        (b"<html>", ["bytes=6-", None]),  # the beginning of another file
        (b"", [None]),
    ],
)
def test_what_an_earlier_download_left(server: Server, begun: bytes, ranges: list[str | None]) -> None:
    server.files = {"/set/a.txt": TEXT}
    DOWNLOADS.mkdir(parents=True)
    (DOWNLOADS / f"{sha256(TEXT)}.part").write_bytes(begun)
    assert fetch(source({"a.txt": TEXT}, url(server))) == {"a.txt": TEXT}
    assert server.ranges == ranges


def test_begun_download_is_dropped_when_another_provider_has_the_file(server: Server) -> None:
    server.files = {"/set/a.txt": LONG}
    server.cut_after = CUT
    files = {"a.txt": LONG}
    assert fetch(source(files, url(server), local(files))) == files


# Archives


@pytest.mark.parametrize("archive", [zipped, tarred])
@pytest.mark.parametrize("member", ["../evil", "set/../../evil", "/absolute/evil"])
def test_member_that_leaves_the_folder(archive: Callable[..., bytes], member: str) -> None:
    member = member.replace("/absolute", str(Path.cwd()))
    files = {"set.bin": archive({"set/a.txt": TEXT, member: b"evil"})}
    with pytest.raises(SourceError, match=rf"set\.bin: member '{member}' leads outside"):
        fetch_source(source(files, local(files), unpack="set"), Path("raw/set"))
    assert found("raw") == {}
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
    assert found("raw") == {}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (zipped({"other/a.txt": TEXT}), "has no folder 'set'"),
        (tarred({"set": TEXT}), "has no folder 'set'"),  # a file of that name
        (TEXT, "not a zip file or .tar.gz"),
        (tarred({"set/a.txt": os.urandom(4000)})[:2000], "not a zip file or .tar.gz"),
        (zipped({"set/a.txt": TEXT}).replace(TEXT[:99], OTHER * 11), "Bad CRC-32"),
    ],
    ids=["no folder", "a file", "text", "cut", "damaged"],
)
def test_archive_that_cannot_be_used(content: bytes, told: str) -> None:
    earlier = {"a.txt": b"earlier"}
    fetch(source(earlier, local(earlier)))
    files = {"set.bin": content}
    with pytest.raises(SourceError, match=rf"^set\.bin: .*{told}"):
        fetch_source(source(files, local(files), unpack="set"), Path("raw/set"))
    assert found("raw") == {"set/a.txt": b"earlier"}


def test_several_archives_become_one_folder() -> None:
    files = {"a.zip": zipped({"train/1.in": TEXT}), "b.tar.gz": tarred({"val/1.in": OTHER})}
    assert fetch(source(files, local(files), unpack=".")) == {"train/1.in": TEXT, "val/1.in": OTHER}


def test_archives_that_overlap_are_refused() -> None:
    files = {"a.zip": zipped({"train/1.in": TEXT}), "b.tar.gz": tarred({"val/1.in": OTHER, "train/1.in": OTHER})}
    with pytest.raises(SourceError, match=r"b\.tar\.gz: member 'train/1\.in' came before; archives of a source"):
        fetch_source(source(files, local(files), unpack="."), Path("raw/set"))
    assert not Path("raw/set").exists()


def test_each_archive_needs_the_folder() -> None:
    files = {"a.zip": zipped({"set/a.txt": TEXT}), "b.tar.gz": tarred({"sets/b.txt": OTHER})}
    with pytest.raises(SourceError, match=r"b\.tar\.gz: has no folder 'set'"):
        fetch_source(source(files, local(files), unpack="set"), Path("raw/set"))


@pytest.mark.parametrize(
    ("convert", "told"),
    [
        ("tinny.gguf", "raw/set: convert: no file 'tinny.gguf' among those of the source"),
        ("tiny.gguf", "tiny.gguf: not a GGUF file"),
        ("tiny.bin", "tiny.bin: no file of weights alone"),
    ],
)
def test_weights_that_cannot_be_converted_leave_nothing_behind(convert: str, told: str) -> None:
    files = {"tiny.gguf": TEXT, "tiny.bin": TEXT, "licence.txt": OTHER}
    with pytest.raises(SourceError, match=f"^{told}"):
        fetch_source(source(files, local(files), convert=convert), Path("raw/set"))
    assert found("raw") == {}
    assert list(Path("raw").iterdir()) == []


# A full disk is this machine's failure: no other provider is tried


class FullDisk(io.BytesIO):
    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def full(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
        return FullDisk() if mode in ("wb", "ab") else opened(path, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", full)


def test_full_disk(server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    files = {"a.txt": TEXT}
    server.files = {"/set/a.txt": TEXT}
    providers: list[Provider] = [url(server), local(files)]
    fill_disk(monkeypatch)
    for order in (providers, providers[::-1]):
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


def test_full_disk_told_by_pip_or_the_hub_library(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, told))

    def raise_full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sources, "hf_hub_download", raise_full)
    for provider in (wheel(b"", None), hub_repo()):
        with pytest.raises(OSError, match="No space left") as caught:
            fetch_source(source({"a.txt": TEXT}, provider, local({"a.txt": TEXT})), Path("raw/set"))
        assert caught.value.errno == errno.ENOSPC


def test_hub_library_cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "a.txt")

    monkeypatch.setattr(sources, "hf_hub_download", forbid)
    with pytest.raises(PermissionError):
        fetch_source(source({"a.txt": TEXT}, hub_repo(), local({"a.txt": TEXT})), Path("raw/set"))
