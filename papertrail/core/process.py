"""The process of a command: exit codes, signals and the log of stage runs."""

import ctypes
import json
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

from papertrail.core.errors import PapertrailError
from papertrail.core.runtime import CAPS, cpu_info

STARTED = time.monotonic()  # seconds; a stage imports this module first
RUNS = Path("build/runs.jsonl")
PACKAGES = ("torch", "transformers", "numpy", "scikit-learn", "faiss-cpu", "dvc")  # versions in RUNS
INTERRUPTED = "interrupted; rerun the command, training resumes from the newest checkpoint"
NOISY = ("absl", "faiss.loader", "sentence_transformers")  # libraries that log progress
PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def run_cli(main: Callable[[], None]) -> None:
    """Run a command; report an error as one line on stderr and exit code 1.

    Covers PapertrailError, failures of the file system, Ctrl-C and SIGTERM, also while later imports run.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    sys.excepthook = _report_interrupt
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        main()
        log_run()
    except PapertrailError as error:
        sys.exit(f"error: {error}")
    except OSError as error:  # a full disk, a missing folder, no permission
        place = f"{error.filename}: " if error.filename else ""
        advice = "no output was written; free disk space or fix the path, then rerun"
        sys.exit(f"error: {place}{error.strerror or error}; {advice}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _report_interrupt(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write(f"{INTERRUPTED}\n")
    else:
        sys.__excepthook__(kind, error, trace)


def stop_with_dvc() -> None:
    """Ask Linux to send SIGTERM to this stage when the DVC process that started it ends.

    Otherwise a killed DVC leaves its stage running, and the next `dvc repro` starts a second one.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None and "DVC_STAGE" in os.environ:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def log_run() -> None:
    """Append duration, memory and machine of a stage to RUNS; outputs must not hold such facts."""
    stage = Path(sys.argv[0])
    if stage.parent.name != "stages":
        return
    facts = {
        "stage": " ".join([stage.stem, *sys.argv[1:]]),
        "cpu": cpu_info().get("model name"),
        "caps": {name: os.environ.get(name) for name in CAPS},
        "threads": os.environ["OMP_NUM_THREADS"],
        "seconds": round(time.monotonic() - STARTED, 1),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "packages": {name: version(name) for name in PACKAGES},
    }
    try:
        RUNS.parent.mkdir(exist_ok=True)
        with RUNS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")
    except OSError as error:
        logging.warning("%s: %s; the stage finished, but is missing from this log", RUNS, error.strerror)
