"""`python -m benchmarks.products`: operations whose bits differ between CPU makers -> benchmarks/products.json.

Checks the rules of papertrail/models/kernels.py and guard.py. One process runs on this CPU, and one under qemu-user,
which imitates a CPU of the other maker; each prints a hash per operation and shape. Takes about twenty minutes of
processor time, nearly all of it under qemu.
"""

import argparse
import hashlib
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from papertrail.core.errors import PapertrailError
from papertrail.core.params import Runtime
from papertrail.core.process import run_cli
from papertrail.core.runtime import configure, cpu_info, start

OTHER_MAKER = {"AuthenticAMD": "Haswell", "GenuineIntel": "EPYC"}  # maker of this CPU -> imitated CPU
REPORT = Path("benchmarks/products.json")
# rows, columns, length -> product
PRODUCTS: dict[str, Callable[..., Any]] = {
    "nt": lambda m, n, k: made(1, m, k) @ made(2, n, k).t(),
    "nn": lambda m, n, k: made(1, m, k) @ made(2, k, n),
    "tn": lambda m, n, k: made(1, k, m).t() @ made(2, k, n),
    "tt": lambda m, n, k: made(1, k, m).t() @ made(2, n, k).t(),
    "addmm": lambda m, n, k: made(3, n).addmm(made(1, m, k), made(2, n, k).t()),
    "addmm_full": lambda m, n, k: made(3, m, n).addmm(made(1, k, m).t(), made(2, k, n)),
    "bmm_nt": lambda m, n, k: made(1, 3, m, k).bmm(made(2, 3, n, k).transpose(1, 2)),
    "bmm_nn": lambda m, n, k: made(1, 3, m, k).bmm(made(2, 3, k, n)),
    "bmm_tn": lambda m, n, k: made(1, 3, k, m).transpose(1, 2).bmm(made(2, 3, k, n)),
    "baddbmm": lambda m, n, k: made(3, 3, m, n).baddbmm(made(1, 3, m, k), made(2, 3, n, k).transpose(1, 2)),
    "strided_nt": lambda m, n, k: made(1, m, k + 5)[:, :k] @ made(2, n, k + 5)[:, :k].t(),
    "strided_tn": lambda m, n, k: made(1, k, m + 5)[:, :m].t() @ made(2, k, n + 5)[:, :n],
}
EDGES = """1 2 3 7 8 9 16 31 32 33 63 64 65 96 127 128 129 160 190 191 192 193 194 200 208 224 240 250 255 256 257 258
    259 260 261 300 301 320 321 382 383 384 385 386 399 400 447 448 449 450 511 512 513 576 600 640 641 700 705 767 768
    769 770 800 896 960 1023 1024 1025 1152 1536 1537"""
LARGE = """2048x384x384 640x1536x384 640x384x1536 384x384x2048 1536x384x640 384x1536x600 32x30522x384 64x3000x576
    600x576x576 576x192x600 577x193x601 1000x1000x100 500x500x500 129x2000x384"""
TOKENS = "1 2 3 4 7 8 16 20 23 24 25 31 32 33 34 35 36 40 48 64 65 66 67 68 96 128 160 190 191 192"
MIDDLE = "24 32 40 64 100 128 192 193 200 224 256 257 258 264 280 301 320 383 384 512"
LONG = "513 515 516 535 536 540 600 705 720 764 767 768 772 800"
KEYS = "8 20 23 24 25 41 192 193 200 256 257 258 301 383 384 401 520 535 536 537 600 720 768 769 1000"
UNARY = """abs acos asin atan cos cosh erf erfc erfinv exp exp2 expm1 log log10 log1p log2 sin sinh sqrt rsqrt tan tanh
    trunc sigmoid reciprocal square lgamma digamma sinc asinh atanh logit"""

Shape = tuple[Any, ...]


def made(offset: int, *shape: int) -> Any:
    """Return numbers in [-2, 2), from another place for each offset."""
    count = 1
    for size in shape:
        count *= size
    first = offset * 7919 % (len(_pool()) - count)
    return _pool()[first : first + count].view(shape)


def _pool(kept: list[Any] = []) -> Any:  # noqa: B006  made once
    if not kept:
        import numpy as np
        import torch

        kept.append(torch.from_numpy(np.random.default_rng(0).random(12_000_000, dtype=np.float32) * 4 - 2))
    return kept[0]


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split()]


