"""GGUF, the file format of llama.cpp: quantised weights and a tokenizer, converted to a from_pretrained folder."""

import struct
from pathlib import Path

from papertrail.core.errors import SourceError, report_full_disk


def convert_gguf(file: Path, folder: Path) -> None:
    """Write the dequantised weights as 32-bit safetensors, with config and tokenizer.

    Raises:
        SourceError: transformers cannot read the file.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # slow imports that other sources avoid
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
    with report_full_disk(folder):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
