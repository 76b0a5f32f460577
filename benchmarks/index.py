"""`python -m benchmarks.index`: FAISS indexes of a million made-up vectors, each beside Flat.

Vectors are drawn around a few thousand centres, as embeddings of papers gather around topics; they are made batch by
batch and never held together. Each kind is built in a process of its own, so that its peak memory is its own. Times are
of the processor, on one thread, so that a busy machine changes them little; everything lands in benchmarks/index.json.
"""

import argparse
import json
import logging
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np

from scholar.errors import ScholarError, run
from scholar.index import ExactSearch, Vectors, build
from scholar.params import Index
from scholar.records import write_json

KINDS = ("Flat", "SQ8", "IVF1024,Flat", "IVF1024,PQ48np")  # HNSW16 by --kind: it takes many times as long
DIMENSION, CENTRES, BATCH, QUERIES, DEPTH = 384, 4000, 10_000, 200, 10
log = logging.getLogger(__name__)


def batches(count: int) -> Iterator[Vectors]:
    """(BATCH, DIMENSION) vectors of length 1, the same ones on every call."""
    centres = np.random.default_rng(0).standard_normal((CENTRES, DIMENSION), dtype=np.float32)
    for number in range(-(-count // BATCH)):
        rng = np.random.default_rng([1, number])
        size = min(BATCH, count - number * BATCH)
        vectors = centres[rng.integers(CENTRES, size=size)] + rng.standard_normal((size, DIMENSION), dtype=np.float32)
        yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def measure(kind: str, count: int) -> dict[str, float]:
    """Build one kind and search it; what it takes to make the vectors and to search exactly is left out."""
    settings = Index(retriever="none", data="none", factory=kind, train_vectors=50_000, probes=16, batch_size=BATCH)
    rng = np.random.default_rng(2)
    queries = next(batches(BATCH))[:QUERIES] + rng.standard_normal((QUERIES, DIMENSION), dtype=np.float32) / 40
    exact = ExactSearch(queries / np.linalg.norm(queries, axis=1, keepdims=True), DEPTH)
    making = 0.0  # seconds that are not the index's

    def made() -> Iterator[Vectors]:
        nonlocal making
        begun = time.process_time()
        for vectors in batches(count):
            exact.update(vectors)
            making += time.process_time() - begun
            yield vectors
            begun = time.process_time()

    started = time.process_time()
    index = build(settings, DIMENSION, made(), threads=1)
    built = time.process_time() - started - making
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.process_time()
    index.search(exact.queries, DEPTH)
    searched = time.process_time() - started
    file = Path("build/benchmark.faiss")
    file.parent.mkdir(exist_ok=True)
    faiss.write_index(index, str(file))
    size = file.stat().st_size / 2**20
    file.unlink()
    return {
        "build_cpu_seconds": built,
        "queries_per_cpu_second": QUERIES / searched,
        "recall@10": exact.recall_of(index),
        "peak_mib": peak,
        "file_mib": size,
    }


def main() -> None:
    """Measure every kind, each in its own process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="how many vectors")
    parser.add_argument("--kind", help="only this one, printed as JSON")
    arguments = parser.parse_args()
    if arguments.kind:
        sys.stdout.write(json.dumps(measure(arguments.kind, arguments.count)))
        return
    results = {}
    for kind in KINDS:
        command = [sys.executable, "-m", "benchmarks.index", "--kind", kind, "--count", str(arguments.count)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise ScholarError(f"{kind}: the measurement failed; its messages stand above")
        results[kind] = json.loads(done.stdout)
        log.info("%s: %s", kind, results[kind])
    flat = results["Flat"]
    for got in results.values():
        got["build_cpu_time_of_flat"] = got["build_cpu_seconds"] / flat["build_cpu_seconds"]
        got["queries_per_cpu_second_of_flat"] = got["queries_per_cpu_second"] / flat["queries_per_cpu_second"]
    write_json({"vectors": arguments.count, "dimension": DIMENSION, **results}, Path("benchmarks/index.json"))


if __name__ == "__main__":
    run(main)
