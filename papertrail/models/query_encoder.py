"""A saved sentence encoder that answers without sentence-transformers, whose import takes longer than a search.

Its vectors are those of the library, bit by bit; tests/models/test_query_encoder.py compares them.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from papertrail.models.kernels import make_portable
from papertrail.models.sentence_encoder import POOLING, check_modules


class QueryEncoder(nn.Module):
    """A network with mean or CLS pooling and normalisation.

    Attributes:
        network: The encoder.
        tokenizer: Its tokenizer.
        max_seq_length: Longer texts are truncated.
        pooling: "mean" or "cls".
    """

    def __init__(self, network: Any, tokenizer: Any, max_seq_length: int, pooling: str) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.max_seq_length = max_seq_length
        self.pooling = pooling

    @torch.inference_mode()
    def encode(self, texts: list[str], batch_size: int = 32, **_: Any) -> NDArray[np.float32]:
        """Return the vectors of texts, (texts, dimension), each of length 1; the longest texts are read first."""
        order = np.argsort([-len(text) for text in texts])
        batches = [order[start : start + batch_size] for start in range(0, len(texts), batch_size)]
        vectors = torch.cat([self._forward([texts[place] for place in batch]) for batch in batches])
        return vectors.float().cpu().numpy()[np.argsort(order)]

    def _forward(self, texts: list[str]) -> Tensor:
        encoded = self.tokenizer(
            texts, padding=True, truncation="longest_first", max_length=self.max_seq_length, return_tensors="pt"
        ).to(self.network.device)
        tokens = self.network(**encoded).last_hidden_state  # (texts, tokens, dimension)
        if self.pooling == "cls":
            pooled = tokens[:, 0]
        else:
            mask = encoded["attention_mask"].unsqueeze(-1).expand(tokens.size()).to(tokens.dtype)
            pooled = (tokens * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return nn.functional.normalize(pooled, p=2, dim=-1)


def load_query_encoder(folder: Path, max_tokens: int, device: str) -> Any:
    """Load a saved encoder; one with another pooling is loaded by sentence-transformers.

    Args:
        folder: A saved SentenceTransformer.
        max_tokens: Longer texts are truncated.
        device: "cpu" or "cuda".

    Raises:
        ParamsError: The encoder has further modules, such as a dense layer.
        OSError, ValueError: A file is missing or broken.
    """
    check_modules(folder)
    file = folder / POOLING / "config.json"
    config = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"pooling_mode": "mean"}
    pooling = config.get("pooling_mode")
    if pooling not in ("mean", "cls") or not config.get("include_prompt", True):
        from papertrail.models.sentence_encoder import load_encoder

        return load_encoder(folder, max_tokens, device)
    network = make_portable(AutoModel.from_pretrained(folder, local_files_only=True))
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return QueryEncoder(network, tokenizer, max_tokens, pooling).to(device).eval()
