"""The sentence encoder: text of documents, vectors of length 1, truncation, dropout, positions."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from papertrail.core.artifacts import write_json
from papertrail.core.errors import ParamsError
from papertrail.models.sentence_encoder import count_truncated, document_text, embed, load_encoder
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_search import make_document, make_queries


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Any:
    return load_encoder(folder, 32, "cpu")


@pytest.mark.parametrize(
    ("title", "abstract", "inputs", "expected"),
    [
        ("A title", "An abstract.", ["title", "abstract"], "A title. An abstract"),
        ("A title.", "An abstract.", ["title", "abstract"], "A title. An abstract"),
        ("A title", "An abstract", ["abstract", "title"], "An abstract. A title"),
        ("A title", "", ["title", "abstract"], "A title"),
        ("", "An abstract", ["title", "abstract"], "An abstract"),
        ("A title", "An abstract", ["title"], "A title"),
        ("", "", ["title", "abstract"], ""),
    ],
)
def test_a_document_is_its_non_empty_inputs(title: str, abstract: str, inputs: list[str], expected: str) -> None:
    assert document_text(make_document("d", title, abstract), inputs) == expected


def test_truncated_texts_are_counted(encoder: Any) -> None:
    assert count_truncated(encoder, ["", "we", "we " * 30, "we " * 31]) == 1  # [CLS] and [SEP] are two of 32


def test_vectors_have_length_one_and_keep_the_order(encoder: Any) -> None:
    texts = [row["query"] for row in make_queries(30)] + ["", "we " * 10_000]
    vectors = embed(encoder, texts, 4)
    assert vectors.dtype == np.float32
    assert vectors.shape == (32, 32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(embed(encoder, texts, 4), vectors)
    np.testing.assert_allclose(embed(encoder, texts[::-1], 4)[::-1], vectors, atol=1e-6)
    np.testing.assert_allclose(embed(encoder, texts, 32), vectors, atol=1e-6)
    np.testing.assert_allclose(embed(encoder, ["we " * 40], 1)[0], vectors[-1], atol=1e-6)  # truncated at 32 tokens


def test_no_texts_have_no_vectors(encoder: Any) -> None:
    assert len(embed(encoder, [], 4)) == 0


def test_dropout_is_off_when_texts_are_embedded(folder: Path) -> None:
    rates = {"hidden_dropout_prob": 0.5, "attention_probs_dropout_prob": 0.5}
    encoder = load_encoder(folder, 32, "cpu", rates)
    assert {module.p for module in encoder.modules() if isinstance(module, torch.nn.Dropout)} == {0.5}
    encoder.train()
    np.testing.assert_array_equal(embed(encoder, ["we rank"], 1), embed(encoder, ["we rank"], 1))


def test_more_tokens_than_positions_are_an_error(folder: Path) -> None:
    with pytest.raises(ParamsError, match=r"models: max_tokens: 129, but .* has 128 positions; lower it"):
        load_encoder(folder, 129, "cpu")
    assert load_encoder(folder, 128, "cpu").max_seq_length == 128


def test_a_saved_encoder_keeps_its_pooling(folder: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    shutil.copytree(folder, saved)
    old = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    for name, config in {"old": old, "new": {"embedding_dimension": 32, "pooling_mode": "cls"}}.items():
        write_json(config, saved / "1_Pooling/config.json")
        encoder = load_encoder(saved, 32, "cpu")
        texts = ["we rank", "the graph of the table"]
        states = encoder[0].model(**encoder.tokenizer(texts, padding=True, return_tensors="pt")).last_hidden_state
        first = torch.nn.functional.normalize(states[:, 0]).detach().numpy()
        np.testing.assert_allclose(embed(encoder, texts, 2), first, atol=1e-6, err_msg=name)
    encoder.save_pretrained(str(tmp_path / "again"), create_model_card=False)
    np.testing.assert_array_equal(
        embed(load_encoder(tmp_path / "again", 32, "cpu"), texts, 2), embed(encoder, texts, 2)
    )


def test_an_encoder_with_other_modules_is_refused(folder: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    shutil.copytree(folder, saved)
    types = ("Transformer", "Pooling", "Dense", "Normalize")
    modules = [{"idx": n, "type": f"sentence_transformers.models.{name}"} for n, name in enumerate(types)]
    (saved / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    with pytest.raises(
        ParamsError, match=r"base_model: .*saved has a module Dense; only sentence encoders of Transform"
    ):
        load_encoder(saved, 32, "cpu")
