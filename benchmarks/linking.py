"""`python -m benchmarks.linking`: time and memory of preparing 55,556 pairs of files for citation linking.

The files are copies of the 2,074 real ones of the archive under new numbers, in build/; they are deleted at the end.
The reader and writer of stage prepare (all processors, a shard of rows at a time) are compared with a plain loop (one
process, all rows in memory). Each runs in its own process, so that its peak memory is its own; both import the same
libraries, and all files are in the page cache. The results are written to benchmarks/linking.json.
"""

import argparse
import json
import logging
import os
import random
import resource
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import stages  # noqa: F401  first, because it sets the instruction caps, which numpy reads when it is imported

# isort: split
import pyarrow as pa
import pyarrow.parquet as pq

from papertrail.core.artifacts import write_json
from papertrail.core.errors import PapertrailError
from papertrail.core.params import Files, Sizes
from papertrail.core.process import run_cli
from papertrail.core.records import SPLITS, Counts
from papertrail.data.prepare import write_splits
from papertrail.data.tasks.citation_linking import TASK, FolderPairs

ARCHIVE = Path("../shared/data/citation_linking_train.tar.gz")
FOLDER = Path("build/linking")
OUTPUT = Path("benchmarks/linking.json")
SEED = 42
SETTINGS = FolderPairs(
    task="citation_linking",
    source="linking",
    format="folder",
    files=Files(train="train", validation="validation", test="test"),
    context_characters=200,
    mask="target",
    mask_text="[CITATION]",
    negatives=5,
    queries=Sizes(train=None, validation=None, test=None),
)
log = logging.getLogger(__name__)


def make_files(archive: Path, count: int) -> None:
    """Write `count` pairs of files for training, and one made-up pair for each other split, which must not be empty."""
    with tarfile.open(archive, "r:gz") as package:
        members = {m.name: package.extractfile(m).read() for m in package if m.isreg()}  # type: ignore[union-attr]
    stems = sorted(name.removesuffix(".in") for name in members if name.endswith(".in"))
    for split in SPLITS:
        (FOLDER / split).mkdir(parents=True)
    for number in range(count):
        for suffix in ("in", "label"):
            content = members[f"{stems[number % len(stems)]}.{suffix}"]
            (FOLDER / f"train/{number}.{suffix}").write_bytes(content)
    for split in ("validation", "test"):
        text = {"text": f"{split} [1]", "bib_entries": {key: {"title": f"{split} {key}"} for key in "ab"}}
        (FOLDER / split / "0.in").write_text(json.dumps(text), encoding="utf-8")
        (FOLDER / split / "0.label").write_text('{"correct_citation": {"[1]": "a"}}', encoding="utf-8")


def prepare_by_shards(output: Path) -> None:
    """Read and write as stage prepare does."""
    rows = TASK.read(FOLDER, SETTINGS, SEED, Counts())
    write_splits("benchmark", TASK, TASK.features(SETTINGS), rows, {s: output / f"{s}.parquet" for s in SPLITS})


def prepare_by_plain_loop(output: Path) -> None:
    """Collect all rows in a list and write them as one table; only the first place of a citation becomes a query."""
    rows = []
    for file in sorted((FOLDER / "train").glob("*.in")):
        raw, label = (json.loads(path.read_text(encoding="utf-8")) for path in (file, file.with_suffix(".label")))
        for citation, cited in label["correct_citation"].items():
            at = raw["text"].find(citation)
            context = raw["text"][max(0, at - 200) : at + len(citation) + 200]
            negatives = [id_ for id_ in raw["bib_entries"] if id_ != cited]
            for id_ in [cited, *random.sample(negatives, min(5, len(negatives)))]:
                entry = raw["bib_entries"][id_]
                candidate = entry.get("abstract") or entry["title"]
                rows.append({"context": context, "candidate": candidate, "label": int(id_ == cited)})
    output.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), output / "train.parquet", compression="zstd")


METHODS = {"shards": prepare_by_shards, "plain_loop": prepare_by_plain_loop}


def measure(method: str) -> dict[str, float]:
    """Return time and memory of one method; memory is that of this process and of its largest worker."""
    output = FOLDER / method
    before = _peak_mib(resource.RUSAGE_SELF)
    started = time.perf_counter()
    METHODS[method](output)
    seconds = time.perf_counter() - started
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "seconds": seconds,
        "cpu_seconds": sum(usage.ru_utime + usage.ru_stime for usage in usages),
        "rows": pq.read_metadata(output / "train.parquet").num_rows,
        "libraries_mib": before,
        "peak_mib": _peak_mib(resource.RUSAGE_SELF),
        "peak_of_a_worker_mib": _peak_mib(resource.RUSAGE_CHILDREN),
    }


def _peak_mib(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 1024


def run_method(method: str) -> dict[str, float]:
    """Measure a method in a new process.

    Raises:
        PapertrailError: The process failed; its messages are on stderr.
    """
    command = [sys.executable, "-m", "benchmarks.linking", "--method", method]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if finished.returncode:
        raise PapertrailError(f"{method}: the measurement failed, see its messages above")
    result: dict[str, float] = json.loads(finished.stdout)
    log.info("%s: %s", method, result)
    return result


def main() -> None:
    """Measure all methods, or print the measurement of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=55_556, help="number of pairs of files")
    parser.add_argument("--archive", type=Path, default=ARCHIVE, help="archive of the real files")
    parser.add_argument("--method", choices=sorted(METHODS), help="measure this method on existing files and print it")
    arguments = parser.parse_args()
    if arguments.method:
        sys.stdout.write(json.dumps(measure(arguments.method)))
        return
    if not arguments.archive.is_file():
        raise PapertrailError(f"{arguments.archive}: no such file; set --archive to the path of the archive")
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        make_files(arguments.archive, arguments.count)
        results = {method: run_method(method) for method in METHODS}
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    used = {method: result["peak_mib"] - result["libraries_mib"] for method, result in results.items()}
    ratios = {
        "seconds_of_plain_loop": results["shards"]["seconds"] / results["plain_loop"]["seconds"],
        "memory_of_plain_loop": used["shards"] / used["plain_loop"],  # without the libraries
    }
    facts = {"pairs_of_files": arguments.count, "processors": os.cpu_count()}
    write_json({**facts, **results, **ratios}, OUTPUT)


if __name__ == "__main__":
    run_cli(main)
