"""Portable products equal the products that they replace, and so do their gradients."""

import copy
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.models.t5.modeling_t5 import T5Attention

from papertrail.models import kernels
from papertrail.models.guard import refuse_unportable
from papertrail.models.kernels import attend, is_portable_length, is_portable_product, make_portable, portable_length


def test_rules() -> None:
    assert is_portable_product(4, 24, 192)
    assert not is_portable_product(3, 24, 192)
    assert not is_portable_product(4, 23, 192)
    assert not is_portable_product(4, 24, 200)
    assert is_portable_product(2, 3, 1)  # nothing is added
    assert [length for length in range(1, 500) if not is_portable_length(length)] == [
        *range(193, 257),
        *range(257, 384, 2),
    ]


@pytest.mark.parametrize("length", [1, 23, 192, 193, 256, 257, 258, 383, 384, 30522])
def test_portable_length_is_the_next_one(length: int) -> None:
    padded = portable_length(length, kernels.MIN_COLUMNS)
    assert is_portable_length(padded) and padded >= max(length, kernels.MIN_COLUMNS)
    assert padded <= max(length + 1, 264 if 193 <= length <= 256 else 24)


def gradients(output: torch.Tensor, *inputs: torch.Tensor) -> list[torch.Tensor]:
    return [output, *torch.autograd.grad(output, inputs, torch.sin(torch.arange(output.numel())).view_as(output))]


def assert_close(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> None:
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("shape", [(1, 3), (3, 64), (8, 25), (2, 100), (5, 256)])
@pytest.mark.parametrize(("features", "outputs"), [(64, 2), (256, 64), (16, 576), (7, 201)])
def test_linear_equals_torch(shape: tuple[int, int], features: int, outputs: int) -> None:
    torch.manual_seed(1)
    inputs = torch.randn(*shape, features, requires_grad=True)
    weight, bias = torch.randn(outputs, features, requires_grad=True), torch.randn(outputs, requires_grad=True)
    with refuse_unportable():
        ours = gradients(kernels.linear(inputs, weight, bias), inputs, weight, bias)
    assert_close(ours, gradients(functional.linear(inputs, weight, bias), inputs, weight, bias))


def test_linear_of_a_strided_batch_is_one_product() -> None:
    """As when a language model takes the last token of each text."""
    inputs, weight = torch.randn(6, 5, 64)[:, -1:], torch.randn(390, 64)
    with refuse_unportable() as products:
        ours = kernels.linear(inputs, weight)
    assert products == {("mm", (6, 390, 64)): 1}
    torch.testing.assert_close(ours, functional.linear(inputs, weight))


@pytest.mark.parametrize(("queries", "documents"), [(1, 1), (3, 7), (64, 64), (100, 200), (260, 261)])
def test_similarity_is_the_cosine(queries: int, documents: int) -> None:
    a, b = torch.randn(queries, 384, requires_grad=True), torch.randn(documents, 384, requires_grad=True)
    with refuse_unportable():
        ours = gradients(kernels.similarity(a, b), a, b)
    assert_close(ours, gradients(functional.normalize(a) @ functional.normalize(b).T, a, b))


SIZES = [(1, 9, 8), (3, 3, 32), (33, 33, 32), (40, 40, 64), (200, 200, 32), (1, 201, 64), (5, 301, 64), (770, 530, 32)]


@pytest.mark.parametrize(("queries", "keys", "size"), SIZES)
@pytest.mark.parametrize("mask", ["none", "rows", "heads", "added"])
def test_attention_equals_torch(queries: int, keys: int, size: int, mask: str) -> None:
    torch.manual_seed(1)
    query, key, value = (torch.randn(2, 3, n, size, requires_grad=True) for n in (queries, keys, keys))
    shown = torch.rand(2, 3 if mask == "heads" else 1, 1 if mask == "rows" else queries, keys) < 0.7
    shown[..., 0] = True
    given: Any = None if mask == "none" else torch.where(shown, 0.5, -1e4) if mask == "added" else shown
    with refuse_unportable():
        ours = gradients(attend(query, key, value, given, causal=False, scale=None, dropout=0.0), query, key, value)
        gradients(attend(query, key, value, given, causal=False, scale=None, dropout=0.5), query, key, value)
    assert_close(ours, gradients(functional.scaled_dot_product_attention(query, key, value, given), query, key, value))


@pytest.mark.parametrize("tokens", [1, 2, 9, 33, 50, 200, 301, 800])
def test_causal_attention_equals_torch(tokens: int) -> None:
    torch.manual_seed(1)
    query, key, value = (torch.randn(1, 2, tokens, 32, requires_grad=True) for _ in range(3))
    with refuse_unportable():
        ours = gradients(attend(query, key, value, None, causal=True, scale=0.3, dropout=0.0), query, key, value)
    theirs = functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.3)
    assert_close(ours, gradients(theirs, query, key, value))


