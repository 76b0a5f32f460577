"""CPU instruction caps, set before torch and numpy are imported; threads and random state, set after.

A CPU library selects its kernels at run time, and different kernels add in a different order. Each library has its own
switch, read on import: ATen (softmax, attention, elementwise), oneDNN (GELU), MKL (matrix products; STRICT also removes
most of the dependence on the number of threads), OpenBLAS (numpy, scikit-learn) and FAISS. Level `portable` limits all
of them to AVX2. MKL's AVX2 kernels still differ between Intel and AMD for some shapes, which papertrail.models.kernels
avoids. Level `native` sets no limit.
"""

import ctypes
import importlib
import os
import random
import sys
from pathlib import Path
from typing import Any

from papertrail.core.errors import MachineError, ParamsError
from papertrail.core.params import Runtime

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
CAPS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2,STRICT",
    "OPENBLAS_CORETYPE": "Haswell",
    "FAISS_SIMD_LEVEL": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # all that numpy 2.4 knows beyond AVX2
}
GUARD = "papertrail.models.guard"
LEVELS = {"portable": CAPS, "native": {}}


def configure(runtime: Runtime) -> None:
    """Set the environment variables that torch, numpy and their libraries read on import.

    Raises:
        MachineError: They were imported under other settings, or this CPU lacks AVX2 or FMA.
        ParamsError: bf16 or fp16 with the caps, where it is several times slower than fp32.
    """
    if runtime.level != "native" and runtime.precision != "fp32":
        wrong = f"params.yaml: runtime.precision: {runtime.precision} needs runtime.level: native"
        raise ParamsError(f"{wrong} ({runtime.level} runs are fp32)")
    wanted = {
        "OMP_NUM_THREADS": str(runtime.threads),
        "MKL_NUM_THREADS": str(runtime.threads),
        "OPENBLAS_NUM_THREADS": str(runtime.threads),
        "MKL_DYNAMIC": "FALSE",
        "OMP_DYNAMIC": "FALSE",
        "GOMP_SPINCOUNT": "2000",  # spins before a waiting thread yields its core; more starves a shared machine
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # required for deterministic matrix products on GPUs
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",  # not the report of newly initialised heads
    }
    wanted |= LEVELS[runtime.level]
    if runtime.level != "native":
        _require_avx2()
    changed = [name for name, value in wanted.items() if os.environ.get(name) != value]
    early = [module for module in ("torch", "numpy", "faiss") if module in sys.modules]
    if changed and early:
        raise MachineError(
            f"{early[0]} was imported before {changed[0]}={wanted[changed[0]]} was set, so runtime.level "
            f"{runtime.level} cannot be guaranteed; start a stage, or set the variable first"
        )
    os.environ.update(wanted)


def _require_avx2() -> None:
    flags = cpu_info().get("flags", "avx2 fma").split()
    if not {"avx2", "fma"} <= set(flags):
        raise MachineError(
            "this CPU lacks AVX2 or FMA; set runtime.level: native (results then reproduce on this CPU only)"
        )


def cpu_info() -> dict[str, str]:
    """Return what /proc/cpuinfo says about the first processor; an empty dict on other systems."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").split("\n\n")[0].splitlines() if file.is_file() else []
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def start(runtime: Runtime, seed: int) -> None:
    """Import torch, set its threads and deterministic kernels, and seed python, numpy and torch.

    Raises:
        MachineError: fp16 without a GPU; transformers does not train in fp16 on a CPU.
    """
    import numpy as np
    import torch
    from transformers.utils.logging import disable_progress_bar

    if runtime.precision == "fp16" and not torch.cuda.is_available():
        raise MachineError("params.yaml: runtime.precision: fp16 needs a GPU, and none was found; set fp32 or bf16")
    keep_freed_memory()
    torch.set_num_threads(runtime.threads)
    torch.set_deterministic_debug_mode("error")  # as use_deterministic_algorithms, which imports torch.compile
    disable_progress_bar()  # type: ignore[no-untyped-call]  # of loading weights
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # all devices; transformers.set_seed would import Trainer, which takes seconds
    if os.environ.get("PAPERTRAIL_GUARD") and runtime.level == "portable":
        importlib.import_module(GUARD).install()  # refuses operations whose bits differ between CPU makers


def device(runtime: Runtime) -> str:
    """Return the inference device: "cuda" at level native with a GPU, else "cpu"."""
    import torch

    return "cuda" if runtime.level == "native" and torch.cuda.is_available() else "cpu"


def to_inference(model: Any, runtime: Runtime) -> Any:
    """Move a model to its inference device and dtype; training keeps fp32 weights."""
    import torch

    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    return model.to(device(runtime), types[runtime.precision])


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for the next step instead of returning it to the kernel.

    A training step took 7 % less time (one pair of runs).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc only
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
