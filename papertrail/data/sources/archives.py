"""Archives, unpacked so that no member is written outside the target folder."""

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from papertrail.core.errors import SourceError
from papertrail.data.sources.providers import write_stream

Member = tuple[str, bool, Callable[[], IO[bytes] | None]]  # name, whether it is a plain file, function that opens it


def unpack(archive: Path, name: str, root: PurePosixPath, folder: Path) -> None:
    """Write the members below one folder of a zip file or .tar.gz; only plain files, as a link may lead outside.

    Args:
        archive: The file.
        name: Its name, for messages.
        root: Folder in the archive.
        folder: Target.

    Raises:
        SourceError: A member leads outside or exists already, one below `root` is a link or device, none is below
            `root`, or the archive is damaged.
    """
    found = False
    try:
        with zipfile.ZipFile(archive) if zipfile.is_zipfile(archive) else tarfile.open(archive, "r:gz") as package:
            for member, plain, open_member in tqdm(_members(package), desc=name, unit=" files", disable=None):
                path = PurePosixPath(member)
                if path.is_absolute() or ".." in path.parts:
                    raise SourceError(f"{name}: member '{member}' leads outside the archive; do not use this file")
                if root not in path.parents:
                    continue
                stream = open_member() if plain else None
                if stream is None:
                    raise SourceError(f"{name}: member '{member}' is a link or device, only plain files are unpacked")
                found = True
                target = folder / path.relative_to(root)
                if target.exists():
                    raise SourceError(f"{name}: duplicate member '{member}'; archives of a source must not overlap")
                with stream:
                    write_stream(stream, target)
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError) as error:
        raise SourceError(f"{name}: not a zip file or .tar.gz that can be unpacked: {error}") from None
    if not found:
        raise SourceError(f"{name}: has no folder '{root}'; correct `unpack` in params.yaml")


def _members(package: zipfile.ZipFile | tarfile.TarFile) -> Iterator[Member]:
    """Yield every member except folders."""
    if isinstance(package, zipfile.ZipFile):
        for info in package.infolist():
            if not info.is_dir():
                kind = stat.S_IFMT(info.external_attr >> 16)  # 0 from systems without file modes
                yield info.filename, kind in (0, stat.S_IFREG), partial(package.open, info)
    else:
        for entry in package:
            if not entry.isdir():
                yield entry.name, entry.isreg(), partial(package.extractfile, entry)
