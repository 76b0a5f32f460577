"""Indexes: the same bytes on each build, exact search that is exact, and no index that is not what it claims."""

import json
import resource
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from scholar.errors import DataError, ParamsError
from scholar.index import (
    DOCUMENTS,
    FEATURES,
    MANIFEST,
    VECTORS,
    ExactSearch,
    Vectors,
    build,
    load_index,
    write_index,
)
from scholar.params import Index
from scholar.records import Row, read_rows, write_rows
from tests.fixtures.tiny_search import INDEX, make_document

COUNT, DIMENSION = 300, 16
FACTORIES = ["Flat", "HNSW16", "IVF4,Flat", "SQ8", "PQ8np", "PQ8x4", "IVF4,PQ8x4np"]  # np: PQ8 anneals for 20 s


@pytest.fixture(autouse=True)
def threads_left() -> Iterator[None]:
    """FAISS keeps its number of threads for the whole process."""
    before = faiss.omp_get_max_threads()
    yield
    faiss.omp_set_num_threads(before)


def draw_vectors(count: int, seed: int = 0) -> Vectors:
    """(count, DIMENSION) of length 1."""
    drawn = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def build_index(factory: str, vectors: Vectors, batch_size: int = 32, **changes: Any) -> Any:
    settings = Index(**{**INDEX, "factory": factory, **changes})
    batches = (vectors[first : first + batch_size] for first in range(0, len(vectors), batch_size))
    return build(settings, vectors.shape[1], batches, threads=2)


def recall_of(index: Any, vectors: Vectors, queries: Vectors, batch_size: int = 32) -> float:
    exact = ExactSearch(queries, depth=10)
    for first in range(0, len(vectors), batch_size):
        exact.update(vectors[first : first + batch_size])
    return exact.recall_of(index)


def to_bytes(index: Any) -> bytes:
    return faiss.serialize_index(index).tobytes()


# --- build ---


@pytest.mark.parametrize("factory", FACTORIES)
def test_both_builds_are_the_same_bytes_and_find_most(factory: str) -> None:
    vectors = draw_vectors(COUNT)
    indexes = [build_index(factory, vectors) for _ in range(2)]
    assert to_bytes(indexes[0]) == to_bytes(indexes[1])
    assert indexes[0].ntotal == COUNT
    assert indexes[0].metric_type == faiss.METRIC_INNER_PRODUCT
    assert recall_of(indexes[0], vectors, draw_vectors(20, seed=1)) > 0.3  # chance: 10 of 300


@pytest.mark.parametrize("factory", ["Flat", "SQ8", "IVF4,Flat"])
def test_the_size_of_batches_changes_nothing(factory: str) -> None:
    vectors = draw_vectors(COUNT)
    built = {to_bytes(build_index(factory, vectors, size, train_vectors=170)) for size in (7, 32, 170, COUNT)}
    assert len(built) == 1


def test_it_is_trained_on_no_more_than_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Vectors] = []
    train = faiss.IndexScalarQuantizer.train

    def spy(self: Any, vectors: Vectors) -> None:
        seen.append(vectors)
        train(self, vectors)

    monkeypatch.setattr(faiss.IndexScalarQuantizer, "train", spy)
    vectors = draw_vectors(COUNT)
    assert build_index("SQ8", vectors, train_vectors=100).ntotal == COUNT
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0], vectors[:100])


def test_threads_are_given_back() -> None:
    build_index("Flat", draw_vectors(5))
    assert faiss.omp_get_max_threads() == 2
    faiss.omp_set_num_threads(1)
    with pytest.raises(ParamsError):
        build_index("IVF64,Flat", draw_vectors(5))
    assert faiss.omp_get_max_threads() == 2


