"""`python -m benchmarks.index`: FAISS indexes of a million made-up vectors, each beside Flat.

Vectors are drawn around a few thousand centres, as embeddings of papers gather around topics; they are made batch by
batch and never held together. Each kind is built in a process of its own, so that its peak memory is its own. Times are
given as ratios to Flat's of the same call; everything lands in benchmarks/index.json.
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

from scholar.errors import run
from scholar.index import Vectors, build
from scholar.params import Index
from scholar.records import write_json

KINDS = ("Flat", "SQ8", "PQ48np", "IVF1024,Flat", "IVF1024,PQ48np", "HNSW16")
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
    """Build one kind and search it; its exact answers come from a second pass over the batches."""
    settings = Index(retriever="none", data="none", factory=kind, train_vectors=50_000, probes=16, batch_size=BATCH)
    started = time.perf_counter()
    index = build(settings, DIMENSION, batches(count), threads=2)
    built = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rng = np.random.default_rng(2)
    queries = next(batches(BATCH))[:QUERIES] + 0.5 * rng.standard_normal((QUERIES, DIMENSION), dtype=np.float32) / 20
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    started = time.perf_counter()
    found = index.search(queries, DEPTH)[1]
    searched = time.perf_counter() - started
    exact = exact_search(queries, count)
    recall = np.mean([len(set(a) & set(b)) / DEPTH for a, b in zip(found.tolist(), exact.tolist(), strict=True)])
    size = len(faiss.serialize_index(index)) / 2**20
    return {
        "build_s": built,
        "queries_per_s": QUERIES / searched,
        "recall@10": float(recall),
        "peak_mib": peak,
        "mib": size,
    }


def exact_search(queries: Vectors, count: int) -> np.ndarray:
    """(QUERIES, DEPTH) positions of the nearest vectors, kept up to date over the batches."""
    best = np.full((len(queries), DEPTH), -np.inf, dtype=np.float32)
    places = np.full((len(queries), DEPTH), -1)
    for number, vectors in enumerate(batches(count)):
        scores = np.concatenate([best, queries @ vectors.T], axis=1)
        positions = np.arange(number * BATCH, number * BATCH + len(vectors))
        all_places = np.concatenate([places, np.broadcast_to(positions, (len(queries), len(vectors)))], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
        best, places = np.take_along_axis(scores, order, axis=1), np.take_along_axis(all_places, order, axis=1)
    return places


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
        results[kind] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        log.info("%s: %s", kind, results[kind])
    flat = results["Flat"]
    rows = {
        kind: {
            "build_time_of_flat": got["build_s"] / flat["build_s"],
            "queries_per_second_of_flat": got["queries_per_s"] / flat["queries_per_s"],
            **{name: got[name] for name in ("recall@10", "peak_mib", "mib")},
        }
        for kind, got in results.items()
    }
    write_json({"vectors": arguments.count, "dimension": DIMENSION, **rows}, Path("benchmarks/index.json"))


if __name__ == "__main__":
    run(main)
