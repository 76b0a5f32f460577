"""What a user can get wrong, told in one message and exit code 1, never as a traceback."""

import errno
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

INTERRUPTED = "interrupted; repeat the command, a training goes on from its newest checkpoint"
TALKATIVE = ("absl", "faiss.loader", "sentence_transformers")  # libraries whose progress reports are no news


class ScholarError(Exception):
    """Base of every error that is the input's, the parameters' or the machine's fault.

    The message says what, where (file:line or dotted parameter), what was got, what was expected and what to do.
    """


class ParamsError(ScholarError):
    """params.yaml or a profile holds a wrong, missing, unknown or misspelt value."""


class SourceError(ScholarError):
    """A raw file could not be had, or is not the file that was pinned."""


class DataError(ScholarError):
    """A record breaks the format it claims, or a split cannot be used."""


class MachineError(ScholarError):
    """This machine or process cannot keep what the runtime parameters promise."""


@contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """A full disk, or any other failure of the file system while weights are written, raises OSError as elsewhere.

    torch and safetensors wrap it in errors of their own. safetensors tells the number of the error; torch, whose writer
    does not, most often lacks room.
    """
    from safetensors import SafetensorError  # only where weights are written

    try:
        yield
    except (SafetensorError, RuntimeError) as error:
        told = re.search(r"os error (\d+)", str(error))
        if told is None and not any(
            sign in str(error) for sign in ("inline_container", "PytorchStreamWriter", "file write failed")
        ):
            raise
        number = int(told[1]) if told else errno.ENOSPC
        raise OSError(number, os.strerror(number), str(folder)) from None


def run(main: Callable[[], None]) -> None:
    """Run a command; what stops it becomes one line on stderr and exit code 1.

    That is a ScholarError, a failure of the file system, Ctrl-C or SIGTERM, these two also while libraries are loaded
    after it.
    """
    from scholar.runtime import log_run  # which needs the errors above

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    sys.excepthook = _tell_interrupt
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        main()
        log_run()
    except ScholarError as error:
        sys.exit(f"error: {error}")
    except OSError as error:  # a full disk, a missing folder, no permission: the message names the file and the cause
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(f"error: {place}{error.strerror or error}; nothing was finished, make room or fix the path and repeat")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _tell_interrupt(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write(f"{INTERRUPTED}\n")
    else:
        sys.__excepthook__(kind, error, trace)
