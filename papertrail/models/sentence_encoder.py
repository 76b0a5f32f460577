"""Bi-encoder for search, by sentence-transformers: one vector of length 1 per text."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import AutoConfig

from papertrail.core.errors import ParamsError
from papertrail.core.records import Row
from papertrail.models.kernels import make_portable
from papertrail.models.loading import check_positions, keep_own_names

Encode = Callable[[Any, list[str], int], NDArray[np.float32]]  # `embed`, or `papertrail.models.embeddings.embed_once`
POOLING = "1_Pooling"  # folder in that of a saved SentenceTransformer
MODULES = ("Transformer", "Pooling", "Normalize")


def load_encoder(folder: Path, max_tokens: int, device: str, dropout: dict[str, float] | None = None) -> Any:
    """Load a SentenceTransformer with its own pooling, mean pooling if it has none, and normalisation.

    Args:
        folder: A pretrained encoder, or a saved SentenceTransformer.
        max_tokens: Longer texts are truncated.
        device: "cpu" or "cuda".
        dropout: Values of the encoder's config to replace.

    Raises:
        ParamsError: max_tokens exceeds the positions of the encoder, or it has further modules, such as a dense layer.
    """
    from sentence_transformers import SentenceTransformer  # takes seconds to import
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    check_modules(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    check_positions("models: max_tokens", max_tokens, str(folder), config)
    transformer = Transformer(str(folder), max_seq_length=max_tokens, config_kwargs=dropout or {})
    keep_own_names(make_portable(transformer.model))
    has_pooling = (folder / POOLING / "config.json").is_file()
    pooling = Pooling.load(str(folder / POOLING)) if has_pooling else None
    return SentenceTransformer(
        modules=[transformer, pooling or Pooling(transformer.get_embedding_dimension(), "mean"), Normalize()],
        device=device,
        local_files_only=True,
    )


def check_modules(folder: Path) -> None:
    """Check that a saved encoder has no other modules than MODULES.

    Raises:
        ParamsError: It has one, such as a dense layer.
    """
    file = folder / "modules.json"
    if not file.is_file():
        return
    modules = [str(module["type"]).rpartition(".")[2] for module in json.loads(file.read_text(encoding="utf-8"))]
    if unknown := [name for name in modules if name not in MODULES]:
        raise ParamsError(
            f"params.yaml: models: base_model: {folder} has a module {unknown[0]}; only sentence encoders of "
            f"{', '.join(MODULES)} can be read; use another base model"
        )


def embed(encoder: Any, texts: list[str], batch_size: int) -> NDArray[np.float32]:
    """Return the vectors of texts, (texts, dimension), each of length 1.

    The library sorts texts by length and pads each batch to its longest text.
    """
    vectors = encoder.encode(texts, batch_size=batch_size, show_progress_bar=sys.stderr.isatty(), convert_to_numpy=True)
    return np.ascontiguousarray(vectors, dtype=np.float32)


def document_text(document: Row, inputs: Sequence[str]) -> str:
    """Return the non-empty columns of a document, joined by `. `."""
    return ". ".join(str(document[name]).rstrip(". ") for name in inputs if document[name])


def count_truncated(encoder: Any, texts: list[str]) -> int:
    """Return how many texts are longer than the maximum of the encoder."""
    encoded = encoder.tokenizer(texts, truncation=True, max_length=encoder.max_seq_length)
    return sum(bool(encoding.overflowing) for encoding in encoded.encodings)
