"""Which operations return the same bits on which CPU: `python -m benchmarks.cpus` writes docs/cpus.md.

Each column of the table is a process, on this CPU or on another one emulated by qemu-user, which reports another maker
and other instructions to the libraries. Each row has the hash of the result of an operation for the same input. The
estimates rcpps and rsqrtps differ between real CPUs, which an emulation cannot show.
"""

import argparse
import json
import logging
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tabulate import tabulate

from benchmarks.operations import digest, kernels, libraries, stage_operations
from papertrail.core.artifacts import write_text
from papertrail.core.errors import PapertrailError
from papertrail.core.params import Runtime, choose
from papertrail.core.process import run_cli
from papertrail.core.runtime import LEVELS, configure, start

QEMU = "qemu-x86_64"
Column = tuple[str | None, str]  # an emulated CPU, or None for this one, and a level
COLUMNS: list[Column] = [
    (None, "native"),
    *((cpu, level) for level in ("portable",) for cpu in (None, "EPYC", "Haswell")),
]
REPORT = Path("docs/cpus.md")
HEADING = f"""# Bit equality across CPUs

Eight digits of the hash of each result; each column is a process (`python -m benchmarks.cpus`). The reference, *this
machine*, is an AMD EPYC with AVX-512 (Zen 4); EPYC (Zen 1) and Haswell (Intel) are emulated by {QEMU}. Below the
table are the operations whose hash differs from the reference at the same level.
"""
log = logging.getLogger(__name__)


def hash_here(runtime: Runtime, names: list[str]) -> dict[str, str]:
    """Return operation -> hash in this process.

    Args:
        runtime: Level, threads and precision.
        names: Operations; all if empty.

    Raises:
        ParamsError: There is no such operation.
    """
    configure(runtime)
    start(runtime, seed=1)
    import torch

    with tempfile.TemporaryDirectory() as folder:
        known = stage_operations(runtime, Path(folder)) | kernels() | libraries(runtime)
        hashes = {}
        for name in [choose("operation", name, list(known)) for name in names] or known:
            torch.manual_seed(1)
            hashes[name] = digest(known[name]())
            log.info("%s: %s", name, hashes[name])  # a column takes minutes
    return hashes


def hash_on(cpu: str | None, level: str, names: list[str]) -> dict[str, str]:
    """Return operation -> hash in a new process, on this CPU or on an emulated one.

    Raises:
        PapertrailError: qemu-user is not installed, or the process failed.
    """
    if cpu and shutil.which(QEMU) is None:
        raise PapertrailError(f"{QEMU} is not installed; install Debian's package qemu-user")
    emulator = [QEMU, "-cpu", cpu] if cpu else []
    command = [*emulator, sys.executable, "-m", "benchmarks.cpus", "--here", level, *names]
    for _ in range(2):  # qemu-user itself crashes occasionally
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode != -signal.SIGSEGV:
            break
    if done.returncode:
        raise PapertrailError(f"{' '.join(command)} failed; see its messages above")
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]  # Trainers print before this line


def describe(columns: dict[Column, dict[str, str]]) -> str:
    """Return the table of hashes, and per level the operations that differ from this machine, as Markdown."""
    names = list(columns[None, "portable"])
    rows = [[name, *(hashes[name] for hashes in columns.values())] for name in names]
    headers = ["operation", *(f"{level}: {cpu or 'this machine'}" for cpu, level in columns)]
    lines = []
    for cpu, level in columns:
        if cpu:
            ours, theirs = columns[None, level], columns[cpu, level]
            lines.append(f"- {level}, {cpu}: {'; '.join(n for n in names if ours[n] != theirs[n]) or 'none'}")
    return "\n\n".join([tabulate(rows, headers, tablefmt="github", disable_numparse=True), "\n".join(lines)])


def main() -> None:
    """Hash operations in every column; write the report unless operations are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--here", metavar="LEVEL", choices=list(LEVELS), help="run in this process only and print JSON")
    parser.add_argument("names", nargs="*", metavar="OPERATION", help="default: all")
    arguments = parser.parse_args()
    if arguments.here:
        runtime = Runtime(level=arguments.here, threads=2, precision="fp32")
        sys.stdout.write(json.dumps(hash_here(runtime, arguments.names)))
        return
    with ThreadPoolExecutor(2) as pool:  # each takes minutes and most of a gigabyte
        hashes = pool.map(lambda column: hash_on(*column, arguments.names), COLUMNS)
        columns = dict(zip(COLUMNS, hashes, strict=True))
    table = describe(columns)
    log.info("%s", table)
    if not arguments.names:
        write_text(f"{HEADING}\n{table}\n", REPORT)


if __name__ == "__main__":
    run_cli(main)
