"""What the CPU is told before torch and numpy are loaded, and every source of chance and order afterwards.

A CPU picks its kernels at run time, and other kernels add in another order. Libraries choose for themselves, each with
its own switch, read when it is loaded: ATen (softmax, attention, pointwise), oneDNN (GELU) and MKL (products, where
STRICT also removes most of the dependence on the number of threads); OpenBLAS serves numpy and scikit-learn; FAISS has
kernels of its own. Level `portable` holds all of them to AVX2. Level `native` lets each use what it finds.
"""

import ctypes
import os
import random
import sys
from pathlib import Path

from scholar.errors import MachineError, ParamsError
from scholar.params import Runtime

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
CAPS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2,STRICT",
    "OPENBLAS_CORETYPE": "Haswell",
    "FAISS_SIMD_LEVEL": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # all that numpy 2.4 knows beyond AVX2
}


def configure(runtime: Runtime) -> None:
    """Set the environment that torch, numpy and their libraries read when they are loaded.

    Raises:
        MachineError: they are loaded already under other settings, or this CPU has no AVX2 and FMA.
        ParamsError: bf16 is asked for under the caps, where it is several times slower than fp32.
    """
    if runtime.level == "portable" and runtime.precision != "fp32":
        raise ParamsError("params.yaml: runtime.precision: bf16 needs runtime.level: native (portable runs are fp32)")
    wanted = {
        "OMP_NUM_THREADS": str(runtime.threads),
        "MKL_NUM_THREADS": str(runtime.threads),
        "OPENBLAS_NUM_THREADS": str(runtime.threads),
        "MKL_DYNAMIC": "FALSE",
        "OMP_DYNAMIC": "FALSE",
        "GOMP_SPINCOUNT": "2000",  # turns a thread waits before it gives its core away; many starve a shared machine
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it products on a GPU are not deterministic
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",  # its report of new heads is no news here
    }
    if runtime.level == "portable":
        wanted |= CAPS
        _require_avx2()
    changed = [name for name, value in wanted.items() if os.environ.get(name) != value]
    early = [module for module in ("torch", "numpy") if module in sys.modules]
    if changed and early:
        raise MachineError(
            f"{early[0]} was imported before {changed[0]}={wanted[changed[0]]} was set, so the caps of runtime.level "
            f"{runtime.level} do not hold; start through a stage, or set the variable first"
        )
    os.environ.update(wanted)


def _require_avx2() -> None:
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text(encoding="utf-8").split() if cpu.is_file() else ["avx2", "fma"]
    if not {"avx2", "fma"} <= set(flags):
        raise MachineError("this CPU has no AVX2 and FMA; set runtime.level: native (its bytes then hold here only)")


def start(runtime: Runtime, seed: int) -> None:
    """Load torch, pin its threads, ask for deterministic kernels, and seed python, numpy and torch."""
    import numpy as np
    import torch
    from transformers.utils.logging import disable_progress_bar

    keep_freed_memory()
    torch.set_num_threads(runtime.threads)
    torch.use_deterministic_algorithms(True)
    disable_progress_bar()  # type: ignore[no-untyped-call]  # of loading weights, which takes no time
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # of every device; the library's own set_seed would import its Trainer, which takes seconds


def device(runtime: Runtime) -> str:
    """Where a model is read: on a GPU only at level native, and only if there is one."""
    import torch

    return "cuda" if runtime.level == "native" and torch.cuda.is_available() else "cpu"


def keep_freed_memory() -> None:
    """Ask glibc to reuse the memory of freed tensors instead of handing it back to the kernel after each step.

    Side by side, a training step took 7 % less time (one pair of runs).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's; elsewhere this changes nothing
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
