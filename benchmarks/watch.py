"""Cost of the audit hook of `papertrail verify`: `python -m benchmarks.watch FOLDER` writes benchmarks/watch.json.

FOLDER is a build of the smoke profile, such as build/smoke. Each stage runs there alternately with and without the hook
and writes the same bytes again. Times are CPU times including the start of the process, because a busy machine changes
them little. The file has the times of each pair and the median ratio.
"""

import argparse
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from papertrail.core.artifacts import write_json
from papertrail.core.errors import PapertrailError
from papertrail.core.process import run_cli
from papertrail.reproduce.watch import hook_variables, read_records

STAGES = ("stages.prepare aclsum_intent", "stages.finetune intent-base")
log = logging.getLogger(__name__)


def measure(folder: Path, stage: str, environment: dict[str, str]) -> float:
    """Return the CPU seconds of a stage.

    Raises:
        PapertrailError: The stage failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", *stage.split()]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise PapertrailError(f"{folder}: {stage} failed; see its messages above; `make smoke` builds such a folder")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure each stage in pairs with alternating order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a build of the smoke profile")
    parser.add_argument("--pairs", type=int, default=6, help="runs of each stage with and without the hook")
    arguments = parser.parse_args()
    results: dict[str, dict[str, object]] = {}
    for stage in STAGES:
        times: dict[str, list[float]] = {"plain": [], "watched": []}
        with tempfile.TemporaryDirectory() as scratch:
            records = Path(scratch, "watched.jsonl")
            variables = {"plain": {}, "watched": hook_variables(records) | {"PAPERTRAIL_LISTING": "reversed"}}
            for number in range(arguments.pairs):
                for mode in sorted(variables, reverse=bool(number % 2)):
                    times[mode].append(measure(arguments.folder, stage, variables[mode]))
            recorded = len(read_records(records)) / arguments.pairs
        pairs = zip(times["watched"], times["plain"], strict=True)
        ratio = statistics.median(watched / plain for watched, plain in pairs)
        results[stage] = {"cpu_seconds": times, "watched_of_plain": ratio, "recorded": recorded}
        log.info("%s: %.3f times the CPU time without the hook, %.0f accesses recorded", stage, ratio, recorded)
    write_json(results, Path("benchmarks/watch.json"))


if __name__ == "__main__":
    run_cli(main)
