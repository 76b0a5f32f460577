"""Notes what a stage touches. Python loads it by itself when `scholar.watch` puts this folder first on PYTHONPATH.

It works in the process of a stage (`python -m stages.*`) and in a fork of scholar.warm, which says by an audit event
which stage it is. Nothing of the repository is imported, and no stage knows of it. Each thing touched is noted once, as
a line of JSON in the file that SCHOLAR_WATCH names, with the innermost line of the repository's code that did it.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

ROOT = os.path.join(os.getcwd(), "")
ENVIRONMENT = tuple(
    os.path.join(form(prefix), "") for prefix in (sys.prefix, sys.base_prefix) for form in (str, os.path.realpath)
)
LIBRARY = os.path.dirname(os.__file__)
SEARCH = ("<frozen importlib", f"{LIBRARY}/importlib/", f"{LIBRARY}/pkgutil.py")  # list folders to find modules
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def watch(records: str) -> None:
    """Note everything from here on, once it is known which stage this is."""
    file = os.open(records, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    seen: set[tuple[str, str]] = set()
    command = ""

    def note(action: str, what: str) -> None:
        if (action, what) not in seen:
            seen.add((action, what))
            record = {"command": command, "action": action, "what": what, "place": find_place(), "ns": time.time_ns()}
            os.write(file, f"{json.dumps(record)}\n".encode())  # one call, so that lines of processes never mix

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal command
        if event == "scholar.stage":
            command = arguments[0]
            note("began", command)
            if os.environ.get("SCHOLAR_LISTING") == "reversed":
                reverse_listings()
        elif command:
            for action, what in touched(event, arguments):
                note(action, what)

    sys.addaudithook(hook)


def touched(event: str, arguments: tuple[Any, ...]) -> Iterator[tuple[str, str]]:
    """(action, path, address or command) of an audit event; nothing of the environment, nothing that is not there."""
    match event, arguments:
        case "open", (path, _, flags) if not isinstance(path, int):
            yield from outside_environment("wrote" if flags & WRITING else "read", absolute(path))
        case "import", (_, str(path), *_):  # a compiled module; others are opened
            yield from outside_environment("read", path)
        case (("os.listdir" | "os.scandir"), (path,)) if not isinstance(path, int) and not searches_modules():
            yield from outside_environment("listed", absolute(path or "."))
        case "os.mkdir", (path, _, -1) if not os.path.isdir(path):
            yield from outside_environment("made", absolute(path))
        case (("os.remove" | "os.rmdir" | "shutil.rmtree"), (path, -1 | None)):  # others are inside of a rmtree
            yield from outside_environment("removed", absolute(path))
        case (("os.rename" | "os.link"), (source, target, *_)):
            yield from outside_environment("removed" if event == "os.rename" else "read", absolute(source))
            yield from outside_environment("wrote", absolute(target))
        case ("os.symlink", (_, path, *_)) | (("os.truncate" | "sqlite3.connect"), (path, *_)) if not isinstance(
            path, int
        ):
            yield from outside_environment("wrote", absolute(path))
        case (("subprocess.Popen" | "os.posix_spawn" | "os.exec" | "os.system"), (program, *_)):
            yield "started", os.fsdecode(program)
        case (("socket.connect" | "socket.sendto"), (_, address)):
            yield "connected to", str(address)
        case "socket.getaddrinfo", (host, *_):
            yield "looked up", str(host)


def outside_environment(action: str, path: str) -> Iterator[tuple[str, str]]:
    """The pair, unless the path is one of the environment's own or no file that can be read."""
    if not path.startswith(ENVIRONMENT) and (action != "read" or os.path.isfile(path)):
        yield action, path


def absolute(path: Any) -> str:
    """A path as given to a function of os -> an absolute one without dots."""
    return os.path.abspath(os.fsdecode(path))


def callers() -> Iterator[FrameType]:
    """The frames outside of this file, the innermost first."""
    frame: FrameType | None = sys._getframe()
    while frame:
        if frame.f_code.co_filename != __file__:
            yield frame
        frame = frame.f_back


def searches_modules() -> bool:
    """Whether a folder is listed to find modules or packages, not by a stage."""
    return next(callers()).f_code.co_filename.startswith(SEARCH)


def find_place() -> str:
    """The innermost line of the repository's code; "" in a thread of a library."""
    for frame in callers():
        name = frame.f_code.co_filename
        if name.startswith(ROOT) and not name.startswith(ENVIRONMENT):
            return f"{name.removeprefix(ROOT)}:{frame.f_lineno}"
    return ""


def reverse_listings() -> None:
    """os.listdir and os.scandir, and with them pathlib, glob, os.walk and shutil, give the last entry first."""
    listdir, scandir = os.listdir, os.scandir

    class Scan:
        """What os.scandir gives: an iterator that can be closed."""

        def __init__(self, path: Any = ".") -> None:
            with scandir(path) as entries:
                self.entries = iter(list(entries)[::-1])

        def __iter__(self) -> "Scan":
            return self

        def __next__(self) -> os.DirEntry[Any]:
            return next(self.entries)

        def __enter__(self) -> "Scan":
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def close(self) -> None:
            self.entries = iter([])

    def reversed_listdir(path: Any = None) -> list[Any]:
        return listdir(path)[::-1]

    os.listdir, os.scandir = reversed_listdir, Scan  # type: ignore[assignment]
    os.supports_fd |= {reversed_listdir, Scan}


if "SCHOLAR_WATCH" in os.environ and sys.orig_argv[1:2] == ["-m"]:
    started = sys.orig_argv[2]
    if started == "scholar.warm" or started.startswith("stages."):
        watch(os.environ["SCHOLAR_WATCH"])
    if started.startswith("stages."):
        sys.audit("scholar.stage", " ".join(sys.orig_argv[2:]))