@pytest.mark.parametrize("bidirectional", [True, False])
def test_t5_buckets_are_those_of_the_library(bidirectional: bool) -> None:
    positions = torch.arange(-700, 700)
    theirs = T5Attention._relative_position_bucket(positions, bidirectional)
    with refuse_unportable():
        assert torch.equal(kernels.relative_position_bucket(positions, bidirectional), theirs)


MODELS: dict[str, Any] = {
    "bert": lambda: BertForSequenceClassification(
        BertConfig(vocab_size=90, hidden_size=96, num_hidden_layers=2, num_attention_heads=3, intermediate_size=192)
    ),
    "llama": lambda: LlamaForCausalLM(
        LlamaConfig(
            vocab_size=90,
            hidden_size=96,
            num_hidden_layers=2,
            num_attention_heads=3,
            num_key_value_heads=1,
            intermediate_size=192,
            tie_word_embeddings=True,
        )
    ),
    "t5": lambda: T5ForConditionalGeneration(
        T5Config(vocab_size=90, d_model=96, d_kv=32, d_ff=192, num_layers=2, num_heads=3, decoder_start_token_id=0)
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("tokens", [5, 50])
def test_a_portable_model_has_the_same_parameters_results_and_gradients(name: str, tokens: int) -> None:
    torch.manual_seed(1)
    theirs = MODELS[name]().eval()
    ours = make_portable(copy.deepcopy(theirs))
    assert ours.config.to_json_string() == theirs.config.to_json_string()
    ids = torch.randint(90, (4, tokens))
    inputs = {
        "input_ids": ids,
        "attention_mask": (torch.arange(tokens) < torch.tensor([[tokens], [3], [4], [tokens]])).long(),
    }
    inputs["labels"] = torch.tensor([0, 1, 0, 1]) if name == "bert" else ids
    with refuse_unportable():
        loss = ours(**inputs).loss
        loss.backward()
    expected = theirs(**inputs).loss
    expected.backward()
    torch.testing.assert_close(loss, expected)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for (parameter, our), their in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(our.grad, their.grad, rtol=1e-3, atol=1e-5, msg=parameter)


@pytest.mark.parametrize(("name", "beams"), [("llama", 1), ("llama", 2), ("t5", 1)])
def test_a_portable_model_generates_the_same_tokens(name: str, beams: int) -> None:
    torch.manual_seed(1)
    theirs = MODELS[name]().eval()
    ours = make_portable(copy.deepcopy(theirs))
    how: dict[str, Any] = {"max_new_tokens": 30, "min_new_tokens": 30, "num_beams": beams, "do_sample": False}
    inputs = {"input_ids": torch.randint(3, 90, (3, 9)), "attention_mask": torch.ones(3, 9).long(), "pad_token_id": 0}
    inputs["attention_mask"][0, :4] = 0
    with refuse_unportable() as products:
        written = ours.generate(**inputs, **how)
    assert torch.equal(written, theirs.generate(**inputs, **how))
    assert products
