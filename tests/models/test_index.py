"""Written indexes: they load, they replace a folder as a whole, and damaged or outdated ones are errors."""

import json
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest

from papertrail.core.errors import DataError
from papertrail.core.params import Index
from papertrail.core.parquet import read_rows, write_rows
from papertrail.core.records import Row
from papertrail.models.index import DOCUMENTS, MANIFEST, VECTORS, Loaded, load_index
from papertrail.models.index_build import FEATURES, write_index
from papertrail.models.ranking import bm25_ranking, fuse
from papertrail.models.search_systems import FILE, SYSTEMS, System, best_system, write_system
from tests.fixtures.tiny_search import INDEX, make_document
from tests.fixtures.vectors import COUNT, DIMENSION, build_vectors, draw_vectors

INPUTS = ["title", "abstract"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a folder with files; only their names and contents matter here."""
    folder = tmp_path / "models/tiny-search"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "1_Pooling/config.json").write_text("{}", encoding="utf-8")
    write_system("model", folder)
    return folder


@pytest.fixture
def written(tmp_path: Path, model: Path) -> Path:
    """Return a written index of 12 documents."""
    folder = tmp_path / "data/index/papers"
    write_index(build_vectors("Flat", draw_vectors(12)), make_documents(12), model, Index(**INDEX), folder)
    return folder


def make_documents(count: int) -> list[Row]:
    return [make_document(f"{number:02}", f"title {number}", "words") for number in range(count)]


def test_a_written_index_is_loaded(written: Path, model: Path) -> None:
    loaded = load_index(written, model, INPUTS)
    assert loaded.documents == make_documents(12)
    positions, cosines = loaded.search(draw_vectors(12), 3)
    assert positions[:, 0].tolist() == list(range(12))
    np.testing.assert_allclose(cosines[:, 0], 1, atol=1e-6)
    assert loaded.search(draw_vectors(1), 14)[0][0, -2:].tolist() == [-1, -1]  # there are only twelve


def test_files_are_readable_without_the_manifest(written: Path) -> None:
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


def test_a_new_index_replaces_the_whole_folder(written: Path, model: Path) -> None:
    left = written.with_name("papers.part")
    left.mkdir()
    (left / "left over").touch()
    (written / "of another version").touch()
    index = build_vectors("SQ8", draw_vectors(7))
    write_index(index, make_documents(7), model, replace(Index(**INDEX), factory="SQ8"), written)
    assert len(load_index(written, model, INPUTS).documents) == 7
    assert sorted(path.name for path in written.iterdir()) == sorted([DOCUMENTS, MANIFEST, VECTORS])
    assert not left.exists()


def test_a_full_disk_is_an_os_error_and_keeps_the_old_index(written: Path, model: Path) -> None:
    before = {path.name: path.read_bytes() for path in written.iterdir()}
    index = build_vectors("Flat", draw_vectors(COUNT))  # 19,200 bytes
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


DIFFERS = "missing, or differs from the manifest; `dvc repro index` rebuilds it"
NOT_A_MANIFEST = r"manifest\.json: not a manifest \(.*\); `dvc repro index` rebuilds it"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: cut(folder / VECTORS), rf"vectors\.faiss: {DIFFERS}"),
        (lambda folder: (folder / VECTORS).unlink(), rf"vectors\.faiss: {DIFFERS}"),
        (change_documents, rf"documents\.parquet: {DIFFERS}"),
        (lambda folder: (folder / DOCUMENTS).unlink(), rf"documents\.parquet: {DIFFERS}"),
        (lambda folder: (folder / MANIFEST).unlink(), r"manifest\.json: no such file; `dvc repro index` builds the in"),
        (lambda folder: cut(folder / MANIFEST), NOT_A_MANIFEST),
        (lambda folder: (folder / MANIFEST).write_bytes(b"[]"), NOT_A_MANIFEST),
        (lambda folder: (folder / MANIFEST).write_bytes(b"{}"), NOT_A_MANIFEST),
        (lambda folder: (folder / MANIFEST).write_bytes(b"\xff\xfe"), NOT_A_MANIFEST),
        (lambda folder: change_manifest(folder, vectors_sha256="0" * 64), rf"vectors\.faiss: {DIFFERS}"),
    ],
)
def test_a_damaged_index_is_an_error(damage: Callable[[Path], None], message: str, written: Path, model: Path) -> None:
    damage(written)
    with pytest.raises(DataError, match=message):
        load_index(written, model, INPUTS)


@pytest.mark.parametrize("file", ["model.safetensors", "1_Pooling/config.json", "new.json"])
def test_an_index_of_another_model_is_an_error(file: str, written: Path, model: Path) -> None:
    (model / file).write_bytes(b"other")
    with pytest.raises(DataError, match=r"papers: built by another model than .*tiny-search; `dvc repro index`"):
        load_index(written, model, INPUTS)


def test_a_model_in_another_folder_is_the_same_model(written: Path, model: Path, tmp_path: Path) -> None:
    assert load_index(written, model.rename(tmp_path / "moved"), INPUTS).manifest["count"] == 12


# --- systems ---


def load_with(system: System, factory: str, model: Path) -> Loaded:
    """Return an index of COUNT documents of which the first has the word `graph`."""
    write_system(system, model)
    documents = make_documents(COUNT)
    documents[0]["abstract"] = "graph"
    folder = model.parent / f"{system} {factory}"
    write_index(build_vectors(factory, draw_vectors(COUNT)), documents, model, Index(**INDEX), folder)
    return load_index(folder, model, INPUTS)


def test_the_system_of_the_model_ranks(model: Path) -> None:
    queries = draw_vectors(COUNT)[3:5]
    texts, questions = [f"title {number:02}. words" for number in range(COUNT)], ["graph", "nothing known"]
    texts[0] = "title 0. graph"
    lexical = bm25_ranking(questions, texts, 101)
    vectors = load_with("model", "Flat", model)
    assert vectors.bm25 is None
    near = vectors.search(queries, 101)
    np.testing.assert_array_equal(vectors.rank(questions, queries, 101, 60), near)
    positions, scores = load_with("bm25", "Flat", model).rank(questions, queries, 5, 60)
    assert positions.tolist() == [[0, -1, -1, -1, -1], [-1] * 5] and scores[0, 0] > 0
    hybrid = load_with("hybrid", "Flat", model).rank(questions, queries, 5, 60)
    np.testing.assert_array_equal(hybrid, fuse([lexical, near[0]], 60, 5, COUNT))
    assert load_with("hybrid", "Flat", model).rank(questions, queries, COUNT, 60)[0][1, 101:].max() == -1


@pytest.mark.parametrize("factory", ["Flat", "HNSW32", "IVF4,Flat", "IVF4,SQ8", "SQ8", "OPQ4_8,IVF4,PQ4"])
def test_cosines_are_those_of_the_vectors_of_the_index(factory: str, model: Path) -> None:
    loaded, queries = load_with("hybrid", factory, model), draw_vectors(COUNT)[3:5]
    positions, expected = loaded.search(queries, 3)
    np.testing.assert_allclose(loaded.cosines(queries, positions), expected, atol=1e-5)


def test_of_equal_systems_the_simplest_to_explain_answers() -> None:
    assert best_system({"model": 0.2, "bm25": 0.2, "hybrid": 0.3}) == "hybrid"
    assert best_system({"model": 0.2, "bm25": 0.2, "hybrid": 0.2, "untuned": 1.0}) == "model" == next(iter(SYSTEMS))


@pytest.mark.parametrize(("text", "problem"), [("", "cannot be read"), ('{"answers_with": "x"}', "got 'x'")])
def test_an_unreadable_choice_of_the_system_is_an_error(text: str, problem: str, model: Path) -> None:
    (model / FILE).write_text(text, encoding="utf-8")
    folder = model.parent / "index"
    write_index(build_vectors("Flat", draw_vectors(12)), make_documents(12), model, Index(**INDEX), folder)
    with pytest.raises(DataError, match=f"search.json: .*{problem}"):
        load_index(folder, model, INPUTS)
