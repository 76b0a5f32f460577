"""Matrix products whose bits are the same on CPUs of Intel and AMD.

MKL's fp32 AVX2 kernels add in a different order on Intel and AMD for some shapes. This module defines those shapes and
pads them with zeros, which leaves the result mathematically unchanged. `papertrail.models.guard` checks that no other
product runs. Measured by `benchmarks/products.py`; docs/reproducibility.md has the evidence.

A product (rows, length) @ (length, columns) is portable if it has at least MIN_ROWS rows and MIN_COLUMNS columns, and
its length is portable: not 193 to 256, and not an odd number from 257 to 383.
"""

import math
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import create_position_bias_mask, pack_gqa, repeat_kv
from transformers.masking_utils import sdpa_mask

MIN_ROWS = 4
MIN_COLUMNS = 24
ATTENTION = "portable_sdpa"  # the name in transformers' registry
BLOCK = 512  # keys that torch's attention kernel multiplies at a time
QUERY_BLOCK = 32  # divides the numbers of queries that it multiplies at a time
LONG = 768  # from here on, its backward pass sums over blocks of 256 queries, which is not portable

Module = TypeVar("Module", bound=nn.Module)


def is_portable_length(length: int) -> bool:
    """Return whether a sum over `length` products has the same bits on both makers' CPUs."""
    return not (193 <= length <= 256 or (257 <= length <= 383 and length % 2))


def is_portable_product(rows: int, columns: int, length: int) -> bool:
    """Return whether (rows, length) @ (length, columns) has the same bits on both makers' CPUs.

    A product of length 1 adds nothing, and an empty one has no bits.
    """
    if rows * columns * length == 0 or length == 1:
        return True
    return rows >= MIN_ROWS and columns >= MIN_COLUMNS and is_portable_length(length)


def portable_length(length: int, minimum: int = 1) -> int:
    """Return the smallest portable length that is at least `length` and `minimum`; 193 to 256 become 264."""
    length = max(length, minimum)
    if 193 <= length <= 256:
        return 264
    return length if is_portable_length(length) else length + 1


def _pad(tensor: Tensor, rows: int, columns: int) -> Tensor:
    """Append zeros to the last two dimensions, up to `rows` and `columns`; return the tensor itself if it fits."""
    missing = (0, columns - tensor.shape[-1], 0, rows - tensor.shape[-2])
    return functional.pad(tensor, missing) if any(missing) else tensor