@pytest.mark.parametrize("factory", ["IVF8,Flat", "PCA8,IVF8,Flat", "IVF8,Flat,RFlat"])
def test_as_many_cells_are_visited_as_params_say(factory: str) -> None:
    index = build_index(factory, draw_vectors(COUNT), probes=5)
    assert faiss.extract_index_ivf(index).nprobe == 5
    assert faiss.extract_index_ivf(faiss.deserialize_index(faiss.serialize_index(index))).nprobe == 5


# --- search ---


def test_flat_search_is_brute_force() -> None:
    vectors, queries = draw_vectors(COUNT), draw_vectors(40, seed=1)
    scores, positions = build_index("Flat", vectors).search(queries, COUNT)
    cosines = queries @ vectors.T
    np.testing.assert_array_equal(positions, np.argsort(-cosines, axis=1))
    np.testing.assert_allclose(scores, -np.sort(-cosines, axis=1), atol=1e-6)


@pytest.mark.parametrize("count", [COUNT, 10, 4])
def test_flat_search_has_all_of_exact_search(count: int) -> None:
    vectors = draw_vectors(count)  # 4: fewer than the ranks that are compared
    index = build_index("Flat", vectors)
    assert recall_of(index, vectors, draw_vectors(20, seed=1)) == 1.0


def test_recall_is_the_share_that_is_found() -> None:
    vectors = draw_vectors(100)
    half = build_index("Flat", vectors[:50])  # the other half is missing in the index
    queries = draw_vectors(30, seed=1)
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    assert recall_of(half, vectors, queries) == pytest.approx(np.mean(exact < 50))


def test_exact_search_by_batches_is_exact_search_at_once() -> None:
    vectors, queries = draw_vectors(COUNT), draw_vectors(30, seed=1)
    exact = ExactSearch(queries, depth=10)
    for first in range(0, COUNT, 7):
        exact.update(vectors[first : first + 7])
    order = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :10]
    np.testing.assert_array_equal(exact.positions, order)


# --- what is refused ---


@pytest.mark.parametrize(
    ("factory", "count"),
    [
        ("Flatt", 20),
        ("PQ5", COUNT),  # 16 dimensions are not five parts
        ("IVF64,Flat", 20),  # fewer vectors than cells
        ("PQ8", 20),  # 256 centroids a part
        ("IDMap,Flat", 20),  # wants ids of its own
    ],
)
def test_a_factory_that_does_not_fit_is_told(factory: str, count: int) -> None:
    problem = f"factory '{factory}' cannot be built for these vectors of 16 dimensions; known are Flat, "
    with pytest.raises(ParamsError, match=f"^params.yaml: indexes: {problem}") as told:
        build_index(factory, draw_vectors(count))
    assert "\n" not in str(told.value)
    assert "Traceback" not in str(told.value)


