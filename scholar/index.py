"""A FAISS index of a collection: built in batches, told apart by a manifest, the same bytes on every build.

Vectors have length 1, so that their inner product is the cosine. Kinds that cluster (IVF, PQ) start from FAISS's own
fixed seed, and graphs (HNSW) depend on the order of insertion: both are built on one thread, since several would add
numbers or nodes in another order each time. With that, every kind that we tried comes out the same on the same CPU.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from datasets import Features, Value
from numpy.typing import NDArray

from scholar.errors import DataError, ParamsError
from scholar.params import Index
from scholar.records import Row, read_rows, write_json, write_rows

VECTORS, DOCUMENTS, MANIFEST = "vectors.faiss", "documents.parquet", "manifest.json"
FEATURES = Features(id=Value("string"), title=Value("string"), abstract=Value("string"), year=Value("int32"))
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Loaded:
    """An index with the rows of its documents, in the order of its vectors."""

    vectors: Any
    documents: list[Row]
    manifest: dict[str, Any]

    def search(self, queries: Vectors, depth: int) -> tuple[NDArray[np.int64], Vectors]:
        """Positions and cosines of the nearest documents, each (queries, depth), the best first; -1 for none."""
        scores, positions = self.vectors.search(queries, depth)
        return positions, scores


def build(settings: Index, dimension: int, batches: Iterable[Vectors], threads: int) -> Any:
    """An index of all batches. Held at a time: the index, one batch, and the first vectors, on which it is trained.

    Args:
        settings: factory string, sample size, probes.
        dimension: of the vectors.
        batches: (documents, dimension) each, of length 1, in an order in which the first ones stand for all.
        threads: what the FAISS of this process uses again afterwards.

    Raises:
        ParamsError: FAISS does not know the factory string, or it does not fit the dimension or the number of vectors.
    """
    faiss.omp_set_num_threads(1)
    waiting: list[Vectors] = []  # until there are enough to train on
    try:
        index = faiss.index_factory(dimension, settings.factory, faiss.METRIC_INNER_PRODUCT)
        for batch in batches:
            if index.is_trained:
                index.add(batch)
                continue
            waiting.append(batch)
            if sum(map(len, waiting)) >= settings.train_vectors:
                _train(index, waiting, settings)
        if waiting:
            _train(index, waiting, settings)
    except RuntimeError as error:
        raise ParamsError(
            f"params.yaml: indexes: factory '{settings.factory}' cannot be built for these vectors of {dimension} "
            f"dimensions; known are Flat, HNSW32, 'IVF64,Flat', SQ8, PQ48np and their like ({_reason(error)})"
        ) from None
    finally:
        faiss.omp_set_num_threads(threads)
    cells = faiss.try_extract_index_ivf(index)  # also behind a transform of the vectors
    if cells is not None:
        cells.nprobe = settings.probes
    return index


def _train(index: Any, waiting: list[Vectors], settings: Index) -> None:
    index.train(np.concatenate(waiting)[: settings.train_vectors])
    for batch in waiting:
        index.add(batch)
    waiting.clear()


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[-1][:200]


class ExactSearch:
    """The truly nearest vectors to some queries, kept up to date batch by batch; of equals the first."""

    def __init__(self, queries: Vectors, depth: int) -> None:
        self.queries = queries
        self.depth = depth
        self.seen = 0
        self.scores = np.empty((len(queries), 0), dtype=np.float32)
        self.positions = np.empty((len(queries), 0), dtype=np.int64)

    def update(self, batch: Vectors) -> None:
        """Look at the next vectors, (documents, dimension)."""
        places = np.broadcast_to(np.arange(self.seen, self.seen + len(batch)), (len(self.queries), len(batch)))
        scores = np.concatenate([self.scores, self.queries @ batch.T], axis=1)
        positions = np.concatenate([self.positions, places], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, : self.depth]
        self.scores, self.positions = np.take_along_axis(scores, order, 1), np.take_along_axis(positions, order, 1)
        self.seen += len(batch)

    def recall_of(self, index: Any) -> float:
        """Share of the truly nearest that an index finds among its first `depth`."""
        found = index.search(self.queries, self.depth)[1]
        pairs = zip(self.positions.tolist(), found.tolist(), strict=True)
        return float(np.mean([len(set(exact) & set(near)) / len(exact) for exact, near in pairs]))


def write_index(index: Any, documents: list[Row], model: Path, settings: Index, folder: Path) -> dict[str, Any]:
    """Write vectors, documents and manifest, beside and then renamed; the manifest."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with (part / VECTORS).open("wb") as file:  # FAISS itself would tell of a full disk by a RuntimeError
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))  # type: ignore[attr-defined]
    write_rows(documents, FEATURES, part / DOCUMENTS)
    manifest = {
        "model": model.as_posix(),
        "factory": settings.factory,
        "metric": "cosine",
        "dimension": index.d,
        "count": index.ntotal,
        "model_sha256": hash_model(model),
        "vectors_sha256": _sha256(part / VECTORS),
        "documents_sha256": _sha256(part / DOCUMENTS),
    }
    write_json(manifest, part / MANIFEST)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return manifest


def load_index(folder: Path, model: Path) -> Loaded:
    """Read an index for the queries of a model.

    Raises:
        DataError: a file is missing or is not the one that the manifest names, or another model made the index.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        expected = {name: manifest[f"{name}_sha256"] for name in ("vectors", "documents", "model")}
    except FileNotFoundError:
        raise DataError(f"{folder / MANIFEST}: no such file; `dvc repro index` builds the index") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / MANIFEST}: not a manifest ({error}); `dvc repro index` builds it anew") from None
    for name, file in {"vectors": VECTORS, "documents": DOCUMENTS}.items():
        if not (folder / file).is_file() or _sha256(folder / file) != expected[name]:
            raise DataError(f"{folder / file}: not the file of the manifest, cut off or changed; `dvc repro index`")
    if not model.is_dir():
        raise DataError(f"{model}: no such folder; `dvc repro` trains it, `dvc checkout` brings it back")
    if hash_model(model) != expected["model"]:
        raise DataError(f"{folder}: built by another model than {model}; its vectors do not compare; `dvc repro index`")
    index, documents = faiss.read_index(str(folder / VECTORS)), read_rows(folder / DOCUMENTS).to_list()
    told = (manifest.get("count"), manifest.get("dimension"))
    if (index.ntotal, index.d) != told or index.ntotal != len(documents):
        found = f"{index.ntotal} vectors of {index.d} dimensions, {len(documents)} documents"
        raise DataError(f"{folder}: {found}, but the manifest tells {told[0]} of {told[1]}; `dvc repro index`")
    return Loaded(index, documents, manifest)


def hash_model(folder: Path) -> str:
    """A hash over the names and contents of all files of a model."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(file.relative_to(folder).as_posix().encode() + bytes.fromhex(_sha256(file)))
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
