"""GGUF, the file of llama.cpp: weights of a few bits and a tokenizer, made into a plain from_pretrained folder."""

import struct
from pathlib import Path

from scholar.errors import SourceError, full_disk_told


def convert_gguf(file: Path, folder: Path) -> None:
    """Write the weights as 32-bit safetensors, exactly what the few bits stand for, with config and tokenizer.

    Raises:
        SourceError: the library does not read the file.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # seconds that other sources need not wait
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]

    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            local_files_only=True,
            dtype="float32",
            quantization_config=GgufConfig(dequantize=True),
        )
    except (ValueError, KeyError, IndexError, NotImplementedError, OSError, OverflowError, struct.error) as error:
        raise SourceError(f"{file.name}: not a GGUF file that transformers reads: {error}") from None
    with full_disk_told(folder):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
