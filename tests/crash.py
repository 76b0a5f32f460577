"""Kill stages at many points, rerun them and compare the outputs: `make crash` writes docs/kill_points.md.

Every stage of a tiny experiment runs in forks of this process, which has loaded the libraries. An uninterrupted run
reports its points: each change of the disk by Python, each forward pass of a module, each training step. In a copy of
the folder the stage is ended at one of them, or when a file exceeds a size, which also happens in native code. It is
then rerun, and all files must equal those of the uninterrupted run.
"""

import hashlib
import importlib
import multiprocessing
import random
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import stages  # noqa: F401  sets the instruction caps before torch is imported

# isort: split
from tabulate import tabulate

from papertrail.core.artifacts import write_text
from papertrail.core.errors import PapertrailError
from papertrail.core.params import Classifier, Linker, Retriever, Summarizer
from papertrail.core.process import run_cli
from papertrail.evaluate.kinds import load_evaluator
from papertrail.train.kinds import load_trainer
from tests.fixtures.kill_points import POINTS, TRAINED, Where, write_everything
from tests.fixtures.killed_stages import FULL, REPORTED, Outcome, Point, run_in_fork
from tests.fixtures.repositories import kill_repro, make_repository, outputs, repro, write_sources

HEAD = """# Interrupting and resuming

Written by `make crash`. In a tiny experiment each stage that prepares, trains, evaluates or indexes was ended at a
point and rerun, and every file of its folder was compared with that of an uninterrupted run. *Steps done* are training
steps before the end. *Repeated* are steps done twice: at most those since the last checkpoint, or all if the model was
already written. One point of each stage is drawn at random. After SIGTERM, SIGINT and a full disk the stage must report
one line without a traceback. In the last lines all processes of a real `dvc repro` were killed, and the hashes in
dvc.lock were compared.
"""
CHECKPOINT = "checkpoints/intent-base/*/checkpoint-*/trainer_state.json"
SEED = 1


class CrashError(PapertrailError):
    """A stage ended differently from what was expected."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: steps done, steps repeated, the maximum allowed, and the files that differ."""

    command: str
    ending: str
    at: str
    done: int | None
    repeated: int | None
    allowed: int
    differing: list[str]


def load_modules() -> None:
    """Import all stages and model kinds once, before the forks."""
    for command in POINTS:
        importlib.import_module(f"stages.{command.split()[0]}")
    for kind in (Classifier, Linker, Retriever, Summarizer):
        load_trainer(kind.__name__.lower())
        load_evaluator(kind.__name__.lower())


def locate(where: Where, alone: Outcome, folder: Path) -> tuple[Point, str]:
    """Return a point of a stage that ran uninterrupted in `folder`, and its name in the table."""
    kind, what, number = where
    if kind == "step":
        return Point(kind, int(number), what), f"before step {int(number) + 1} of {alone.steps}"
    if kind == "forward":
        passes = int(alone.forwards * number)
        return Point(kind, passes), f"before forward pass {passes} of {alone.forwards}"
    if kind in ("bytes", "full"):
        size = int((folder / what).stat().st_size * number)
        ending, at = ("SIGKILL", "") if kind == "bytes" else (FULL, f"no file above {size} bytes")
        return Point("bytes", size, ending), at
    if not what:
        return Point(kind, int(number)), alone.writes[int(number)]
    first = next(i for i, write in enumerate(alone.writes) if re.match(what, write))
    later = f", {int(number)} writes later" if number else ""
    return Point(kind, first + int(number)), f"{alone.writes[first]}{later}"


def end_and_rerun(before: Path, alone: Path, command: str, where: Where, uninterrupted: Outcome) -> Line:
    """End a stage at a point in a copy of the folder `before`, rerun it, compare with the folder `alone`.

    Raises:
        CrashError: The stage ended differently from what was expected, or the rerun failed.
    """
    point, at = locate(where, uninterrupted, alone)
    folder = Path(shutil.copytree(before, before.with_name("ended")))
    first = run_in_fork(folder, command, point)
    newest = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime_ns)
    at = at or f"while writing {newest.relative_to(folder)}"
    at = re.sub(r"(?<=/)[0-9a-f]{16}(?=/)|(?<=\.tmp)\w+", "*", at)  # fingerprints and random names
    if point.ending == "SIGKILL":
        expected = first.status in (-signal.SIGKILL, -signal.SIGXFSZ)
    else:
        last = first.messages.rpartition("\n")[2]
        reported = last.startswith(REPORTED[point.ending]) and "Traceback" not in first.messages
        expected = first.status == 1 and reported
    if not expected:
        raise CrashError(f"{command}: {point.ending} {at}: exit status {first.status}\n{first.messages}")
    allowed = may_repeat(folder, command, first.steps, uninterrupted.steps)
    second = run_in_fork(folder, command)
    if second.status:
        raise CrashError(f"{command}: {point.ending} {at}: the rerun failed\n{second.messages}")
    one, other = tree(alone), tree(folder)
    differing = [path for path in sorted({*one, *other}) if one.get(path) != other.get(path)]
    shutil.rmtree(folder)
    repeated = first.steps + second.steps - uninterrupted.steps
    return Line(command, point.ending, at, first.steps, repeated, allowed, differing)


def may_repeat(folder: Path, command: str, done: int, steps: int) -> int:
    """Return how many steps may be repeated: those since the end of an epoch, or all once the model is written.

    At the end of an epoch its checkpoint may be incomplete.
    """
    if command not in TRAINED:
        return 0
    model, epochs = TRAINED[command]
    return done if (folder / model).exists() else done % (steps // epochs) or min(done, steps // epochs)


def tree(folder: Path) -> dict[str, str]:
    """Return path -> sha256 of everything in a folder, "" for folders."""
    paths = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
    return {n: hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "" for n, p in paths.items()}


def run_all(points: dict[str, list[Where]], root: Path) -> Iterator[Line]:
    """Run stages in order; end and rerun each at its points."""
    alone, before = root / "alone", root / "before"
    child = multiprocessing.get_context("fork").Process(target=write_everything, args=(alone,))
    child.start()  # in a fork, because later forks would lack the threads of torch
    child.join()
    for command, chosen in points.items():
        shutil.copytree(alone, before)
        outcome = run_in_fork(alone, command)
        if outcome.status:
            raise CrashError(f"{command}: failed without interruption\n{outcome.messages}")
        drawn = random.Random(f"{SEED} {command}").randrange(len(outcome.writes))
        for where in [*chosen, ("write", "", drawn)]:
            yield end_and_rerun(before, alone, command, where, outcome)
        shutil.rmtree(before)


def end_pipelines(root: Path) -> Iterator[Line]:
    """Kill all processes of a real `dvc repro` when a path appears, and rerun it."""
    write_sources(root / "sources")
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
    """Return the lines as a Markdown table."""
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
    """Write the table; fail if a file differs or too many steps were repeated."""
    few = {command: POINTS[command][:3] for command in sys.argv[1:]}
    load_modules()
    with TemporaryDirectory() as root, TemporaryDirectory() as other_root:
        lines = list(run_all(few or POINTS, Path(root)))
        if not few:
            lines += end_pipelines(Path(other_root))
            write_text(f"{HEAD}\n{describe(lines)}\n", Path("docs/kill_points.md"))
    sys.stdout.write(f"{describe(lines)}\n")
    wrong = [line for line in lines if line.differing or (line.repeated or 0) > line.allowed]
    if wrong:
        raise CrashError(f"{len(wrong)} of {len(lines)} differ from an uninterrupted run:\n{describe(wrong)}")


if __name__ == "__main__":
    run_cli(main)
