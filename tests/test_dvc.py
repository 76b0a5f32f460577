"""DVC shares outputs, refuses concurrent runs and reports a read-only cache; on a pipeline that takes no time."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.fixtures.commands import obey_permissions

MAKE = """
import pathlib, time
pathlib.Path("begun").touch()
while pathlib.Path("wait").exists():
    time.sleep(0.05)
pathlib.Path("out").mkdir()
pathlib.Path("out/text").write_text(pathlib.Path("input").read_text() * 2)
"""
PIPELINE = "stages: {make: {cmd: python make.py, deps: [make.py, input], outs: [out]}}\n"
IDENTITY = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]


def start_dvc(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=obey_permissions,
    )


def dvc(folder: Path, *arguments: str) -> tuple[int, str]:
    """Return exit code and messages of a command."""
    with start_dvc(folder, *arguments) as process:
        messages, _ = process.communicate(timeout=120)
    return process.returncode, messages


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A new repository whose pipeline has not run."""
    folder = tmp_path / "first"
    (folder / ".dvc").mkdir(parents=True)
    files = {"make.py": MAKE, "input": "again ", "dvc.yaml": PIPELINE, ".gitignore": "/begun\n/wait\n/out\n"}
    config = f"[core]\nanalytics = false\nsite_cache_dir = {tmp_path / 'site'}\n"
    for name, text in {**files, ".dvc/config": config, ".dvc/.gitignore": "/cache\n/tmp\n"}.items():
        (folder / name).write_text(text, encoding="utf-8")
    git(folder, "init", "-q")
    return folder


@pytest.fixture
def s3() -> Iterator[Any]:
    """A client of a local S3 server with an empty bucket."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    secret = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **secret)
    client.create_bucket(Bucket="bucket")
    yield client
    client.close()
    server.stop()


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_one_clone_pulls_what_another_pushed(
    kind: str, folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "folder":
        remote = f"url = {tmp_path / 'store'}"
    else:
        s3 = request.getfixturevalue("s3")
        remote = (
            f"url = s3://bucket\nendpointurl = {s3.meta.endpoint_url}\naccess_key_id = any\nsecret_access_key = any"
        )
    with (folder / ".dvc/config").open("a", encoding="utf-8") as file:
        file.write(f"remote = store\n['remote \"store\"']\n{remote}\nverify = true\n")
    assert dvc(folder, "repro", "-q") == (0, "")
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "all")
    assert dvc(folder, "push", "-q") == (0, "")

    git(tmp_path, "clone", "-q", "first", "second")
    assert dvc(tmp_path / "second", "pull", "-q") == (0, "")
    status, messages = dvc(tmp_path / "second", "repro")
    assert (status, messages.splitlines()[-1]) == (0, "Data and pipelines are up to date.")
    assert not (tmp_path / "second/begun").exists()
    assert (tmp_path / "second/out/text").read_text(encoding="utf-8") == "again again "

    (stored,) = (
        path.relative_to(folder / ".dvc/cache")
        for path in (folder / ".dvc/cache/files").rglob("*")
        if path.is_file() and path.suffix != ".dir"
    )
    if kind == "folder":
        (tmp_path / "store" / stored).chmod(0o644)
        (tmp_path / "store" / stored).write_text("damaged", encoding="utf-8")
    else:
        s3.put_object(Bucket="bucket", Key=stored.as_posix(), Body=b"damaged")
    git(tmp_path, "clone", "-q", "first", "third")
    status, messages = dvc(tmp_path / "third", "pull")
    assert status != 0
    assert "failed to pull data" in messages
    assert not (tmp_path / "third/out").exists()
    assert not (tmp_path / "third/.dvc/cache" / stored).exists()
    assert dvc(tmp_path / "third", "repro", "-q") == (0, "")
    assert (tmp_path / "third/out/text").read_text(encoding="utf-8") == "again again "
    assert (tmp_path / "third/dvc.lock").read_bytes() == (folder / "dvc.lock").read_bytes()


def test_the_second_of_two_concurrent_runs_is_refused(folder: Path) -> None:
    (folder / "wait").touch()
    with start_dvc(folder, "repro", "-q") as first:
        while not (folder / "begun").exists():
            assert first.poll() is None, first.communicate()
            time.sleep(0.05)
        status, messages = dvc(folder, "repro")
        assert status != 0
        assert "is busy, it is being blocked by" in messages
        (folder / "wait").unlink()
        assert first.communicate(timeout=120) == ("", None)
    assert first.returncode == 0
    assert dvc(folder, "status", "-q") == (0, "")


def test_a_read_only_cache_is_an_error(folder: Path) -> None:
    cache = folder / ".dvc/cache"
    cache.mkdir()
    cache.chmod(0o555)
    status, messages = dvc(folder, "repro")
    assert status != 0
    assert "Permission denied" in messages
    assert not (folder / "dvc.lock").exists()
    cache.chmod(0o755)
    assert dvc(folder, "repro", "-q") == (0, "")
    assert dvc(folder, "status", "-q") == (0, "")
