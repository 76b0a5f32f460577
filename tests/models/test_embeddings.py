"""The store of vectors: what is read from it, and what makes a new entry."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from papertrail.models import embeddings
from papertrail.models.embeddings import STORE, embed_collection, embed_once, shuffle_documents
from papertrail.models.sentence_encoder import embed, load_encoder
from tests.fixtures.tiny_bert import write_tiny_bert

TEXTS = ["word alignment", "a longer text about parsing of sentences", "", "speech"]


@pytest.fixture
def tiny_bert(tmp_path: Path) -> Path:
    """The folder of a tiny encoder."""
    folder = tmp_path / "bert"
    folder.mkdir()
    return Path(write_tiny_bert(folder))


@pytest.fixture
def encoder(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A sentence encoder; the store is in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return load_encoder(tiny_bert, 16, "cpu")


def stored() -> list[Path]:
    return sorted(STORE.glob("*"))


def test_the_second_call_reads_what_the_first_wrote(encoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = embed_once(encoder, TEXTS, 2)
    np.testing.assert_array_equal(first, embed(encoder, TEXTS, 2))
    monkeypatch.setattr(embeddings, "embed", lambda *_: pytest.fail("embedded again"))
    np.testing.assert_array_equal(embed_once(encoder, TEXTS, 2), first)
    assert len(stored()) == 1


def test_an_encoder_that_was_saved_and_loaded_shares_vectors(encoder: Any, tmp_path: Path) -> None:
    embed_once(encoder, TEXTS, 2)
    encoder.save_pretrained(str(tmp_path / "saved"), create_model_card=False)
    embed_once(load_encoder(tmp_path / "saved", 16, "cpu"), TEXTS, 2)
    assert len(stored()) == 1


@pytest.mark.parametrize("change", ["text", "order", "batch", "length", "weights", "threads"])
def test_whatever_decides_the_bytes_makes_a_new_entry(
    change: str, encoder: Any, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed_once(encoder, TEXTS, 2)
    texts, batch_size = TEXTS, 2
    match change:
        case "text":
            texts = [*TEXTS[:-1], "speaker"]
        case "order":
            texts = TEXTS[::-1]
        case "batch":
            batch_size = 3
        case "length":
            encoder = load_encoder(tiny_bert, 8, "cpu")
        case "weights":
            encoder[0].model.encoder.layer[0].output.dense.bias.data[0] += 0.5
        case "threads":
            monkeypatch.setattr(embeddings.torch, "get_num_threads", lambda: 7)
    np.testing.assert_array_equal(embed_once(encoder, texts, batch_size), embed(encoder, texts, batch_size))
    assert len(stored()) == 2


def test_a_damaged_file_is_replaced(encoder: Any) -> None:
    vectors = embed_once(encoder, TEXTS, 2)
    [file] = stored()
    file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(embed_once(encoder, TEXTS, 2), vectors)
    np.testing.assert_array_equal(embed_once(encoder, TEXTS, 2), vectors)


def test_the_oldest_entries_are_deleted(encoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "STORED_FILES", 2)
    for text in TEXTS:
        embed_once(encoder, [text], 2)
    assert len(stored()) == 2


def test_a_collection_keeps_its_order(encoder: Any) -> None:
    documents = [{"id": f"d{number}"} for number in range(9)]
    texts = [f"{number} word alignment" for number in range(9)]
    assert shuffle_documents(documents, 1) != documents
    vectors = embed_collection(encoder, documents, texts, 2, seed=1)
    np.testing.assert_allclose(vectors, embed(encoder, texts, 2), atol=1e-6)
