"""Audit hook that records what a stage accesses. papertrail.reproduce.watch puts this folder first on PYTHONPATH.

Python then imports this module at start-up. It is active in the process of a stage (`python -m stages.*`) and in
papertrail.experiments.warm, and imports nothing of the repository. Each access is recorded once, as a line of JSON in
the file PAPERTRAIL_WATCH, with the innermost line of the repository's code. PAPERTRAIL_LISTING=reversed reverses the
order of folder listings, so that an output that depends on it changes.
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
    """Record every access from the audit event `papertrail.stage` on, which names the stage."""
    file = os.open(records, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    seen: set[tuple[str, str]] = set()
    command = ""

    def record(action: str, target: str) -> None:
        if (action, target) not in seen:
            seen.add((action, target))
            line = {"command": command, "action": action, "target": target, "place": find_place(), "ns": time.time_ns()}
            os.write(file, f"{json.dumps(line)}\n".encode())  # one call, so lines of several processes never mix

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal command
        if event == "papertrail.stage":
            command = arguments[0]
            record("began", command)
            if os.environ.get("PAPERTRAIL_LISTING") == "reversed":
                reverse_listings()
        elif command:
            for action, target in accesses(event, arguments):
                record(action, target)

    sys.addaudithook(hook)


def accesses(event: str, arguments: tuple[Any, ...]) -> Iterator[tuple[str, str]]:
    """Yield (action, target) of an audit event; nothing for files of the environment and files that do not exist."""
    match event, arguments:
        case "open", (path, _, flags) if not isinstance(path, int):
            yield from outside_environment("wrote" if flags & WRITING else "read", absolute(path))
        case "import", (_, str(path), *_):  # a compiled module; the loader opens the others
            yield from outside_environment("read", path)
        case (("os.listdir" | "os.scandir"), (path,)) if not isinstance(path, int) and not searches_modules():
            yield from outside_environment("listed", absolute(path or "."))
        case "os.mkdir", (path, _, -1) if not os.path.isdir(path):
            yield from outside_environment("made", absolute(path))
        case (("os.remove" | "os.rmdir" | "shutil.rmtree"), (path, -1 | None)):  # with a folder descriptor: in rmtree
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
    """Yield the pair, unless the path is in the environment or is read and no file."""
    if not path.startswith(ENVIRONMENT) and (action != "read" or os.path.isfile(path)):
        yield action, path


def absolute(path: Any) -> str:
    """Return the absolute path, without dots, of an argument of a function of os."""
    return os.path.abspath(os.fsdecode(path))


def callers() -> Iterator[FrameType]:
    """Yield the frames outside of this file, the innermost first."""
    frame: FrameType | None = sys._getframe()
    while frame:
        if frame.f_code.co_filename != __file__:
            yield frame
        frame = frame.f_back


def searches_modules() -> bool:
    """Return whether the import system lists a folder, not the stage."""
    return next(callers()).f_code.co_filename.startswith(SEARCH)


def find_place() -> str:
    """Return `file:line` of the innermost code of the repository; "" in a thread of a library."""
    for frame in callers():
        name = frame.f_code.co_filename
        if name.startswith(ROOT) and not name.startswith(ENVIRONMENT):
            return f"{name.removeprefix(ROOT)}:{frame.f_lineno}"
    return ""


def reverse_listings() -> None:
    """Reverse os.listdir and os.scandir, and with them pathlib, glob, os.walk and shutil."""
    listdir, scandir = os.listdir, os.scandir

    class Scan:
        """An iterator over directory entries that can be closed, as os.scandir returns."""

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


if "PAPERTRAIL_WATCH" in os.environ:
    option, code = (*sys.orig_argv[1:3], "", "")[:2]
    if option == "-m" and code.startswith("stages."):
        watch(os.environ["PAPERTRAIL_WATCH"])
        sys.audit("papertrail.stage", " ".join(sys.orig_argv[2:]))
    elif option == "-c" and "papertrail.experiments.warm" in code:  # each fork raises the event for its stage
        watch(os.environ["PAPERTRAIL_WATCH"])
