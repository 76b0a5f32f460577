"""The guard names the operation, the shape and the line of whatever is not portable, forward and backward."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from papertrail.models.guard import PortabilityError, refuse_unportable

HERE = rf"{__file__}:\d+: "
ROWS = torch.randn(200, 384)
HEADS = torch.randn(2, 3, 40, 32)


def refused(message: str, operation: Callable[[], Any]) -> None:
    with pytest.raises(PortabilityError, match=HERE + message), refuse_unportable():
        operation()


@pytest.mark.parametrize("inference", [False, True])
def test_a_narrow_product_is_refused(inference: bool) -> None:
    head = nn.Linear(384, 3)
    with torch.inference_mode(inference):
        refused("addmm: product of 200 rows, 3 columns and length 384; its bits differ", lambda: head(ROWS))


def test_a_sum_over_200_products_is_refused_where_its_forward_line_is() -> None:
    hidden = nn.Linear(384, 64)
    refused(  # of the gradient of the weight
        "mm: product of 64 rows, 384 columns and length 200;", lambda: functional.relu(hidden(ROWS)).sum().backward()
    )


@pytest.mark.parametrize(
    ("message", "operation"),
    [
        (r"exp of \(200, 384\) is computed by MKL", ROWS.exp),
        (r"exp of ", ROWS.double().exp),
        (r"pow of ", lambda: ROWS.abs().pow(0.5)),
        (r"logsumexp of ", lambda: ROWS.logsumexp(1)),
        (r"_foreach_sqrt of \(200, 384\)", lambda: torch._foreach_sqrt([ROWS])),
        (r"mv: product of 200 rows, 1 columns and length 384", lambda: ROWS @ ROWS[0]),
        (r"_euclidean_dist is computed by MKL", lambda: torch.cdist(ROWS, ROWS)),
        (r"_fft_r2c is computed by MKL", lambda: torch.fft.rfft(ROWS)),
        (r"linalg_inv_ex is computed by MKL", lambda: torch.linalg.inv(ROWS[:50, :50])),
        (r"bmm: product of 2 rows, 40 columns and length 32", lambda: HEADS[:, :, :2] @ HEADS.transpose(2, 3)),
        (
            r"_scaled_dot_product_flash_attention_for_cpu: product of 1 rows, 40 columns and length 32",
            lambda: functional.scaled_dot_product_attention(HEADS[:, :, :33], HEADS, HEADS),
        ),
    ],
)
def test_other_operations_are_refused(message: str, operation: Callable[[], Any]) -> None:
    refused(message, operation)


def test_portable_operations_are_counted() -> None:
    with refuse_unportable() as products:
        functional.layer_norm(ROWS.softmax(1), (384,)).pow(2).rsqrt()
        functional.linear(ROWS, torch.randn(24, 384))
        torch.randn(3, 1) @ torch.randn(1, 3)  # nothing is added
        ROWS.long() @ ROWS.long().T[:, :2]  # integers are exact
    assert products == {("mm", (200, 24, 384)): 1, ("mm", (3, 3, 1)): 1}


def test_the_guard_changes_no_bits() -> None:
    """silu_backward has a kernel and a decomposition, whose bits differ."""

    def run() -> list[torch.Tensor]:
        inputs = ROWS.clone().requires_grad_()
        output = functional.layer_norm(functional.silu(inputs) + functional.gelu(inputs), (384,)).softmax(1)
        return [output, *torch.autograd.grad(output, inputs, ROWS)]

    with refuse_unportable():
        found = run()
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, run(), strict=True))
