"""Vectors of texts that several stages need: computed once, stored in checkpoints/embeddings, and read again.

The name of a stored file is a hash of everything that decides its bytes: texts, their batches, weights, tokenizer,
code, library versions and CPU settings. The folder is no output of the pipeline and may be deleted at any time.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from papertrail.core.artifacts import new_file, sha256_of
from papertrail.core.randomness import draw
from papertrail.core.records import Row
from papertrail.core.runtime import CAPS, cpu_info
from papertrail.models import kernels, sentence_encoder
from papertrail.models.sentence_encoder import embed

STORE = Path("checkpoints/embeddings")
STORED_FILES = 64  # the oldest are deleted
LIBRARIES = ("torch", "transformers", "tokenizers", "sentence-transformers", "numpy")
CODE = (__file__, kernels.__file__, sentence_encoder.__file__)
NO_EFFECT = {"_name_or_path", "architectures", "dtype", "transformers_version", "use_cache"}  # of a model's config
BATCHES_SORTED = 20  # batches whose texts are sorted by length together


def embed_once(encoder: Any, texts: list[str], batch_size: int) -> NDArray[np.float32]:
    """Return what `embed` returns, from the store if it has these vectors. On a GPU nothing is stored.

    Raises:
        OSError: The vectors cannot be written, such as on a full disk.
    """
    if encoder.device.type != "cpu" or not texts:
        return embed(encoder, texts, batch_size)
    file = STORE / f"{_key(encoder, texts, batch_size)}.safetensors"
    try:
        return load_file(file)["vectors"]
    except (FileNotFoundError, SafetensorError, KeyError):  # absent, or damaged outside the program
        vectors = embed(encoder, texts, batch_size)
    with new_file(file) as part:
        part.write_bytes(save({"vectors": vectors}))  # save_file would leave a file of another name when it is killed
    for old in sorted(STORE.glob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns)[:-STORED_FILES]:
        old.unlink(missing_ok=True)
    return vectors


def shuffle_documents(documents: list[Row], seed: int) -> list[Row]:
    """Return documents in a random order; index types that cluster are trained on the first vectors."""
    return sorted(documents, key=lambda document: draw(seed, "index", document["id"]))


def embed_documents(encoder: Any, texts: list[str], batch_size: int) -> Iterator[NDArray[np.float32]]:
    """Yield the vectors of texts, (texts, dimension), some batches at a time, so that memory is bounded."""
    size = BATCHES_SORTED * batch_size
    for start in range(0, len(texts), size):
        yield embed_once(encoder, texts[start : start + size], batch_size)


def embed_collection(
    encoder: Any, documents: list[Row], texts: list[str], batch_size: int, seed: int
) -> NDArray[np.float32]:
    """Return the vectors of all documents in their own order, embedded in the order and batches of stage index.

    Args:
        encoder: A sentence encoder.
        documents: Rows with an id, at least one.
        texts: The text of each document.
        batch_size: Texts of similar length that the encoder reads at a time.
        seed: Seed of the pipeline.
    """
    place = {document["id"]: position for position, document in enumerate(documents)}
    order = [place[document["id"]] for document in shuffle_documents(documents, seed)]
    shuffled = np.concatenate(list(embed_documents(encoder, [texts[position] for position in order], batch_size)))
    vectors = np.empty_like(shuffled)
    vectors[order] = shuffled
    return vectors


def _key(encoder: Any, texts: list[str], batch_size: int) -> str:
    config = {name: value for name, value in encoder[0].model.config.to_dict().items() if name not in NO_EFFECT}
    settings = [
        *(texts, batch_size, encoder.max_seq_length, config, str(encoder[1])),  # [1] is the pooling
        *(torch.get_num_threads(), cpu_info().get("model name"), [os.environ.get(name) for name in CAPS]),
        *([version(name) for name in LIBRARIES], [sha256_of(Path(file)) for file in CODE]),
    ]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=repr).encode())
    tokenizer = json.loads(encoder.tokenizer.backend_tokenizer.to_str())
    tokenizer |= {"padding": None, "truncation": None}  # as its last call left them
    digest.update(json.dumps(tokenizer).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()
