"""A FAISS index of a collection with its documents and a manifest; loading, and search by the system of its model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from papertrail.core.artifacts import sha256_of, sha256_of_folder
from papertrail.core.errors import DataError
from papertrail.core.parquet import stream_rows
from papertrail.core.records import Row
from papertrail.models.ranking import Bm25, Floats, fuse
from papertrail.models.search_systems import FUSED_RANKS, System, read_system
from papertrail.models.sentence_encoder import document_text

VECTORS, DOCUMENTS, MANIFEST = "vectors.faiss", "documents.parquet", "manifest.json"
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Loaded:
    """An index and the rows of its documents, in the order of its vectors.

    Attributes:
        vectors: The FAISS index.
        documents: Rows of the documents.
        manifest: Facts about the index.
        system: That the model answers searches with.
        bm25: Of the documents; None if the system is the model.
    """

    vectors: Any
    documents: list[Row]
    manifest: dict[str, Any]
    system: System
    bm25: Bm25 | None

    def search(self, queries: Vectors, depth: int) -> tuple[NDArray[np.int64], Vectors]:
        """Return positions and cosines of the nearest documents, each (queries, depth), the best first; -1 for none."""
        scores, positions = self.vectors.search(queries, depth)
        return positions, scores

    def rank(
        self, texts: Sequence[str], queries: Vectors, depth: int, fusion_constant: int
    ) -> tuple[NDArray[np.int64], Floats]:
        """Rank documents by the system of the model. A fused ranking has at most 2 * FUSED_RANKS documents.

        Args:
            texts: (queries,) texts.
            queries: (queries, dimension) their vectors.
            depth: Documents to return, at most all.
            fusion_constant: Of reciprocal rank fusion.

        Returns:
            Positions and scores of the system, each (queries, depth), the best first; position -1 for none.
        """
        if self.bm25 is None:
            return self.search(queries, depth)
        if self.system == "bm25":
            return self.bm25.rank(texts, depth)
        ranks = min(FUSED_RANKS, len(self.documents))
        rankings = [self.bm25.rank(texts, ranks)[0], self.search(queries, ranks)[0]]
        positions, scores = fuse(rankings, fusion_constant, depth, len(self.documents))
        return np.where(scores > 0, positions, -1), scores

    def cosines(self, queries: Vectors, positions: NDArray[np.int64]) -> Vectors:
        """Return the cosine of each query with its documents, (queries, depth); of no meaning at position -1."""
        wanted, place = np.unique(np.maximum(positions, 0), return_inverse=True)
        vectors = self.vectors.reconstruct_batch(wanted)[place.reshape(positions.shape)]  # (queries, depth, dimension)
        cosines: Vectors = np.einsum("qd,qnd->qn", queries, vectors)
        return cosines


def load_index(folder: Path, model: Path, inputs: Sequence[str]) -> Loaded:
    """Load an index for the queries of a model; build BM25 of its documents if the model answers with it.

    Args:
        folder: Of the index.
        model: Folder of the model.
        inputs: Columns of a document that the model reads.

    Raises:
        DataError: A file is missing or differs from the manifest, or another model built the index.
    """
    manifest, expected = _read_manifest(folder / MANIFEST)
    for name, file in {"vectors": VECTORS, "documents": DOCUMENTS}.items():
        if not (folder / file).is_file() or sha256_of(folder / file) != expected[name]:
            raise DataError(f"{folder / file}: missing, or differs from the manifest; `dvc repro index` rebuilds it")
    if not model.is_dir():
        raise DataError(f"{model}: no such folder; `dvc repro` trains it, `dvc checkout` restores it")
    if sha256_of_folder(model) != expected["model"]:
        raise DataError(f"{folder}: built by another model than {model}; `dvc repro index` rebuilds it")
    index, documents = faiss.read_index(str(folder / VECTORS)), list(stream_rows(folder / DOCUMENTS))
    size = (manifest.get("count"), manifest.get("dimension"))
    if (index.ntotal, index.d) != size or index.ntotal != len(documents):
        found = f"{index.ntotal} vectors of {index.d} dimensions, {len(documents)} documents"
        raise DataError(f"{folder}: {found}; the manifest has {size[0]} of {size[1]}; `dvc repro index` rebuilds it")
    system = read_system(model)
    if system == "model":
        return Loaded(index, documents, manifest, system, None)
    cells = faiss.try_extract_index_ivf(index)
    if cells is not None:
        cells.make_direct_map()  # from documents to vectors, for cosines
    return Loaded(index, documents, manifest, system, Bm25([document_text(row, inputs) for row in documents]))


def _read_manifest(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a manifest and the sha256 of vectors, documents and model in it."""
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        return manifest, {name: manifest[f"{name}_sha256"] for name in ("vectors", "documents", "model")}
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; `dvc repro index` builds the index") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: not a manifest ({error}); `dvc repro index` rebuilds it") from None
