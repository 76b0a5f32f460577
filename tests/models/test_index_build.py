"""Building indexes: the same bytes on each build, exact search, recall, and errors for unsuitable factories."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from papertrail.core.errors import ParamsError
from papertrail.core.params import load_params
from papertrail.core.randomness import draw
from papertrail.models.index import VECTORS, Vectors, load_index
from papertrail.models.index_build import ExactSearch, build_index
from papertrail.models.search_systems import write_system
from papertrail.models.sentence_encoder import embed, load_encoder
from papertrail.train.retriever import saver
from tests.fixtures.tiny_runs import finish, start_python
from tests.fixtures.tiny_search import INDEX, make_collection, make_queries, make_retriever, write_search
from tests.fixtures.vectors import COUNT, build_vectors, draw_vectors

FACTORIES = ["Flat", "HNSW16", "IVF4,Flat", "SQ8", "PQ8np", "PQ8x4", "IVF4,PQ8x4np"]  # np: PQ8 anneals for 20 s


@pytest.fixture(autouse=True)
def keep_threads() -> Iterator[None]:
    """Restore the number of FAISS threads, which is global."""
    before = faiss.omp_get_max_threads()
    yield
    faiss.omp_set_num_threads(before)


def recall_of(index: Any, vectors: Vectors, queries: Vectors, batch_size: int = 32) -> float:
    exact = ExactSearch(queries, depth=10)
    for first in range(0, len(vectors), batch_size):
        exact.update(vectors[first : first + batch_size])
    return exact.recall_of(index)


def to_bytes(index: Any) -> bytes:
    return faiss.serialize_index(index).tobytes()


# --- build ---


@pytest.mark.parametrize("factory", FACTORIES)
def test_two_builds_have_the_same_bytes(factory: str) -> None:
    vectors = draw_vectors(COUNT)
    indexes = [build_vectors(factory, vectors) for _ in range(2)]
    assert to_bytes(indexes[0]) == to_bytes(indexes[1])
    assert indexes[0].ntotal == COUNT
    assert indexes[0].metric_type == faiss.METRIC_INNER_PRODUCT
    assert recall_of(indexes[0], vectors, draw_vectors(20, seed=1)) > 0.3  # chance: 10 of 300


@pytest.mark.parametrize("factory", ["Flat", "SQ8", "IVF4,Flat"])
def test_the_batch_size_does_not_change_the_index(factory: str) -> None:
    vectors = draw_vectors(COUNT)
    built = {to_bytes(build_vectors(factory, vectors, size, train_vectors=170)) for size in (7, 32, 170, COUNT)}
    assert len(built) == 1


def test_an_index_is_trained_on_the_first_train_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Vectors] = []
    train = faiss.IndexScalarQuantizer.train

    def spy(self: Any, vectors: Vectors) -> None:
        seen.append(vectors)
        train(self, vectors)

    monkeypatch.setattr(faiss.IndexScalarQuantizer, "train", spy)
    vectors = draw_vectors(COUNT)
    assert build_vectors("SQ8", vectors, train_vectors=100).ntotal == COUNT
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0], vectors[:100])


def test_threads_are_restored() -> None:
    build_vectors("Flat", draw_vectors(5))
    assert faiss.omp_get_max_threads() == 2
    faiss.omp_set_num_threads(1)
    with pytest.raises(ParamsError):
        build_vectors("IVF64,Flat", draw_vectors(5))
    assert faiss.omp_get_max_threads() == 2


@pytest.mark.parametrize("factory", ["IVF8,Flat", "PCA8,IVF8,Flat", "IVF8,Flat,RFlat"])
def test_probes_are_saved_with_the_index(factory: str) -> None:
    index = build_vectors(factory, draw_vectors(COUNT), probes=5)
    assert faiss.extract_index_ivf(index).nprobe == 5
    assert faiss.extract_index_ivf(faiss.deserialize_index(faiss.serialize_index(index))).nprobe == 5


# --- search ---


def test_flat_search_is_brute_force() -> None:
    vectors, queries = draw_vectors(COUNT), draw_vectors(40, seed=1)
    scores, positions = build_vectors("Flat", vectors).search(queries, COUNT)
    cosines = queries @ vectors.T
    np.testing.assert_array_equal(positions, np.argsort(-cosines, axis=1))
    np.testing.assert_allclose(scores, -np.sort(-cosines, axis=1), atol=1e-6)


@pytest.mark.parametrize("count", [COUNT, 10, 4])
def test_flat_search_has_full_recall(count: int) -> None:
    vectors = draw_vectors(count)  # 4: fewer than the ranks that are compared
    index = build_vectors("Flat", vectors)
    assert recall_of(index, vectors, draw_vectors(20, seed=1)) == 1.0


def test_recall_is_the_share_of_the_nearest_vectors() -> None:
    vectors = draw_vectors(100)
    half = build_vectors("Flat", vectors[:50])  # the index lacks the other half
    queries = draw_vectors(30, seed=1)
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    assert recall_of(half, vectors, queries) == pytest.approx(np.mean(exact < 50))


def test_exact_search_does_not_depend_on_batches() -> None:
    vectors, queries = draw_vectors(COUNT), draw_vectors(30, seed=1)
    exact = ExactSearch(queries, depth=10)
    for first in range(0, COUNT, 7):
        exact.update(vectors[first : first + 7])
    order = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :10]
    np.testing.assert_array_equal(exact.positions, order)


# --- errors ---


@pytest.mark.parametrize(
    ("factory", "count", "reason"),
    [
        ("Flatt", 20, "could not parse index string Flatt"),
        ("PQ5", COUNT, "The dimension of the vector (d) should be a multiple of the number of subquantizers (M)"),
        ("IVF64,Flat", 20, "Number of training points (20) should be at least as large as number of clusters (64)"),
        ("PQ8", 20, "Number of training points (20) should be at least as large as number of clusters (256)"),
        ("IDMap,Flat", 20, "use add_with_ids"),
    ],
)
def test_an_unsuitable_factory_is_an_error(factory: str, count: int, reason: str) -> None:
    problem = f"factory '{factory}' cannot be built for these vectors of 16 dimensions; use Flat, "
    with pytest.raises(ParamsError, match=f"^params.yaml: indexes: {problem}") as error:
        build_vectors(factory, draw_vectors(count))
    assert re.search(rf"\(FAISS: [^@]*{re.escape(reason)}[^@]*\)$", str(error.value))
    assert "\n" not in str(error.value)
    assert "Traceback" not in str(error.value)


def test_faiss_and_torch_share_their_threads(tmp_path: Path) -> None:
    # documents are embedded while an index is built; the bytes of their vectors depend on the number of threads
    code = "import papertrail.models.index_build, faiss, torch; torch.set_num_threads(3); torch.get_num_threads()"
    finish(start_python(tmp_path, "-c", f"{code}; assert faiss.omp_get_max_threads() == 3"))


# --- built from a collection ---


def test_an_index_is_built_from_its_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_search(tmp_path, {"tiny-search": make_retriever()}, {"papers": INDEX})
    monkeypatch.chdir(tmp_path)
    encoder = load_encoder(Path("encoder"), 32, "cpu")
    saver(encoder)("models/tiny-search")
    write_system("model", Path("models/tiny-search"))
    params = load_params()
    metrics = build_index(params.indexes["papers"], params, Path("data/index/papers"))
    loaded = load_index(Path("data/index/papers"), Path("models/tiny-search"), ["title", "abstract"])
    assert loaded.documents == sorted(make_collection(), key=lambda row: draw(params.seed, "index", row["id"]))
    assert metrics == {
        "count": 24,
        "dimension": 32,
        "queries": 20,
        "bytes": Path("data/index/papers", VECTORS).stat().st_size,
        "recall@10_of_exact": 1.0,
    }
    positions, _ = loaded.search(embed(encoder, [make_queries(20, 1)[0]["query"]], 8), 24)
    assert sorted(positions[0].tolist()) == list(range(24))
