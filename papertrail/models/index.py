"""A FAISS index of a collection with its documents and a manifest; loading and search."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from papertrail.core.artifacts import sha256_of, sha256_of_folder
from papertrail.core.errors import DataError
from papertrail.core.parquet import read_rows
from papertrail.core.records import Row

VECTORS, DOCUMENTS, MANIFEST = "vectors.faiss", "documents.parquet", "manifest.json"
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Loaded:
    """An index and the rows of its documents, in the order of its vectors."""

    vectors: Any
    documents: list[Row]
    manifest: dict[str, Any]

    def search(self, queries: Vectors, depth: int) -> tuple[NDArray[np.int64], Vectors]:
        """Return positions and cosines of the nearest documents, each (queries, depth), the best first; -1 for none."""
        scores, positions = self.vectors.search(queries, depth)
        return positions, scores


def load_index(folder: Path, model: Path) -> Loaded:
    """Load an index for the queries of a model.

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
    index, documents = faiss.read_index(str(folder / VECTORS)), read_rows(folder / DOCUMENTS).to_list()
    size = (manifest.get("count"), manifest.get("dimension"))
    if (index.ntotal, index.d) != size or index.ntotal != len(documents):
        found = f"{index.ntotal} vectors of {index.d} dimensions, {len(documents)} documents"
        raise DataError(f"{folder}: {found}; the manifest has {size[0]} of {size[1]}; `dvc repro index` rebuilds it")
    return Loaded(index, documents, manifest)


def _read_manifest(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a manifest and the sha256 of vectors, documents and model in it."""
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        return manifest, {name: manifest[f"{name}_sha256"] for name in ("vectors", "documents", "model")}
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; `dvc repro index` builds the index") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: not a manifest ({error}); `dvc repro index` rebuilds it") from None