def product_shapes() -> Iterator[Shape]:
    """Yield operations with rows, columns and length: each in small steps, then random and large ones."""
    for name in PRODUCTS:
        for rows, length in ((4, 64), (5, 64), (33, 64), (40, 384)):
            yield from ((name, rows, columns, length) for columns in range(1, 42))
        for columns, length in ((24, 64), (32, 384), (65, 32)):
            yield from ((name, rows, columns, length) for rows in range(1, 18))
        for rows, columns in ((8, 24), (33, 40), (4, 32)):
            lengths = range(1, 420) if name in ("nt", "tn", "bmm_nn") and rows != 33 else _numbers(EDGES)
            yield from ((name, rows, columns, length) for length in lengths)
    numbers = random.Random(0)
    for _ in range(2500):
        name = numbers.choice(list(PRODUCTS))
        while True:
            rows, columns, length = (int(2 ** numbers.uniform(0, 12)) for _ in range(3))
            if rows * columns * length <= 8e6:
                break
        wide = numbers.random() < 0.5
        yield (name, max(rows, 4), max(columns, 24), length) if wide else (name, rows, columns, length)
    for shape in LARGE.split():
        yield from ((name, *map(int, shape.split("x"))) for name in ("nt", "nn", "tn", "addmm"))


def attention_shapes() -> Iterator[Shape]:
    """Yield queries, keys, head size and mask."""
    masks = ("none", "mask", "causal")
    yield from ((tokens, tokens, 32, masks[tokens % 3]) for tokens in _numbers(TOKENS))
    for tokens in _numbers(MIDDLE):
        yield from ((tokens, tokens, 32, "mask"), (tokens, tokens, 64, "causal"))
    yield from ((tokens, tokens, 32, masks[tokens % 3]) for tokens in _numbers(LONG))
    for queries in (1, 3, 4, 5, 8, 34, 36):
        yield from ((queries, keys, 64, "mask") for keys in _numbers(KEYS))
    yield from (
        (40, 40, size, "none") for size in (8, 16, 20, 23, 24, 25, 40, 48, 80, 96, 128, 192, 193, 200, 256, 264)
    )


def attend(queries: int, keys: int, size: int, mask: str) -> list[Any]:
    """Return the result of torch's attention, and its gradients."""
    import torch

    query, key, value = (
        made(offset, 2, count, size).view(2, count, 1, size).transpose(1, 2).requires_grad_()
        for offset, count in ((1, queries), (2, keys), (3, keys))
    )
    shown = torch.ones(2, 1, queries, keys, dtype=torch.bool)
    shown[1, :, :, keys - keys // 4 :] = False
    output = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=shown if mask == "mask" else None, is_causal=mask == "causal"
    )
    upstream = made(4, 2, queries, size).view(2, queries, 1, size).transpose(1, 2)
    return [output, *torch.autograd.grad(output, (query, key, value), upstream)]


def operations() -> dict[str, Callable[[], Any]]:
    """Return operations other than products."""
    import torch
    from torch.nn import functional

    numbers, matrix = made(5, 60_000) * 2, made(6, 150, 384) * 2
    positive, unit = numbers.abs() + 1e-3, numbers / 4.001
    domain = {"log": positive, "log10": positive, "log1p": positive, "log2": positive, "sqrt": positive}
    domain |= {"rsqrt": positive, "lgamma": positive, "digamma": positive, "logit": unit.abs()}
    domain |= dict.fromkeys(("acos", "asin", "erfinv", "atanh"), unit)

    def gradient(function: Callable[[Any], Any]) -> Any:
        inputs = matrix.clone().requires_grad_()
        output = function(inputs)
        return torch.cat([output.flatten(), torch.autograd.grad(output.sum(), inputs)[0].flatten()])

    def drawn(function: Callable[[Any], Any]) -> Any:
        torch.manual_seed(1)
        return function(torch.empty(1000))

    def adamw(fused: bool) -> Any:
        weights = torch.nn.Parameter(matrix.clone())
        optimizer = torch.optim.AdamW([weights], lr=0.01, weight_decay=0.01, fused=fused)
        for step in (1, 2, 3):
            weights.grad = matrix.flip(0) / step
            torch.nn.utils.clip_grad_norm_([weights], 1.0)
            optimizer.step()
        return weights

    labels = torch.arange(150) % 7
    return {
        **{name: lambda name=name: getattr(torch, name)(domain.get(name, numbers)) for name in UNARY.split()},
        **{
            f"{name}, 64 bits": lambda name=name: getattr(torch, name)(positive.double())
            for name in ("exp", "log", "sqrt")
        },
        **{f"pow {power}": lambda power=power: positive.pow(power) for power in (0.5, -0.5, 2, 3, 1.7)},
        **{f"{name}, large": lambda name=name: getattr(torch, name)(numbers * 250) for name in ("cos", "sin", "tanh")},
        "logsumexp": lambda: matrix.logsumexp(1),
        "softmax": lambda: gradient(lambda x: x.softmax(-1) * matrix),
        "log_softmax": lambda: gradient(lambda x: x.log_softmax(-1) * matrix),
        "cross entropy": lambda: gradient(lambda x: functional.cross_entropy(x[:, :7], labels)),
        "sum": lambda: matrix.sum(),
        "cumsum": lambda: matrix.cumsum(1),
        "std": lambda: matrix.std(1),
        "norm": lambda: gradient(lambda x: x.norm(dim=1)),
        "normalize": lambda: gradient(lambda x: functional.normalize(x) * matrix),
        "layer_norm": lambda: gradient(lambda x: functional.layer_norm(x, (384,)) * matrix),
        "rms_norm": lambda: gradient(lambda x: functional.rms_norm(x, (384,)) * matrix),
        "gelu": lambda: gradient(functional.gelu),
        "gelu, tanh": lambda: gradient(lambda x: functional.gelu(x, approximate="tanh")),
        "silu": lambda: gradient(functional.silu),
        "cdist": lambda: torch.cdist(matrix, matrix),
        "fft": lambda: torch.view_as_real(torch.fft.rfft(matrix)),
        "inverse": lambda: torch.linalg.inv(matrix[:50, :50]),
        "uniform": lambda: drawn(lambda x: x.uniform_()),
        "normal": lambda: drawn(lambda x: x.normal_()),
        "bernoulli": lambda: drawn(lambda x: x.bernoulli_(0.3)),
        "exponential": lambda: drawn(lambda x: x.exponential_()),
        "dropout": lambda: drawn(lambda _: functional.dropout(matrix, 0.1)),
        "AdamW, fused": lambda: adamw(fused=True),
        "AdamW, not fused": lambda: adamw(fused=False),
    }


