"""Search in an index: cosines compared with plain numpy, similar papers, the untuned model, and errors."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from papertrail.core.errors import DataError
from papertrail.inference import hits
from papertrail.inference.hits import find_similar, search, search_untuned
from papertrail.inference.load import Model, load
from papertrail.models.ranking import bm25_ranking, fuse, top
from papertrail.models.search_systems import SYSTEMS, System
from papertrail.models.sentence_encoder import document_text, embed
from tests.fixtures.tiny_models import rewrite_params, write_index_of, write_models


def test_hits_are_ranked_by_cosine(load_tiny: Callable[[str], Model]) -> None:
    model = load_tiny("semantic_search")
    answers = search(model, ["the graph", "word " * 100], 3)
    texts = [document_text(document, ["title", "abstract"]) for document in model.index.documents]
    vectors = model.network.encode(texts)
    query = model.network.encode(["the graph"])[0]
    best = np.sort(vectors @ query)[::-1][:3]
    assert [hit["cosine_similarity"] for hit in answers[0]["hits"]] == pytest.approx(best, abs=1e-5)
    assert [hit["rank"] for hit in answers[0]["hits"]] == [1, 2, 3] and answers[0]["hits"][0]["year"] is None
    assert [answer["cut"] for answer in answers] == [False, True]
    assert len(search(model, ["a"], 10_000)[0]["hits"]) == len(model.index.documents)
    with pytest.raises(DataError, match="query 1 of 1 is empty"):
        search(model, [" "], 3)


@pytest.mark.parametrize(("system", "name"), SYSTEMS.items())
def test_the_system_of_the_model_orders_the_hits(
    system: System, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = write_models(tmp_path)
    write_index_of(tmp_path, params, system)
    monkeypatch.chdir(tmp_path)
    model = load(params, "semantic_search", None)
    texts = [document_text(document, ["title", "abstract"]) for document in model.index.documents]
    (answer,) = search(model, [texts[4]], 5)
    assert answer["system"] == name and answer["hits"]
    cosines = embed(model.network, texts, 8) @ embed(model.network, [texts[4]], 8)[0]
    lexical, near = bm25_ranking([texts[4]], texts, 24), top(cosines[None], 24)[0]
    expected = {"model": near, "bm25": lexical, "hybrid": fuse([lexical, near], 60, 24, 24)[0]}[system]
    ids = [document["id"] for document in model.index.documents]
    assert [hit["id"] for hit in answer["hits"]] == [ids[i] for i in expected[0][:5] if i >= 0]
    for hit in answer["hits"]:
        assert hit["cosine_similarity"] == pytest.approx(cosines[ids.index(hit["id"])], abs=1e-5)
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True) and min(scores) > 0
    (similar,) = find_similar(model, [ids[3]], 5)
    assert similar["system"] == SYSTEMS["model"]
    assert all(hit["score"] == hit["cosine_similarity"] for hit in similar["hits"])


def test_the_paper_itself_is_not_similar(load_tiny: Callable[[str], Model]) -> None:
    model = load_tiny("semantic_search")
    document = model.index.documents[4]
    by_id, by_title = find_similar(model, [document["id"], document["title"].upper() + "!"], 3)
    assert by_id == by_title and by_id["paper"]["id"] == document["id"]
    assert [hit["rank"] for hit in by_id["hits"]] == [1, 2, 3]
    assert document["id"] not in {hit["id"] for hit in by_id["hits"]}
    with pytest.raises(DataError, match=r"no paper 'topic04x' among the 24 of the index; the nearest is '.+'"):
        find_similar(model, ["topic04x"], 3)


@pytest.mark.parametrize("name", ["", " \t"])
def test_an_empty_name_is_refused(load_tiny: Callable[[str], Model], name: str) -> None:
    with pytest.raises(DataError, match="the name of the paper is empty"):
        find_similar(load_tiny("semantic_search"), [name], 3)


def test_the_suggestion_for_a_misspelt_title_is_by_its_letters(
    load_tiny: Callable[[str], Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_tiny("semantic_search")
    document = model.index.documents[9]
    misspelt = document["title"].upper().replace("E", "EE", 1)
    monkeypatch.setattr(hits, "search", lambda *_: pytest.fail("vectors do not recognise typos"))
    with pytest.raises(DataError, match=re.escape(f"nearest is '{document['title']}' (id {document['id']})")):
        find_similar(model, [misspelt], 3)


def test_without_any_hit_there_is_no_suggestion(
    load_tiny: Callable[[str], Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_tiny("semantic_search")
    monkeypatch.setattr(type(model.index), "search", lambda *_: (np.array([[-1]]), np.array([[0.0]])))
    with pytest.raises(DataError, match=r"no paper 'zzz' among the 24 of the index; expected an id or a title"):
        find_similar(model, ["zzz"], 3)


def test_the_untuned_model_finds_the_same_before_any_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny retriever is a copy of its base model."""
    params = write_models(tmp_path)
    monkeypatch.chdir(tmp_path)
    model = load(params, "semantic_search", None)
    (tuned,), (untuned,) = search(model, ["the graph"], 5), search_untuned(model, ["the graph"], 5)
    assert [hit["id"] for hit in tuned["hits"]] == [hit["id"] for hit in untuned]
    cosines = [hit["cosine_similarity"] for hit in untuned]
    assert [hit["cosine_similarity"] for hit in tuned["hits"]] == pytest.approx(cosines, abs=1e-5)
    with pytest.raises(DataError, match="query 2 of 2 is empty"):
        search_untuned(model, ["a", ""], 5)
    (tmp_path / "encoder").rename(tmp_path / "away")
    with pytest.raises(DataError, match="encoder: the base model is missing; `dvc repro finetune@tiny-search`"):
        search_untuned(model, ["a"], 5)


def test_the_untuned_model_has_the_precision_of_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_models(tmp_path)
    params = rewrite_params(tmp_path, runtime={"level": "native", "threads": 1, "precision": "bf16"})
    write_index_of(tmp_path, params)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("papertrail.inference.load.configure", lambda _: None)  # torch is imported already
    monkeypatch.setattr("papertrail.inference.load.start", lambda *_: None)
    types: set[torch.dtype] = set()

    def record(encoder: Any, texts: list[str], batch_size: int) -> Any:
        types.update(weight.dtype for weight in encoder.parameters())
        return embed(encoder, texts, batch_size)

    monkeypatch.setattr("papertrail.models.sentence_encoder.embed", record)
    model = load(params, "semantic_search", None)
    search(model, ["tree"], 1)
    search_untuned(model, ["tree"], 1)
    assert types == {torch.bfloat16}
