"""Errors that a user can cause or fix. Each is shown as one message without a traceback.

A message says what is wrong, where (file:line or dotted parameter), the value, what was expected and what to do.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class PapertrailError(Exception):
    """Base of all errors in the input, the parameters or the machine."""


class ParamsError(PapertrailError):
    """params.yaml or a profile has a wrong, missing, unknown or misspelt value."""


class SourceError(PapertrailError):
    """A raw file is unavailable, or differs from the pinned one."""


class DataError(PapertrailError):
    """A record violates its format, or a split cannot be used."""


class MachineError(PapertrailError):
    """This machine or process cannot satisfy the runtime parameters."""


@contextmanager
def report_full_disk(folder: Path) -> Iterator[None]:
    """Raise OSError when writing weights fails, as other file operations do.

    torch and safetensors raise errors of their own. safetensors gives the error number; for torch, which does not, a
    full disk is assumed, its most frequent cause.

    Raises:
        OSError: The file system refused a write.
    """
    from safetensors import SafetensorError  # only where weights are written

    try:
        yield
    except (SafetensorError, RuntimeError) as error:
        number = re.search(r"os error (\d+)", str(error))
        signs = ("inline_container", "PytorchStreamWriter", "file write failed")
        if number is None and not any(sign in str(error) for sign in signs):
            raise
        code = int(number[1]) if number else errno.ENOSPC
        raise OSError(code, os.strerror(code), str(folder)) from None
