"""FAISS index types on a million random vectors: `python -m benchmarks.index` writes benchmarks/index.json.

Vectors are drawn around a few thousand centres, as embeddings of papers cluster around topics. They are generated batch
by batch and never held in memory together. Each type is built in a new process, so that its peak memory is measured
alone. Times are CPU times on one thread, because a busy machine changes them little.
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

from papertrail.core.artifacts import write_json
from papertrail.core.errors import PapertrailError
from papertrail.core.params import Index
from papertrail.core.process import run_cli
from papertrail.models.index import Vectors
from papertrail.models.index_build import ExactSearch, build

KINDS = ("Flat", "SQ8", "IVF1024,Flat", "IVF1024,PQ48np")  # HNSW16 takes many times as long; use --kind
DIMENSION, CENTRES, BATCH, QUERIES, DEPTH = 384, 4000, 10_000, 200, 10
log = logging.getLogger(__name__)


def batches(count: int) -> Iterator[Vectors]:
    """Yield (BATCH, DIMENSION) vectors of length 1, the same on every call."""
    centres = np.random.default_rng(0).standard_normal((CENTRES, DIMENSION), dtype=np.float32)
    for number in range(-(-count // BATCH)):
        rng = np.random.default_rng([1, number])
        size = min(BATCH, count - number * BATCH)
        vectors = centres[rng.integers(CENTRES, size=size)] + rng.standard_normal((size, DIMENSION), dtype=np.float32)
        yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def measure(kind: str, count: int) -> dict[str, float]:
    """Build and search an index; the time to generate vectors and to search exactly does not count."""
    settings = Index(
        retriever="none", task="none", dataset="none", factory=kind, train_vectors=50_000, probes=16, batch_size=BATCH
    )
    rng = np.random.default_rng(2)
    queries = next(batches(BATCH))[:QUERIES] + rng.standard_normal((QUERIES, DIMENSION), dtype=np.float32) / 40
    exact = ExactSearch(queries / np.linalg.norm(queries, axis=1, keepdims=True), DEPTH)
    generating = 0.0  # CPU seconds

    def generate() -> Iterator[Vectors]:
        nonlocal generating
        begun = time.process_time()
        for vectors in batches(count):
            exact.update(vectors)
            generating += time.process_time() - begun
            yield vectors
            begun = time.process_time()

    started = time.process_time()
    index = build(settings, DIMENSION, generate(), threads=1)
    built = time.process_time() - started - generating
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
    """Measure every type, each in a new process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="number of vectors")
    parser.add_argument("--kind", help="measure this type only and print JSON")
    arguments = parser.parse_args()
    if arguments.kind:
        sys.stdout.write(json.dumps(measure(arguments.kind, arguments.count)))
        return
    results = {}
    for kind in KINDS:
        command = [sys.executable, "-m", "benchmarks.index", "--kind", kind, "--count", str(arguments.count)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise PapertrailError(f"{kind}: the measurement failed; see its messages above")
        results[kind] = json.loads(done.stdout)
        log.info("%s: %s", kind, results[kind])
    flat = results["Flat"]
    for result in results.values():
        result["build_cpu_time_of_flat"] = result["build_cpu_seconds"] / flat["build_cpu_seconds"]
        result["queries_per_cpu_second_of_flat"] = result["queries_per_cpu_second"] / flat["queries_per_cpu_second"]
    write_json({"vectors": arguments.count, "dimension": DIMENSION, **results}, Path("benchmarks/index.json"))


if __name__ == "__main__":
    run_cli(main)