def digest(tensor: Any) -> str:
    """Return ten digits of the hash of a tensor."""
    return hashlib.sha256(tensor.detach().contiguous().numpy().tobytes()).hexdigest()[:10]


def hash_here() -> dict[str, list[Any]]:
    """Return the hash of every operation in this process."""
    runtime = Runtime(level="portable", threads=2, precision="fp32")
    configure(runtime)
    start(runtime, seed=1)
    return {
        "products": [[shape, digest(PRODUCTS[shape[0]](*shape[1:]))] for shape in product_shapes()],
        "attention": [[shape, [digest(tensor) for tensor in attend(*shape)]] for shape in attention_shapes()],
        "operations": [[name, digest(function())] for name, function in operations().items()],
    }


def count(here: dict[str, list[Any]], there: dict[str, list[Any]]) -> dict[str, Any]:
    """Return how many shapes are equal and differ by rule, shapes that break a rule, and operations that differ."""
    from papertrail.models.guard import attention_products
    from papertrail.models.kernels import MIN_COLUMNS, MIN_ROWS, is_portable_length, is_portable_product

    counts: Counter[str] = Counter()
    broken = []
    for (shape, ours), (_, theirs) in zip(here["products"], there["products"], strict=True):
        _, rows, columns, length = shape
        rules = {"rows": rows < MIN_ROWS, "columns": columns < MIN_COLUMNS, "length": not is_portable_length(length)}
        portable = is_portable_product(rows, columns, length)
        rule = "portable" if portable else " and ".join(name for name, breaks in rules.items() if breaks)
        counts[f"products, {rule}: {'equal' if ours == theirs else 'differ'}"] += 1
        broken += [shape] if portable and ours != theirs else []
    for (shape, ours), (_, theirs) in zip(here["attention"], there["attention"], strict=True):
        for name, parts in (("forward", slice(1)), ("backward", slice(4))):
            portable = all(
                is_portable_product(*product) for product in attention_products(*shape[:3], name == "backward")
            )
            equal = ours[parts] == theirs[parts]
            rule = "portable" if portable else "not portable"
            counts[f"attention {name}, {rule}: {'equal' if equal else 'differ'}"] += 1
            broken += [shape] if portable and not equal else []
    found = {
        name: ours == theirs for (name, ours), (_, theirs) in zip(here["operations"], there["operations"], strict=True)
    }
    return {
        "counts": dict(sorted(counts.items())),
        "exceptions": broken,
        "operations_that_differ": [name for name, equal in found.items() if not equal],
        "operations_that_are_equal": [name for name, equal in found.items() if equal],
    }


def main() -> None:
    """Hash every operation on this CPU and on an imitated one, compare, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--here", action="store_true", help="print the hashes of this process as JSON")
    if parser.parse_args().here:
        sys.stdout.write(json.dumps(hash_here()))
        return
    maker = cpu_info().get("vendor_id", "")
    if maker not in OTHER_MAKER:
        raise PapertrailError(f"CPU maker {maker!r}: expected one of {', '.join(OTHER_MAKER)}")
    imitated = OTHER_MAKER[maker]
    command = [sys.executable, "-m", "benchmarks.products", "--here"]
    here, there = (
        json.loads(subprocess.run([*prefix, *command], check=True, stdout=subprocess.PIPE).stdout)
        for prefix in ([], ["qemu-x86_64", "-cpu", imitated])
    )
    found = {"cpu": cpu_info().get("model name"), "imitated": imitated, **count(here, there)}
    from papertrail.core.artifacts import write_json

    write_json(found, REPORT)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    run_cli(main)
