"""What a user can get wrong, told in one message and exit code 1, never as a traceback."""

import errno
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
    """A full disk while weights are written raises OSError, as it does elsewhere.

    torch and safetensors wrap it in errors of their own.
    """
    from safetensors import SafetensorError  # only where weights are written

    try:
        yield
    except (SafetensorError, RuntimeError) as error:
        if not any(
            sign in str(error) for sign in (os.strerror(errno.ENOSPC), "PytorchStreamWriter", "file write failed")
        ):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from None


def run(main: Callable[[], None]) -> None:
    """Run a command; a ScholarError or a failure of the file system becomes one line on stderr and exit code 1."""
    from scholar.runtime import log_run  # which needs the errors above

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
        sys.exit("interrupted: the newest checkpoint stays, `dvc repro` goes on from it")
