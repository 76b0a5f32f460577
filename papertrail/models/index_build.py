"""Build a FAISS index of a collection, with the same bytes on every build on the same CPU.

Vectors have length 1, so their inner product is the cosine. Index types that cluster (IVF, PQ) use FAISS's own fixed
seed, and graphs (HNSW) depend on the order of insertion. All are built on one thread, since several threads would add
numbers or nodes in a varying order. Tested with Flat, HNSW, IVF, SQ and PQ.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Imported before faiss, which then shares torch's OpenMP threads.
import torch  # noqa: F401

# isort: split
import faiss
import numpy as np
from datasets import Features, Value
from tqdm import tqdm

from papertrail.core.artifacts import new_folder, sha256_of, sha256_of_folder, write_json
from papertrail.core.errors import ParamsError
from papertrail.core.params import Index, Params, Retriever
from papertrail.core.parquet import read_rows, write_rows
from papertrail.core.records import Row
from papertrail.core.runtime import device, to_inference
from papertrail.data.prepared import collection_file, split_file
from papertrail.models.embeddings import embed_documents, shuffle_documents
from papertrail.models.index import DOCUMENTS, MANIFEST, VECTORS, Vectors
from papertrail.models.sentence_encoder import document_text, embed, load_encoder

FEATURES = Features(id=Value("string"), title=Value("string"), abstract=Value("string"), year=Value("int32"))
DEPTH = 10  # ranks compared with exact search


def build_index(index: Index, params: Params, folder: Path) -> dict[str, float]:
    """Embed a collection, write its index and compare it with exact search on the validation queries.

    Returns:
        Metrics of stage index; without validation queries there is no comparison.

    Raises:
        ParamsError: See `build`.
    """
    retriever = params.models[index.retriever]
    assert isinstance(retriever, Retriever)  # checked when params.yaml is loaded
    documents = read_rows(collection_file(index.task, index.dataset)).to_list()
    queries = [row["query"] for row in read_rows(split_file(index.task, index.dataset, "validation")).to_list()]
    documents = shuffle_documents(documents, params.seed)
    model = Path("models", index.retriever)
    encoder = to_inference(load_encoder(model, retriever.max_tokens, device(params.runtime)), params.runtime)
    dimension = encoder.get_embedding_dimension()
    vectors_of_queries = embed(encoder, queries, index.batch_size) if queries else np.empty((0, dimension), np.float32)
    exact = ExactSearch(vectors_of_queries, DEPTH)
    texts = [document_text(document, retriever.inputs) for document in documents]
    batches = _watch(embed_documents(encoder, texts, index.batch_size), exact, len(texts))
    vectors = build(index, dimension, batches, params.runtime.threads)
    manifest = write_index(vectors, documents, model, index, folder)
    return {
        "count": manifest["count"],
        "dimension": manifest["dimension"],
        "queries": len(queries),
        "bytes": (folder / VECTORS).stat().st_size,
        **({f"recall@{DEPTH}_of_exact": exact.recall_of(vectors)} if queries else {}),
    }


def _watch(batches: Iterable[Vectors], exact: "ExactSearch", documents: int) -> Iterator[Vectors]:
    """Yield batches of vectors, show them to exact search and report progress."""
    with tqdm(total=documents, desc="index", disable=None) as progress:
        for vectors in batches:
            exact.update(vectors)
            yield vectors
            progress.update(len(vectors))


def build(settings: Index, dimension: int, batches: Iterable[Vectors], threads: int) -> Any:
    """Build a FAISS index. Memory holds the index, one batch and the vectors on which the index is trained.

    Args:
        settings: Factory string, number of vectors to train on, probes.
        dimension: Of the vectors.
        batches: (documents, dimension) each, vectors of length 1, in random order.
        threads: Threads of FAISS after the build.

    Raises:
        ParamsError: The factory string is unknown, or does not fit the dimension or the number of vectors.
    """
    try:
        index = faiss.index_factory(dimension, settings.factory, faiss.METRIC_INNER_PRODUCT)
        _add(index, batches, settings.train_vectors, threads)
    except RuntimeError as error:
        raise ParamsError(
            f"params.yaml: indexes: factory '{settings.factory}' cannot be built for these vectors of {dimension} "
            f"dimensions; use Flat, HNSW32, 'IVF64,Flat', SQ8, PQ48np or similar (FAISS: {_reason_of(error)})"
        ) from None
    ivf = faiss.try_extract_index_ivf(index)  # also behind a transform of the vectors
    if ivf is not None:
        ivf.nprobe = settings.probes
    return index


@contextmanager
def _one_thread(threads: int) -> Iterator[None]:
    """Run the block on one thread, then set the number of threads again; torch shares it."""
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def _reason_of(error: RuntimeError) -> str:
    """Return FAISS's own reason, which follows the signature, the place and the failed condition in its message."""
    text = " ".join(str(error).split())
    return re.split(r" failed: | at \S+:\d+: ", text)[-1].removeprefix("Error: ")[:300]


