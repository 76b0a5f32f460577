"""Sampling 20,000 papers from an arXiv snapshot, by this project and by pandas: `python -m benchmarks.snapshot`.

The snapshot repeats the 249 real records in ../shared/data/arxiv with new ids and categories; it is deleted afterwards.
The pandas code is the published one: read_json by 10,000 lines, concatenate, take the first category, the 20 most
frequent, 1,000 of each. Each runs in a new process, so that its peak memory is measured alone. Wall and CPU seconds are
measured: a busy machine changes wall time, and CPU time does not show what two threads save. Results are written to
benchmarks/snapshot.json.
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from papertrail.core.artifacts import write_json
from papertrail.core.errors import PapertrailError
from papertrail.core.process import run_cli
from papertrail.core.records import Counts
from papertrail.data.formats.arxiv import open_snapshot

REAL = Path("../shared/data/arxiv")
FOLDER = Path("build/benchmark-snapshot")
CATEGORIES, EACH, SEED, THREADS = 20, 1000, 42, 2
log = logging.getLogger(__name__)


def ids(count: int) -> Iterator[str]:
    """Yield valid arXiv ids from April 2007 on: up to 9,000 a month, from 2015 on up to 20,000."""
    month = 2007 * 12 + 3  # months since the year 0
    while True:
        year, number = divmod(month, 12)
        width, size = (4, 9_000) if year < 2015 else (5, 20_000)
        for paper in range(1, min(size, count) + 1):
            yield f"{year % 100:02}{number + 1:02}.{paper:0{width}}"
        count -= size
        month += 1
        if count <= 0:
            return


def generate(count: int, file: Path) -> None:
    """Write `count` records; a few categories are frequent and many are rare, as in the real snapshot."""
    lines = [line for path in sorted(REAL.glob("snapshot_*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    if not lines:
        raise PapertrailError(f"{REAL}: no snapshot_*.jsonl; expected the records to repeat there")
    records = [json.loads(line) for line in lines]
    names = sorted({name for record in records for name in record["categories"].split()})
    weights = 1 / np.arange(1, len(names) + 1)
    drawn = np.random.default_rng(SEED).choice(len(names), size=count, p=weights / weights.sum())
    rests = [json.dumps({k: v for k, v in r.items() if k not in ("id", "categories")})[1:] for r in records]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as written:
        for number, id_ in enumerate(ids(count)):
            rest = rests[number % len(rests)]
            written.write(f'{{"id": "{id_}", "categories": "{names[drawn[number]]} cs.XX", {rest}\n')


def ours() -> int:
    """Sample with papertrail.data.formats.arxiv; return the number of records."""
    with open_snapshot(FOLDER, 1, 10, Counts()) as snapshot:
        drawn = snapshot.sample_each(snapshot.most_frequent(CATEGORIES), EACH, SEED, "benchmark")
        return len(snapshot.read({id_ for ids in drawn.values() for id_ in ids}))


def pandas() -> int:
    """Sample with pandas, as published; return the number of records."""
    import pandas as pd

    chunks = pd.read_json(FOLDER / "arxiv.json", lines=True, chunksize=10_000, dtype={"id": str})
    papers = pd.concat(list(chunks), ignore_index=True)
    papers["category"] = papers["categories"].str.split().str[0]
    frequent = papers["category"].value_counts().index[:CATEGORIES]
    return sum(len(papers[papers["category"] == name].sample(EACH, random_state=SEED)) for name in frequent)


def measure(name: str) -> dict[str, float]:
    """Return seconds and peak memory of one of the two, without shared imports."""
    started, begun = time.perf_counter(), time.process_time()
    chosen = {"ours": ours, "pandas": pandas}[name]()
    return {
        "chosen": chosen,
        "cpu_seconds": time.process_time() - begun,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": time.perf_counter() - started,
    }


def main() -> None:
    """Write the snapshot, measure both, delete it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2_900_000, help="number of records")
    parser.add_argument("--measure", choices=("ours", "pandas"), help="measure this one only and print JSON")
    arguments = parser.parse_args()
    if arguments.measure:
        sys.stdout.write(json.dumps(measure(arguments.measure)))
        return
    file = FOLDER / "arxiv.json"
    generate(arguments.count, file)
    results = {}
    try:
        for name in ("ours", "pandas"):
            command = [sys.executable, "-m", "benchmarks.snapshot", "--measure", name]
            environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS)}
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
            if done.returncode:
                raise PapertrailError(f"{name}: the measurement failed; see its messages above")
            results[name] = json.loads(done.stdout)
            log.info("%s: %s", name, results[name])
        size = file.stat().st_size / 2**20
    finally:
        file.unlink()
        FOLDER.rmdir()
    of_ours = {f"{key}_of_ours": results["pandas"][key] / results["ours"][key] for key in results["ours"]}
    results["pandas"] |= of_ours
    write_json(
        {"records": arguments.count, "file_mib": size, "threads": THREADS, **results}, Path("benchmarks/snapshot.json")
    )


if __name__ == "__main__":
    run_cli(main)