class _SplitLinear(torch.autograd.Function):
    """functional.linear for inputs of too many rows for one product in the gradient of the weight: a sum of two."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return (rows, output features)."""
        ctx.save_for_backward(inputs, weight)
        return functional.linear(inputs, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return the gradients of inputs, weight and bias."""
        (gradient,), (inputs, weight) = gradients, ctx.saved_tensors
        half = len(gradient) // 2
        needs_inputs, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            gradient @ weight if needs_inputs else None,
            (gradient[:half].T @ inputs[:half]).addmm_(gradient[half:].T, inputs[half:]) if needs_weight else None,
            gradient.sum(dim=0) if needs_bias else None,
        )


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return `inputs @ weight.T + bias`; portable, and so are its gradients.

    Forward, the length is the number of input features; for the gradient of the inputs it is that of output features,
    and for the gradient of the weight it is the number of rows.

    Args:
        inputs: (..., input features).
        weight: (output features, input features).
        bias: (output features,).
    """
    outputs, features = weight.shape
    count = inputs.shape[:-1].numel()
    rows = portable_length(count, MIN_ROWS)
    wide, long = portable_length(outputs, MIN_COLUMNS), portable_length(features, MIN_COLUMNS)
    if (rows, wide, long) == (count, outputs, features):
        if not inputs.is_contiguous():  # torch would take a product per row of the batch
            return functional.linear(inputs.reshape(count, features), weight, bias).view(*inputs.shape[:-1], outputs)
        return functional.linear(inputs, weight, bias)
    if count >= MIN_ROWS and (wide, long) == (outputs, features):
        split: Tensor = _SplitLinear.apply(inputs.reshape(count, features), weight, bias)  # type: ignore[no-untyped-call]
        return split.view(*inputs.shape[:-1], outputs)
    padded = functional.linear(
        _pad(inputs.reshape(count, features), rows, long),
        _pad(weight, wide, long),
        bias if bias is None else functional.pad(bias, (0, wide - outputs)),
    )
    return padded[:count, :outputs].reshape(*inputs.shape[:-1], outputs)


def similarity(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosine of each row of `a` (queries, dimension) with each row of `b` (documents, dimension)."""
    return linear(functional.normalize(a, dim=-1), functional.normalize(b, dim=-1))


class PortableLinear(nn.Linear):
    """nn.Linear with portable products: the same parameters, names and results."""

    def forward(self, input: Tensor) -> Tensor:
        """Return (..., output features) for (..., input features)."""
        return linear(input, self.weight, self.bias)


# --- attention ---


def _key_count(keys: int) -> int:
    """Return the number of keys to pad to, so that each block of BLOCK keys is portable."""
    whole, rest = divmod(keys, BLOCK)
    return whole * BLOCK + (portable_length(rest, MIN_COLUMNS) if rest else 0)


def _query_count(queries: int) -> int:
    """Return the number of queries to pad to, so that the last block of QUERY_BLOCK has enough rows."""
    return queries + max(0, MIN_ROWS - (queries % QUERY_BLOCK or QUERY_BLOCK))


def _pad_mask(mask: Tensor | None, queries: int, keys: int, key: Tensor) -> Tensor:
    """Return a mask (batch, 1 or heads, queries, keys) that hides padded keys; padded queries see all others."""
    if mask is None:
        mask = key.new_ones((1, 1, 1, key.shape[2]), dtype=torch.bool)
    seen, hidden = (True, False) if mask.dtype == torch.bool else (0.0, torch.finfo(mask.dtype).min)
    mask = functional.pad(mask, (0, keys - mask.shape[3]), value=hidden)
    if mask.shape[2] > 1:
        mask = functional.pad(mask, (0, 0, 0, queries - mask.shape[2]), value=seen)
    return mask.expand(-1, -1, queries, -1)


def attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, causal: bool, scale: float | None, dropout: float
) -> Tensor:
    """Return torch's scaled_dot_product_attention, computed by portable products.

    Args:
        query: (batch, heads, queries, head size).
        key: (batch, heads, keys, head size).
        value: Like `key`.
        mask: (batch, 1 or heads, 1 or queries, keys); boolean, or added to the scores.
        causal: Whether query i sees only the keys up to i; then there are as many keys as queries, and no mask.
        scale: Factor of the scores; None is 1 / sqrt(head size).
        dropout: Probability of dropping an attention weight.

    Returns:
        (batch, heads, queries, head size).
    """
    count, size = query.shape[2:]
    queries, keys = _query_count(count), _key_count(key.shape[2])
    if dropout or (mask is not None and mask.requires_grad):  # then torch sums over all queries at once
        queries = portable_length(queries)
    if causal:
        queries = keys = _key_count(queries)  # no query sees a padded key
    elif mask is not None or keys > key.shape[2]:
        mask = _pad_mask(mask, queries, keys, key)
    wide = portable_length(size, MIN_COLUMNS)
    query, key, value = _pad(query, queries, wide), _pad(key, keys, wide), _pad(value, keys, wide)
    step = queries
    if queries >= LONG and torch.is_grad_enabled():
        step = BLOCK
        mask = query.new_ones((1, 1, queries, keys), dtype=torch.bool).tril() if causal else mask
    options = {"dropout_p": dropout, "scale": size**-0.5 if scale is None else scale}
    output = _attend_in_steps(step, query, key, value, mask, is_causal=causal and mask is None, **options)
    return output[:, :, :count, :size]


def _attend_in_steps(
    step: int, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
) -> Tensor:
    """Return torch's attention, computed for `step` queries at a time."""
    parts = []
    for start in range(0, query.shape[2], step):
        shown = mask if mask is None else mask[:, :, start : start + step]
        some = query[:, :, start : start + step]
        parts.append(functional.scaled_dot_product_attention(some, key, value, attn_mask=shown, **options))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


def portable_sdpa(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    position_bias: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Return (batch, queries, heads, head size), as transformers' "sdpa" attention does, computed by `attend`."""
    batch, heads, count, size = query.shape
    groups = heads // key.shape[1]  # heads that share a key
    is_causal = bool(getattr(module, "is_causal", True)) if is_causal is None else is_causal
    causal = count > 1 and attention_mask is None and is_causal
    if causal:
        key, value = key[:, :, :count], value[:, :, :count]
    if position_bias is not None:
        attention_mask = create_position_bias_mask(position_bias, attention_mask, causal, query, key)
        causal = False
    if groups > 1 and count == 1:  # no copy of the cached keys: the heads of a group become queries
        query = query.reshape(batch, heads // groups, groups, size)
        attention_mask = pack_gqa(attention_mask, groups)
    elif groups > 1:
        key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    output = attend(query, key, value, attention_mask, causal=causal, scale=scaling, dropout=dropout)
    return output.reshape(batch, heads, count, size).transpose(1, 2).contiguous(), None


def relative_position_bucket(
    relative_position: Tensor, bidirectional: bool = True, num_buckets: int = 32, max_distance: int = 128
) -> Tensor:
    """Return the bucket of each relative position of T5, as its own method does with MKL's logarithm.

    Half of the buckets are single distances; the others grow with the logarithm, up to max_distance.
    """
    if bidirectional:
        num_buckets //= 2
    exact = num_buckets // 2
    base = max_distance / exact
    large = (exact + int(math.log(d / exact, base) * (num_buckets - exact)) for d in range(exact, max_distance + 1))
    table = torch.tensor([*range(exact), *(min(bucket, num_buckets - 1) for bucket in large)])
    distance = relative_position.abs() if bidirectional else (-relative_position).clamp(min=0)
    buckets = table.to(relative_position.device)[distance.clamp(max=max_distance)]
    return buckets + (relative_position > 0) * num_buckets if bidirectional else buckets


def make_portable(model: Module) -> Module:
    """Make a model compute portable products, in place; parameters, their names and its config's file stay the same.

    Args:
        model: A model of transformers, peft or sentence-transformers.
    """
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = PortableLinear  # in place: parameters stay tied and known to optimizers
        if hasattr(module, "_relative_position_bucket"):
            module._relative_position_bucket = relative_position_bucket  # type: ignore[assignment]
        if isinstance(module, PreTrainedModel) and module.config._attn_implementation == "sdpa":
            module.set_attn_implementation(ATTENTION)
    return model


AttentionInterface.register(ATTENTION, portable_sdpa)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
