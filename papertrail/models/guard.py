"""Refuse operations of torch whose bits differ between CPUs of Intel and AMD.

Inside `PortabilityGuard()` every matrix product on fp32 CPU tensors, forward and backward, must satisfy
`kernels.is_portable_product`, and no operation may run that MKL's vector mathematics computes.
"""

import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._C import DispatchKey
from torch.utils._python_dispatch import TorchDispatchMode

from papertrail.core.errors import PapertrailError
from papertrail.models.kernels import BLOCK, LONG, is_portable_product

Shape = tuple[int, int, int]  # rows, columns, length of a product

# measured by benchmarks/products.py: other operations of a single tensor, norms, softmax and random numbers are equal
VECTOR_MATH = {
    "acos",
    "asin",
    "atan",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "log",
    "log10",
    "log2",
    "logit",
    "logsumexp",
    "sqrt",
    "tan",
}
GRADIENT_ONLY = "sentence_transformers/base/losses/gradcache.py"  # takes a dot product for its gradient, not its value
LIBRARY = ("_cdist", "_euclidean_dist", "_fft", "linalg_", "_linalg")  # prefixes of operations that are not replaced
SKIPPED = (str(Path(torch.__file__).parent), __file__)  # frames that say nothing about the cause
_installed = ExitStack()  # never left
REASON = "its bits differ between CPUs of Intel and AMD"


class PortabilityError(PapertrailError):
    """An operation whose bits differ between CPU makers."""


def _matrices(first: Tensor, second: Tensor) -> Iterator[Shape]:
    """Yield the product of (..., rows, length) and (..., length, columns)."""
    yield first.shape[-2], second.shape[-1], first.shape[-1]


def _blocks(total: int, size: int) -> set[int]:
    """Return the sizes of the blocks of `size` that `total` is split into."""
    return {min(size, total), (total - 1) % size + 1}


def attention_products(queries: int, keys: int, size: int, backward: bool) -> Iterator[Shape]:
    """Yield the products of torch's attention kernel, which splits queries and keys into blocks.

    Source: aten/src/ATen/native/cpu/FlashAttentionKernel.cpp of torch.
    """
    split = 256 if queries >= LONG else 64 if queries >= 192 else 32
    for columns in _blocks(keys, BLOCK):
        for rows in _blocks(queries, split):
            yield rows, columns, size
            yield rows, size, columns
            if backward:
                yield columns, size, rows


def _attention(query: Tensor, key: Tensor, backward: bool) -> Iterator[Shape]:
    return attention_products(query.shape[2], key.shape[2], query.shape[3], backward)


PRODUCTS: dict[str, Callable[..., Iterator[Shape]]] = {
    "mm": lambda a, b, *_, **__: _matrices(a, b),
    "bmm": lambda a, b, *_, **__: _matrices(a, b),
    "addmm": lambda _, a, b, **__: _matrices(a, b),
    "_addmm_activation": lambda _, a, b, **__: _matrices(a, b),
    "baddbmm": lambda _, a, b, **__: _matrices(a, b),
    "addbmm": lambda _, a, b, **__: _matrices(a, b),
    "mv": lambda a, b, *_, **__: _matrices(a, b[:, None]),
    "addmv": lambda _, a, b, **__: _matrices(a, b[:, None]),
    "dot": lambda a, b, *_, **__: _matrices(a[None], b[:, None]),
    "vdot": lambda a, b, *_, **__: _matrices(a[None], b[:, None]),
    "_scaled_dot_product_flash_attention_for_cpu": lambda q, k, *_, **__: _attention(q, k, backward=False),
    "_scaled_dot_product_flash_attention_for_cpu_backward": lambda _, q, k, *__, **___: _attention(q, k, backward=True),
}


class PortabilityGuard(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Raise PortabilityError at the first operation on fp32 CPU tensors that is not portable.

    Attributes:
        products: (operation, (rows, columns, length)) -> number of times it ran.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products: Counter[tuple[str, Shape]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Check an operation, then run it. Called by torch, below autograd."""
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        if not func.has_kernel_for_dispatch_key(DispatchKey.CPU):
            with self:  # in inference mode, composite operations arrive whole
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        kinds = {tensor.dtype for tensor in _tensors(args) if tensor.device.type == "cpu"}
        if torch.float32 in kinds or (torch.float64 in kinds and uses_vector_math(name, args)):
            self._check(name, args)
        return func(*args, **kwargs)

    def _check(self, name: str, args: Any) -> None:
        if uses_vector_math(name, args):
            shapes = " and ".join(str(tuple(tensor.shape)) for tensor in _tensors(args))
            raise PortabilityError(f"{_line()}: {name} of {shapes} is computed by MKL's vector mathematics; {REASON}")
        if name.startswith(LIBRARY) and name != "linalg_vector_norm":
            raise PortabilityError(f"{_line()}: {name} is computed by MKL; {REASON}")
        if name == "dot" and _is_called_from(GRADIENT_ONLY):
            return
        for shape in PRODUCTS[name](*args) if name in PRODUCTS else ():
            self.products[name, shape] += 1
            if not is_portable_product(*shape):
                rows, columns, length = shape
                product = f"{name}: product of {rows} rows, {columns} columns and length {length}"
                raise PortabilityError(f"{_line()}: {product}; {REASON}; see papertrail/models/kernels.py")


def uses_vector_math(name: str, args: Any) -> bool:
    """Return whether MKL's vector mathematics computes an operation, such as exp_ or _foreach_sqrt."""
    name = name.removeprefix("_foreach_").rstrip("_")
    return name in VECTOR_MATH or (name == "pow" and isinstance(args[1], float) and args[1] == 0.5)


def _tensors(args: Any) -> Iterator[Tensor]:
    for value in args:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _is_called_from(file: str) -> bool:
    return any(frame.filename.endswith(file) for frame in traceback.extract_stack())


def _line() -> str:
    """Return the innermost line outside torch; in the backward pass, that of the forward operation."""
    node: Any = torch._C._current_autograd_node()
    stack = traceback.format_stack() if node is None else node.metadata.get("traceback_", [])
    lines = re.findall(r'File "(.+)", line (\d+)', "".join(stack))
    return next((f"{file}:{line}" for file, line in reversed(lines) if not file.startswith(SKIPPED)), "unknown line")


@contextmanager
def refuse_unportable() -> Iterator[Counter[tuple[str, Shape]]]:
    """Check all operations inside; yield the products that ran.

    Raises:
        PortabilityError: An operation is not portable.
    """
    anomalies = torch.autograd.set_detect_anomaly(True, check_nan=False)  # backward passes know their forward lines
    with anomalies, PortabilityGuard() as guard:
        yield guard.products


@cache
def install() -> None:
    """Check all operations of this process from here on; `core.runtime.start` calls this if PAPERTRAIL_GUARD is set."""
    _installed.enter_context(refuse_unportable())
