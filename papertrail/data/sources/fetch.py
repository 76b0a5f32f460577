"""Raw files and base models, from the first provider that has a file with the pinned sha256.

A file whose sha256 is null in params.yaml is checked against the hash that its hub has on record at a fixed revision.
"""

import hashlib
import logging
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from papertrail.core.artifacts import new_folder, sha256_of
from papertrail.core.errors import SourceError
from papertrail.core.params import Source
from papertrail.data.sources.archives import unpack
from papertrail.data.sources.gguf import convert_gguf
from papertrail.data.sources.providers import (
    BLOCK,
    DOWNLOADS,
    Provider,
    begun_download,
    describe,
    download,
    recorded_hash,
)
from papertrail.data.sources.torch_bin import convert_pickled

SHA256_DIGITS = 64
log = logging.getLogger(__name__)


def fetch_source(source: Source, folder: Path) -> None:
    """Write the files of a source, or the members of its archives below `source.unpack` (".": all), into a folder.

    The file `source.convert` is converted: a GGUF file to a from_pretrained folder, a .bin file to safetensors.

    The folder appears complete or not at all; an earlier one stays until then. Files that were found stay in DOWNLOADS
    until all are found, so that a repeated call only asks for the missing ones.

    Args:
        source: Files and providers.
        folder: Is replaced.

    Raises:
        SourceError: No provider has a file; an archive is damaged, unsafe or has no such folder; the file to convert is
            missing, unsafe or damaged.
        OSError: This machine cannot write, for example because the disk is full.
    """
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=DOWNLOADS) as scratch:
        pins = {name: _find(name, sha256, source.providers, Path(scratch)) for name, sha256 in source.files.items()}
    with new_folder(folder) as part:
        if source.unpack is None:
            _place(pins, part)
        else:
            for name, pin in pins.items():
                unpack(DOWNLOADS / pin, name, PurePosixPath(source.unpack), part)
        if source.convert is not None:
            _convert(source.convert, part, folder)
        for path in part.rglob("*"):
            if path.is_file():
                path.chmod(0o644)
    for pin in pins.values():
        (DOWNLOADS / pin).unlink(missing_ok=True)


def _find(name: str, sha256: str | None, providers: Sequence[Provider], scratch: Path) -> str:
    """Put a file with the right hash at DOWNLOADS/<pin>, from the first provider that has it.

    Returns:
        The pin: the sha256 of params.yaml; if that is null, the hash on record at the hub, or that of a local file.

    Raises:
        SourceError: No provider has it.
    """
    failures = []
    for provider in providers:
        try:
            pin = _find_at(provider, name, sha256, scratch)
        except SourceError as error:
            failures.append(f"{describe(provider)}: {error}")
            log.warning("%s: %s", name, failures[-1])
        else:
            begun_download(pin).unlink(missing_ok=True)  # of a URL that failed
            if sha256 is None:
                log.info("%s: sha256 %s; you can pin it in params.yaml", name, sha256_of(DOWNLOADS / pin))
            return pin
    wanted = f"with sha256 {sha256}" if sha256 else "(sha256 null)"
    raise SourceError(
        "\n  ".join([f"{name} {wanted} is unavailable from every provider:", *failures])
        + "\ncheck the network and rerun: files that were found are kept, and a download from a URL is resumed; or add"
        + " a provider that has the file to params.yaml, such as {kind: local, folder: <folder of the file>}"
    )


def _find_at(provider: Provider, name: str, sha256: str | None, scratch: Path) -> str:
    """Put a file of one provider at DOWNLOADS/<pin>, unless it is there; return the pin.

    Raises:
        SourceError: The provider does not have it, or has another content.
    """
    pin = sha256 or recorded_hash(provider, name)
    if pin is not None and (DOWNLOADS / pin).exists() and hash_like(pin, DOWNLOADS / pin) == pin:
        return pin
    candidate = download(provider, name, pin or "unpinned", scratch)
    found = hash_like(pin, candidate)
    if pin is not None and found != pin:
        candidate.unlink()
        raise SourceError(f"refused, its {'sha256' if len(pin) == SHA256_DIGITS else 'git hash'} is {found}")
    candidate.replace(DOWNLOADS / found)
    return found


def hash_like(pin: str | None, path: Path) -> str:
    """Return the hash of a file, of the kind of `pin`: sha256, or git's, a sha1 of a header and the content."""
    if pin is None or len(pin) == SHA256_DIGITS:
        return sha256_of(path)
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _place(pins: Mapping[str, str], folder: Path) -> None:
    """Move the files to their names; copy where another name has the same content."""
    uses = Counter(pins.values())
    for name, pin in pins.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        uses[pin] -= 1
        (shutil.copyfile if uses[pin] else shutil.move)(DOWNLOADS / pin, target)


def _convert(name: str, part: Path, folder: Path) -> None:
    """Replace a file of weights in `part` by its converted form; `folder` is its later place, for messages.

    Raises:
        SourceError: There is no such file, or it cannot be converted.
    """
    file = part / name
    if not file.is_file():
        raise SourceError(f"{folder}: convert: no file '{name}' in the source")
    (convert_gguf if file.suffix == ".gguf" else convert_pickled)(file, part)
    file.unlink()
