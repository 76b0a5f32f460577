"""`python -m benchmarks.watch FOLDER`: what it costs that scholar.verify watches a stage.

FOLDER is where the smoke profile was built, such as build/smoke. Each stage runs there with and without the hook in
turns, which makes the same bytes again. Times are of the processor, start of the process included, so that a busy
machine changes them little; they land in benchmarks/watch.json as the time of each pair and the median ratio.
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

from scholar.errors import ScholarError, run
from scholar.records import write_json
from scholar.watch import hook_variables, read_records

STAGES = ("stages.prepare aclsum_intent", "stages.finetune intent-base")
log = logging.getLogger(__name__)


def measure(folder: Path, stage: str, environment: dict[str, str]) -> float:
    """Seconds of the processor that a stage takes.

    Raises:
        ScholarError: the stage failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", *stage.split()]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise ScholarError(f"{folder}: {stage} failed; its messages stand above, `make smoke` builds such a folder")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure each stage in pairs; which of a pair comes first changes from pair to pair."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the smoke profile was built")
    parser.add_argument("--pairs", type=int, default=6, help="how often each stage runs both ways")
    arguments = parser.parse_args()
    results: dict[str, dict[str, object]] = {}
    for stage in STAGES:
        times: dict[str, list[float]] = {"plain": [], "watched": []}
        with tempfile.TemporaryDirectory() as scratch:
            records = Path(scratch, "watched.jsonl")
            ways = {"plain": {}, "watched": hook_variables(records) | {"SCHOLAR_LISTING": "reversed"}}
            for number in range(arguments.pairs):
                for way in sorted(ways, reverse=bool(number % 2)):
                    times[way].append(measure(arguments.folder, stage, ways[way]))
            noted = len(read_records(records)) / arguments.pairs
        pairs = zip(times["watched"], times["plain"], strict=True)
        ratio = statistics.median(watched / plain for watched, plain in pairs)
        results[stage] = {"cpu_seconds": times, "watched_of_plain": ratio, "noted": noted}
        log.info("%s: %.3f times the time unwatched, %.0f things noted", stage, ratio, noted)
    write_json(results, Path("benchmarks/watch.json"))


if __name__ == "__main__":
    run(main)
