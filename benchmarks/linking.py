"""`python -m benchmarks.linking`: 55,556 pairs of files of citation linking, read, sampled and written as Parquet.

The files are the 2,074 real ones of the archive, written again and again under fresh numbers into build/, and deleted
in the end. Once they go through the project's own reader and writer (all processors, a shard of rows at a time), once
through a plain loop (one process, all rows in memory, as a notebook does it), each in a process of its own, so that its
peak memory is its own. Both have the same libraries loaded, and the files were all read before. Everything lands in
benchmarks/linking.json.
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

import stages  # noqa: F401  first of all: it sets the instruction caps, which numpy reads when it is loaded

# isort: split
import pyarrow as pa
import pyarrow.parquet as pq

from scholar.errors import ScholarError, run
from scholar.params import Files, Sizes
from scholar.records import SPLITS, Counts, write_json
from scholar.tasks.citation_linking import TASK, FolderPairs
from stages.prepare import write_splits

ARCHIVE = Path("../shared/data/citation_linking_train.tar.gz")
FOLDER = Path("build/linking")
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
    """Write `count` pairs for training, and a made-up one for each of the other splits, which must not be empty."""
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


def by_shards(output: Path) -> None:
    """As stage prepare does it."""
    rows = TASK.read(FOLDER, SETTINGS, 42, Counts())
    write_splits("benchmark", TASK, TASK.features(SETTINGS), rows, {s: output / f"{s}.parquet" for s in SPLITS})


def by_plain_loop(output: Path) -> None:
    """Every row in a list, then one table; the first place where a citation stands is its only query."""
    rows = []
    for file in sorted((FOLDER / "train").glob("*.in")):
        raw, label = (json.loads(path.read_text(encoding="utf-8")) for path in (file, file.with_suffix(".label")))
        for citation, cited in label["correct_citation"].items():
            at = raw["text"].find(citation)
            context = raw["text"][max(0, at - 200) : at + len(citation) + 200]
            others = [id_ for id_ in raw["bib_entries"] if id_ != cited]
            for id_ in [cited, *random.sample(others, min(5, len(others)))]:
                entry = raw["bib_entries"][id_]
                candidate = entry.get("abstract") or entry["title"]
                rows.append({"context": context, "candidate": candidate, "label": int(id_ == cited)})
    output.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), output / "train.parquet", compression="zstd")


WAYS = {"shards": by_shards, "plain_loop": by_plain_loop}


def measure(way: str) -> dict[str, float]:
    """Time and memory of one way; memory is that of this process and of the largest of those that it started."""
    output = FOLDER / way
    before = _peak_mib(resource.RUSAGE_SELF)
    started = time.perf_counter()
    WAYS[way](output)
    seconds = time.perf_counter() - started
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "seconds": seconds,
        "cpu_seconds": sum(one.ru_utime + one.ru_stime for one in used),
        "rows": pq.read_metadata(output / "train.parquet").num_rows,
        "libraries_mib": before,
        "peak_mib": _peak_mib(resource.RUSAGE_SELF),
        "peak_of_a_worker_mib": _peak_mib(resource.RUSAGE_CHILDREN),
    }


def _peak_mib(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 1024


def main() -> None:
    """Measure both ways, each in its own process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=55_556, help="how many pairs of files")
    parser.add_argument("--archive", type=Path, default=ARCHIVE, help="the real files")
    parser.add_argument("--way", choices=sorted(WAYS), help="only this one, on the files that are there; printed")
    arguments = parser.parse_args()
    if arguments.way:
        sys.stdout.write(json.dumps(measure(arguments.way)))
        return
    if not arguments.archive.is_file():
        raise ScholarError(f"{arguments.archive}: no such file; say where the archive is by --archive")
    shutil.rmtree(FOLDER, ignore_errors=True)
    results = {}
    try:
        make_files(arguments.archive, arguments.count)
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.linking", "--way", way]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                raise ScholarError(f"{way}: the measurement failed; its messages stand above")
            results[way] = json.loads(done.stdout)
            log.info("%s: %s", way, results[way])
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    grown = {way: got["peak_mib"] - got["libraries_mib"] for way, got in results.items()}
    ratios = {
        "seconds_of_plain_loop": results["shards"]["seconds"] / results["plain_loop"]["seconds"],
        "memory_of_plain_loop": grown["shards"] / grown["plain_loop"],  # without what the libraries take
    }
    facts = {"pairs_of_files": arguments.count, "processors": os.cpu_count()}
    write_json({**facts, **results, **ratios}, Path("benchmarks/linking.json"))


if __name__ == "__main__":
    run(main)
