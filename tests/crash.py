"""Kills stages at many points, repeats them, compares with stages left alone: `make crash` writes docs/kill_points.md.

Every stage of a tiny experiment runs in forks of this process, which has loaded the libraries. Left alone, it tells its
points: each time that Python changes something on the disk, each pass through a module, each training step. In a copy
of the folder it is ended at one of them, or where a file grows beyond a size, which reaches into the libraries that
write without Python. It is then repeated, and afterwards the whole folder must be the same.
"""

import hashlib
import importlib
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import stages  # sets the machine up before torch is loaded

# isort: split
import torch
from tabulate import tabulate

import stages.evaluate
import stages.evaluate_retriever
import stages.evaluate_summarizer
import stages.finetune
import stages.finetune_retriever
import stages.finetune_summarizer
import stages.index
import stages.prepare
import stages.pretrain  # noqa: F401  all stages are loaded once, before the forks
from scholar.errors import ScholarError, run
from scholar.records import write_text
from scholar.trainer import EpochEnd
from tests.fixtures.aclsum import write_aclsum
from tests.fixtures.kill_points import POINTS, TRAINED, Where, write_everything
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.test_pipeline import kill_repro, make_repository, outputs, repro

HEAD = """# Interrupting and resuming

Written by `make crash`: in a tiny experiment, each stage that prepares, trains, evaluates or indexes was ended at the
point given, then repeated, and every file in its folder compared with that of a stage left alone. *Steps done* are
training steps before the end, *repeated* those done twice: at most those since the last checkpoint, unless the model
was in place already. One point of each stage is drawn by chance. SIGTERM, SIGINT and a full disk must also be told in
one line, without a traceback. The last lines are a real `dvc repro` whose processes were all killed: there the hashes
that DVC records are compared.
"""
CHECKPOINT = "checkpoints/intent-base/*/checkpoint-*/trainer_state.json"
SEED = 1
KINDS = ("write", "forward", "step")
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
FULL = "full disk"
TOLD = {"SIGTERM": "interrupted; ", "SIGINT": "interrupted; ", FULL: "error: "}  # how the one line begins


class CrashError(ScholarError):
    """A stage did not come through as it should."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where a process ends: before its `number`-th write, pass or step, or when a file would exceed `number` bytes.

    ending: SIGKILL, or one of TOLD, which a process must tell in one line.
    """

    kind: str
    number: int
    ending: str = "SIGKILL"