# --- the folder ---


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Anything with files: only their names and contents count here."""
    folder = tmp_path / "models/tiny-search"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "1_Pooling/config.json").write_text("{}", encoding="utf-8")
    return folder


@pytest.fixture
def written(tmp_path: Path, model: Path) -> Path:
    """An index of twelve documents, written."""
    folder = tmp_path / "data/index/papers"
    write_index(build_index("Flat", draw_vectors(12)), make_documents(12), model, Index(**INDEX), folder)
    return folder


def make_documents(count: int) -> list[Row]:
    return [make_document(f"{number:02}", f"title {number}", "words") for number in range(count)]


def test_what_was_written_is_loaded(written: Path, model: Path) -> None:
    loaded = load_index(written, model)
    assert loaded.documents == make_documents(12)
    positions, cosines = loaded.search(draw_vectors(12), 3)
    assert positions[:, 0].tolist() == list(range(12))
    np.testing.assert_allclose(cosines[:, 0], 1, atol=1e-6)
    assert loaded.search(draw_vectors(1), 14)[0][0, -2:].tolist() == [-1, -1]  # there are only twelve


def test_the_files_stand_for_themselves(written: Path) -> None:
    assert sorted(path.name for path in written.iterdir()) == sorted([DOCUMENTS, MANIFEST, VECTORS])
    assert sorted(path.name for path in written.parent.iterdir()) == ["papers"]  # no .part
    assert faiss.read_index(str(written / VECTORS)).ntotal == 12
    assert read_rows(written / DOCUMENTS).column_names == ["id", "title", "abstract", "year"]
    manifest = json.loads((written / MANIFEST).read_text(encoding="utf-8"))
    assert {name: manifest[name] for name in ("factory", "metric", "dimension", "count")} == {
        "factory": "Flat",
        "metric": "cosine",
        "dimension": DIMENSION,
        "count": 12,
    }


def test_an_index_is_replaced_as_a_whole(written: Path, model: Path) -> None:
    left = written.with_name("papers.part")
    left.mkdir()
    (left / "left over").touch()
    (written / "of another version").touch()
    index = build_index("SQ8", draw_vectors(7))
    write_index(index, make_documents(7), model, replace(Index(**INDEX), factory="SQ8"), written)
    assert len(load_index(written, model).documents) == 7
    assert sorted(path.name for path in written.iterdir()) == sorted([DOCUMENTS, MANIFEST, VECTORS])
    assert not left.exists()


def test_a_full_disk_leaves_the_old_index_and_is_told_as_one(written: Path, model: Path) -> None:
    before = {path.name: path.read_bytes() for path in written.iterdir()}
    index = build_index("Flat", draw_vectors(COUNT))  # 19,200 bytes
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError):
            write_index(index, make_documents(COUNT), model, Index(**INDEX), written)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in written.iterdir()} == before


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


def change_documents(folder: Path) -> None:
    write_rows(make_documents(12)[::-1], FEATURES, folder / DOCUMENTS)


def change_manifest(folder: Path, **values: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps({**manifest, **values}), encoding="utf-8")


NOT_THAT = "not the file of the manifest, cut off or changed; `dvc repro index`"
NOT_A_MANIFEST = r"manifest\.json: not a manifest \(.*\); `dvc repro index` builds it anew"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: cut(folder / VECTORS), rf"vectors\.faiss: {NOT_THAT}"),
        (lambda folder: (folder / VECTORS).unlink(), rf"vectors\.faiss: {NOT_THAT}"),
        (change_documents, rf"documents\.parquet: {NOT_THAT}"),
        (lambda folder: (folder / DOCUMENTS).unlink(), rf"documents\.parquet: {NOT_THAT}"),
        (lambda folder: (folder / MANIFEST).unlink(), r"manifest\.json: no such file; `dvc repro index` builds the in"),
        (lambda folder: cut(folder / MANIFEST), NOT_A_MANIFEST),
        (lambda folder: (folder / MANIFEST).write_bytes(b"[]"), NOT_A_MANIFEST),
        (lambda folder: (folder / MANIFEST).write_bytes(b"{}"), NOT_A_MANIFEST),
        (lambda folder: (folder / MANIFEST).write_bytes(b"\xff\xfe"), NOT_A_MANIFEST),
        (lambda folder: change_manifest(folder, vectors_sha256="0" * 64), rf"vectors\.faiss: {NOT_THAT}"),
    ],
)
def test_a_damaged_index_is_refused(damage: Callable[[Path], None], message: str, written: Path, model: Path) -> None:
    damage(written)
    with pytest.raises(DataError, match=message):
        load_index(written, model)


@pytest.mark.parametrize("file", ["model.safetensors", "1_Pooling/config.json", "new.json"])
def test_an_index_of_another_model_is_refused(file: str, written: Path, model: Path) -> None:
    (model / file).write_bytes(b"other")
    with pytest.raises(DataError, match=r"papers: built by another model than .*tiny-search; .*; `dvc repro index`"):
        load_index(written, model)


def test_a_model_in_another_folder_is_the_same_model(written: Path, model: Path, tmp_path: Path) -> None:
    assert load_index(written, model.rename(tmp_path / "moved")).manifest["count"] == 12
