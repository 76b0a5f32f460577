"""Providers of raw files for the tests of sources."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from tests.fixtures.raw_files import Server


@pytest.fixture
def isolate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to a new folder, as DOWNLOADS is relative, and keep pip from any index."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    Path("links").mkdir()


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a web server."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def hub(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Run a web server as Hugging Face hub; HF_ENDPOINT is read at import, so its constants are set instead."""
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", server.base)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.base + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return server


@pytest.fixture
def pip_calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return a list that receives the command line of every process."""
    calls: list[list[str]] = []
    run = subprocess.run

    def counted(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", counted)
    return calls
