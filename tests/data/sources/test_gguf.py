"""Conversion of a GGUF file that the package of llama.cpp writes."""

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, TokenType
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from papertrail.core.errors import SourceError
from papertrail.data.sources.gguf import convert_gguf
from tests.fixtures.tiny_bert import write_model
from tests.fixtures.tiny_generators import END, build_byte_tokenizer, byte_pieces, llama_config
from tests.fixtures.tiny_runs import read_files

LAYER = {  # name in transformers -> name in llama.cpp
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    **{f"model.layers.{i}.{name}.weight": f"blk.{i}.{short}.weight" for i in range(2) for name, short in LAYER.items()},
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a tiny Llama with matrices of 4 bits, as in the file of SmolLM2."""
    return write_gguf(tmp_path_factory.mktemp("packed") / "tiny.gguf", GGMLQuantizationType.Q4_1)


def write_gguf(file: Path, kind: GGMLQuantizationType) -> Path:
    """Write a tiny Llama as GGUF, and as a from_pretrained folder `plain` beside it."""
    config = llama_config(build_byte_tokenizer())
    model = LlamaForCausalLM(config)
    write_model(model, file.parent / "plain")
    writer = GGUFWriter(file, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    add_tokenizer(writer)
    for name, weights in model.state_dict().items():
        if name in NAMES:  # without lm_head, which is the embedding
            values = weights.numpy()
            heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
            if (module := name.split(".")[-2]) in heads:
                values = interleave(values, heads[module])
            raw = kind if values.ndim == 2 else GGMLQuantizationType.F32
            writer.add_tensor(NAMES[name], gguf.quants.quantize(values, raw), raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def interleave(values: np.ndarray, heads: int) -> np.ndarray:
    """Return the rows of a head in llama.cpp's order, whose rotary embedding pairs neighbours instead of halves."""
    return values.reshape(heads, 2, -1, values.shape[1]).swapaxes(1, 2).reshape(values.shape)


def add_tokenizer(writer: GGUFWriter) -> None:
    """Add the byte tokenizer of the fixtures."""
    pieces, merges = byte_pieces()
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(pieces)
    writer.add_token_types([TokenType.CONTROL if piece == END else TokenType.NORMAL for piece in pieces])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(pieces.index(END))


def unpack(file: Path) -> dict[str, np.ndarray]:
    """Return the dequantised tensors, by the package of llama.cpp."""
    return {tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type) for tensor in GGUFReader(file).tensors}


def test_weights_equal_the_dequantised_tensors(packed: Path, tmp_path: Path) -> None:
    convert_gguf(packed, tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    config = model.config
    expected = unpack(packed)
    assert len(expected) == len(NAMES)
    state = model.state_dict()
    for name, short in NAMES.items():
        values = state[name].numpy()
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        if (module := name.split(".")[-2]) in heads:
            values = interleave(values, heads[module])
        np.testing.assert_array_equal(values, expected[short], err_msg=name)
    assert {weights.dtype for weights in state.values()} == {torch.float32}
    assert torch.equal(state["lm_head.weight"], state["model.embed_tokens.weight"])
    plain = llama_config(build_byte_tokenizer())
    for name in ("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "max_position_embeddings"):
        assert getattr(config, name) == getattr(plain, name), name
    assert getattr(config, "quantization_config", None) is None


def test_unquantised_weights_give_the_same_model(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", GGMLQuantizationType.F32)
    convert_gguf(file, tmp_path / "model")
    before, after = (AutoModelForCausalLM.from_pretrained(tmp_path / name).eval() for name in ("plain", "model"))
    ids = torch.arange(40)[None]
    with torch.no_grad():
        torch.testing.assert_close(after(ids).logits, before(ids).logits)


def test_the_tokenizer_gives_the_same_tokens(packed: Path, tmp_path: Path) -> None:
    convert_gguf(packed, tmp_path)
    converted, original = AutoTokenizer.from_pretrained(tmp_path), build_byte_tokenizer()
    assert converted.eos_token == END
    assert len(converted) == len(original)
    for text in ("we use the tree.", "a paper,  2 tables\nof text", "na\u00efve \u20ac5", f"see{END}\nthe", ""):
        ids = converted(text).input_ids
        assert ids == original(text).input_ids
        assert converted.decode(ids) == text


def test_a_repeated_conversion_gives_the_same_bytes(packed: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        convert_gguf(packed, tmp_path / name)
    first, second = (read_files(tmp_path / name, ".") for name in ("first", "second"))
    assert first == second
    assert {"config.json", "model.safetensors", "tokenizer.json"} < first.keys()
    assert not any(name.endswith(".gguf") for name in first)


def test_a_file_that_is_not_gguf_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    for content in (
        b"",
        b"GGUF",
        b"<html>not found</html>" * 100,
        bytes(5000),
        b"GGUF\x03\x00\x00\x00" + b"\xff" * 500,
    ):
        file.write_bytes(content)
        with pytest.raises(SourceError, match=r"^tiny\.gguf: not a GGUF file that transformers reads: "):
            convert_gguf(file, tmp_path / "model")
        assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("share", [0.001, 0.05, 0.15, 0.25, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_an_error(share: float, packed: Path, tmp_path: Path) -> None:
    content = packed.read_bytes()
    (tmp_path / "tiny.gguf").write_bytes(content[: int(share * len(content))])
    with pytest.raises(SourceError, match=r"^tiny\.gguf: not a GGUF file"):
        convert_gguf(tmp_path / "tiny.gguf", tmp_path / "model")
    assert not (tmp_path / "model").exists()
