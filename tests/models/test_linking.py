"""Similarities of citations and entries, compared with the plain libraries, and their fusion."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax

from papertrail.models.linking import (
    FILE,
    Citation,
    Fusion,
    bm25_similarities,
    combine,
    cosine_similarities,
    group_citations,
    load_linker,
    standardise,
)
from papertrail.models.ranking import bm25_scores
from papertrail.models.sentence_encoder import load_encoder
from tests.fixtures.tiny_bert import write_tiny_bert

TREES = ("a tree", "a graph", "the tree of words")
CITATIONS = [
    Citation("we use a tree", TREES),
    Citation("the graph of words", ("a word", "a graph")),
    Citation("words of the tree", TREES),
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_encoder(write_tiny_bert(tmp_path_factory.mktemp("encoder")), 32, "cpu")


def test_rows_of_a_query_become_a_citation() -> None:
    rows = [{"query": q, "c": f"context {q}", "e": entry} for q, entry in (("1", "a"), ("1", "b"), ("0", "a"))]
    assert group_citations(rows, ["c", "e"]) == [Citation("context 1", ("a", "b")), Citation("context 0", ("a",))]


def test_cosines_are_those_of_single_texts_and_each_text_is_encoded_once(
    encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    encode = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda batch, **more: texts.extend(batch) or encode(batch, **more))
    similarities = cosine_similarities(encoder, CITATIONS, 2)
    assert len(texts) == len(set(texts)) == 7
    for citation, values in zip(CITATIONS, similarities, strict=True):
        vectors = torch.from_numpy(encode([citation.context, *citation.entries]))
        expected = torch.nn.functional.cosine_similarity(vectors[:1], vectors[1:])
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_bm25_has_the_word_statistics_of_each_bibliography() -> None:
    for citation, values in zip(CITATIONS, bm25_similarities(CITATIONS), strict=True):
        np.testing.assert_array_equal(values, bm25_scores([citation.context], citation.entries)[0])


def test_entries_without_a_word_have_the_score_0() -> None:
    (values,) = bm25_similarities([Citation("we use a tree", ("the", "?"))])
    assert values.tolist() == [0, 0]


def test_standardised_scores_have_mean_0_and_deviation_1() -> None:
    values = standardise(np.array([1.0, 2.0, 6.0]))
    assert (values.mean(), values.std()) == (pytest.approx(0), pytest.approx(1))
    assert standardise(np.array([3.0, 3.0])).tolist() == [0, 0]
    assert standardise(np.array([3.0])).tolist() == [0]


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_probabilities_are_a_softmax_of_the_weighted_sum(weight: float) -> None:
    cosine, bm25 = [np.array([0.9, 0.1, 0.2])], [np.array([0.0, 2.0, 4.0])]
    fused = weight * standardise(cosine[0]) + (1 - weight) * standardise(bm25[0])
    np.testing.assert_allclose(combine(cosine, bm25, weight), [fused])
    (values,) = Fusion(weight=weight, temperature=0.5).probabilities(cosine, bm25)
    np.testing.assert_allclose(values, softmax(2 * fused))
    assert values.sum() == pytest.approx(1)


@pytest.mark.parametrize("content", ["{", '{"weight": 0.5}', '{"weight": 0.5, "temperature": 1.0, "more": 1}'])
def test_a_broken_fusion_is_an_error(tmp_path: Path, content: str) -> None:
    Fusion(weight=0.5, temperature=1.0).save(str(tmp_path))
    assert json.loads((tmp_path / FILE).read_text(encoding="utf-8")) == {"weight": 0.5, "temperature": 1.0}
    (tmp_path / FILE).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError):
        load_linker(tmp_path, 32, "cpu")