@dataclass(frozen=True, slots=True)
class Told:
    """How a process ended, what it changed on the disk, its training steps and module passes, and its messages."""

    status: int
    writes: list[str]
    steps: int
    forwards: int
    said: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: steps done, done twice, and at most allowed to be; the files that are not the same."""

    command: str
    ending: str
    at: str
    done: int | None
    repeated: int | None
    allowed: int
    differing: list[str]


# --- in the fork ---


def live(folder: Path, command: str, point: Point | None, pipe: int) -> None:
    """Run a stage in `folder`, tell what it does, and die at the point if one is given."""
    os.dup2(pipe, 1)
    os.dup2(pipe, 2)
    os.close(pipe)
    os.chdir(folder)
    counts = dict.fromkeys(KINDS, 0)

    def reach(kind: str) -> None:
        if point is not None and (kind, counts[kind]) == (point.kind, point.number):
            os.kill(os.getpid(), signal.Signals[point.ending])

    def pass_by(kind: str, what: str = "") -> None:
        reach(kind)
        counts[kind] += 1
        os.write(2, f"#{kind} {what}\n".encode())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        place = changed(event, arguments)
        if place is not None:
            pass_by("write", f"{event} {place}")

    sys.addaudithook(hook)
    torch.nn.modules.module.register_module_forward_pre_hook(lambda *_: pass_by("forward"))
    EpochEnd.on_step_begin = lambda *_, **__: reach("step")  # type: ignore[method-assign]
    EpochEnd.on_step_end = lambda *_, **__: pass_by("step")  # type: ignore[method-assign]
    if point is not None and point.kind == "bytes":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (point.number, point.number))
        if point.ending == "SIGKILL":
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # the kernel ends the process; Python would see a full disk
    module, *arguments = command.split()
    sys.argv = [module, *arguments]
    run(importlib.import_module(f"stages.{module}").main)


def changed(event: str, arguments: tuple[Any, ...]) -> str | None:
    """The path in the working folder that an audit event of Python is about to change, if it is one."""
    path = arguments[1 if event == "os.rename" else 0] if event == "open" or event in CHANGES else None
    if not isinstance(path, str | os.PathLike) or (event == "open" and not arguments[2] & WRITING):
        return None
    place = os.path.relpath(path)  # inside of rmtree names are relative to the folder that it is in
    return None if place.startswith("..") else place


# --- around it ---


def watch(folder: Path, command: str, point: Point | None = None) -> Told:
    """Run a stage in a fork that works in `folder`; what it told until it ended or was killed."""
    reading, writing = os.pipe()
    child = multiprocessing.get_context("fork").Process(target=live, args=(folder, command, point, writing))
    child.start()
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        lines = pipe.read().splitlines()
    child.join()
    told = {kind: [line.removeprefix(f"#{kind} ") for line in lines if line.startswith(f"#{kind} ")] for kind in KINDS}
    said = "\n".join(line for line in lines if not line.startswith("#"))
    return Told(child.exitcode or 0, told["write"], len(told["step"]), len(told["forward"]), said)


def locate(where: Where, alone: Told, folder: Path) -> tuple[Point, str]:
    """A point of a stage that was left alone in `folder`, and how the table names it."""
    kind, what, number = where
    if kind == "step":
        return Point(kind, int(number), what), f"before step {int(number) + 1} of {alone.steps}"
    if kind == "forward":
        passes = int(alone.forwards * number)
        return Point(kind, passes), f"before pass {passes} of {alone.forwards} through a module"
    if kind in ("bytes", "full"):
        size = int((folder / what).stat().st_size * number)
        ending, at = ("SIGKILL", "") if kind == "bytes" else (FULL, f"no file above {size} bytes")
        return Point("bytes", size, ending), at
    if not what:
        return Point(kind, int(number)), alone.writes[int(number)]
    first = next(i for i, write in enumerate(alone.writes) if re.match(what, write))
    later = f", {int(number)} writes later" if number else ""
    return Point(kind, first + int(number)), f"{alone.writes[first]}{later}"


def end_and_repeat(before: Path, alone: Path, command: str, where: Where, told: Told) -> Line:
    """End a stage at a point in a copy of the folder `before`, repeat it, compare with the folder `alone`.

    Raises:
        CrashError: it did not end as it should have, or failed when it was repeated.
    """
    point, at = locate(where, told, alone)
    folder = Path(shutil.copytree(before, before.with_name("ended")))
    first = watch(folder, command, point)
    newest = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime_ns)
    at = at or f"in the middle of {newest.relative_to(folder)}"
    at = re.sub(r"(?<=/)[0-9a-f]{16}(?=/)|(?<=\.tmp)\w+", "*", at)  # fingerprints, and names drawn by safetensors
    if point.ending == "SIGKILL":
        well = first.status in (-signal.SIGKILL, -signal.SIGXFSZ)
    else:
        last = first.said.rpartition("\n")[2]
        well = first.status == 1 and last.startswith(TOLD[point.ending]) and "Traceback" not in first.said
    if not well:
        raise CrashError(f"{command}: {point.ending} {at}: ended with {first.status}\n{first.said}")
    allowed = may_repeat(folder, command, first.steps, told.steps)
    second = watch(folder, command)
    if second.status:
        raise CrashError(f"{command}: {point.ending} {at}: could not be repeated\n{second.said}")
    one, other = tree(alone), tree(folder)
    differing = [path for path in sorted({*one, *other}) if one.get(path) != other.get(path)]
    shutil.rmtree(folder)
    repeated = first.steps + second.steps - told.steps
    return Line(command, point.ending, at, first.steps, repeated, allowed, differing)


def may_repeat(folder: Path, command: str, done: int, steps: int) -> int:
    """How many of the steps done may be done again: those since the end of an epoch; all once there is a model.

    At the end of an epoch its checkpoint may not be whole yet.
    """
    if command not in TRAINED:
        return 0
    model, epochs = TRAINED[command]
    return done if (folder / model).exists() else done % (steps // epochs) or min(done, steps // epochs)


def tree(folder: Path) -> dict[str, str]:
    """Everything in a folder: path -> hash of the content, empty for folders."""
    paths = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
    return {n: hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "" for n, p in paths.items()}


def run_all(points: dict[str, list[Where]], root: Path) -> Iterator[Line]:
    """Run the stages that are named, in their order; end and repeat each at its points."""
    alone, before = root / "alone", root / "before"
    child = multiprocessing.get_context("fork").Process(target=write_everything, args=(alone,))
    child.start()  # in a fork, since threads of torch would not survive the next ones
    child.join()
    for command, given in points.items():
        shutil.copytree(alone, before)
        told = watch(alone, command)
        if told.status:
            raise CrashError(f"{command}: failed when left alone\n{told.said}")
        drawn = random.Random(f"{SEED} {command}").randrange(len(told.writes))
        for where in [*given, ("write", "", drawn)]:
            yield end_and_repeat(before, alone, command, where, told)
        shutil.rmtree(before)


def end_pipelines(root: Path) -> Iterator[Line]:
    """Kill a real `dvc repro` with all its processes when a path appears, and repeat it."""
    write_aclsum(root / "sources/aclsum")
    write_tiny_bert(root / "sources/minilm")
    alone = make_repository(root / "alone", root / "sources")
    repro(alone, "evaluate@intent-base")
    for appears in ("data/prepared/*/aclsum_intent.part", CHECKPOINT, "models/intent-base", "predictions/intent-base"):
        folder = make_repository(root / "killed", root / "sources")
        kill_repro(folder, appears, "evaluate@intent-base")
        repro(folder, "evaluate@intent-base")
        one, other = outputs(alone), outputs(folder)
        left = [str(path) for path in [*folder.rglob("*.part"), *folder.glob("checkpoints/*")]]
        differing = [stage for stage in one if one[stage] != other.get(stage)]
        yield Line("dvc repro", "SIGKILL", f"when {appears} appears", None, None, 0, [*differing, *left])
        shutil.rmtree(folder)


def describe(lines: list[Line]) -> str:
    """The lines as a table in Markdown."""
    rows = [
        {
            "stage": line.command,
            "ended by": line.ending,
            "at": line.at,
            "steps done": line.done,
            "repeated": line.repeated,
            "all files equal": "no: " + ", ".join(line.differing) if line.differing else "yes",
        }
        for line in lines
    ]
    return tabulate(rows, headers="keys", tablefmt="pipe", missingval="not counted")


def main() -> None:
    """Write the table; exit code 1 if a file differs, or more steps were repeated than had to be."""
    few = {command: POINTS[command][:3] for command in sys.argv[1:]}
    with TemporaryDirectory() as root, TemporaryDirectory() as other_root:
        lines = list(run_all(few or POINTS, Path(root)))
        if not few:
            lines += end_pipelines(Path(other_root))
            write_text(f"{HEAD}\n{describe(lines)}\n", Path("docs/kill_points.md"))
    sys.stdout.write(f"{describe(lines)}\n")
    wrong = [line for line in lines if line.differing or (line.repeated or 0) > line.allowed]
    if wrong:
        raise CrashError(f"{len(wrong)} of {len(lines)} ended otherwise than a stage left alone:\n{describe(wrong)}")


if __name__ == "__main__":
    run(main)