def _add(index: Any, batches: Iterable[Vectors], train_vectors: int, threads: int) -> None:
    """Train an index on the first vectors, if its type is trained, and add all vectors."""
    waiting: list[Vectors] = []  # until there are enough to train on
    for batch in batches:
        waiting.append(batch)
        if index.is_trained or sum(map(len, waiting)) >= train_vectors:
            with _one_thread(threads):
                _flush(index, waiting, train_vectors)
    if waiting:
        with _one_thread(threads):
            _flush(index, waiting, train_vectors)


def _flush(index: Any, waiting: list[Vectors], train_vectors: int) -> None:
    if not index.is_trained:
        index.train(np.concatenate(waiting)[:train_vectors])
    for batch in waiting:
        index.add(batch)
    waiting.clear()


class ExactSearch:
    """The nearest vectors to some queries, updated batch by batch; of equal scores the first vector."""

    def __init__(self, queries: Vectors, depth: int) -> None:
        self.queries = queries
        self.depth = depth
        self.seen = 0
        self.scores = np.empty((len(queries), 0), dtype=np.float32)
        self.positions = np.empty((len(queries), 0), dtype=np.int64)

    def update(self, batch: Vectors) -> None:
        """Compare the next vectors, (documents, dimension), with the queries."""
        numbers = np.broadcast_to(np.arange(self.seen, self.seen + len(batch)), (len(self.queries), len(batch)))
        scores = np.concatenate([self.scores, self.queries @ batch.T], axis=1)
        positions = np.concatenate([self.positions, numbers], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, : self.depth]
        self.scores, self.positions = np.take_along_axis(scores, order, 1), np.take_along_axis(positions, order, 1)
        self.seen += len(batch)

    def recall_of(self, index: Any) -> float:
        """Return the share of the nearest vectors that an index returns among its first `depth`."""
        returned = index.search(self.queries, self.depth)[1]
        pairs = zip(self.positions.tolist(), returned.tolist(), strict=True)
        return float(np.mean([len(set(exact) & set(found)) / len(exact) for exact, found in pairs]))


def write_index(index: Any, documents: list[Row], model: Path, settings: Index, folder: Path) -> dict[str, Any]:
    """Write vectors, documents and manifest; return the manifest."""
    with new_folder(folder) as part:
        with (part / VECTORS).open("wb") as file:  # FAISS would report a full disk as a RuntimeError
            faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))  # type: ignore[attr-defined]
        write_rows(documents, FEATURES, part / DOCUMENTS)
        manifest = {
            "model": model.as_posix(),
            "factory": settings.factory,
            "metric": "cosine",
            "dimension": index.d,
            "count": index.ntotal,
            "model_sha256": sha256_of_folder(model),
            "vectors_sha256": sha256_of(part / VECTORS),
            "documents_sha256": sha256_of(part / DOCUMENTS),
        }
        write_json(manifest, part / MANIFEST)
    return manifest
