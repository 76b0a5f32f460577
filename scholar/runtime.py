"""What the CPU is told before torch and numpy are loaded, and every source of chance and order afterwards.

A CPU picks its kernels at run time, and other kernels add in another order. Libraries choose for themselves, each with
its own switch, read when it is loaded: ATen (softmax, attention, pointwise), oneDNN (GELU) and MKL (products, where
STRICT also removes most of the dependence on the number of threads); OpenBLAS serves numpy and scikit-learn; FAISS has
kernels of its own. Level `portable` holds all of them to AVX2. MKL's kernels for AVX2 differ between CPUs of Intel and
AMD, so level `amd64` asks it for those of SSE2, at a price. Level `native` lets each use what it finds.
"""

import ctypes
import json
import logging
import os
import random
import resource
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scholar.errors import MachineError, ParamsError
from scholar.params import Runtime

STARTED = time.monotonic()  # seconds; a stage loads this file first
RUNS = Path("build/runs.jsonl")
PACKAGES = ("torch", "transformers", "numpy", "scikit-learn", "faiss-cpu", "dvc")  # told in RUNS
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
PR_SET_PDEATHSIG = 1  # of linux/prctl.h
CAPS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2,STRICT",
    "OPENBLAS_CORETYPE": "Haswell",
    "FAISS_SIMD_LEVEL": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # all that numpy 2.4 knows beyond AVX2
}
LEVELS = {  # amd64: kernels of MKL that do not ask who made the CPU
    "portable": CAPS,
    "amd64": CAPS | {"MKL_CBWR": "COMPATIBLE"},
    "native": {},
}


def configure(runtime: Runtime) -> None:
    """Set the environment that torch, numpy and their libraries read when they are loaded.

    Raises:
        MachineError: they are loaded already under other settings, or this CPU has no AVX2 and FMA.
        ParamsError: bf16 or fp16 is asked for under the caps, where it is several times slower than fp32.
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
        "GOMP_SPINCOUNT": "2000",  # turns a thread waits before it gives its core away; many starve a shared machine
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it products on a GPU are not deterministic
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",  # its report of new heads is no news here
    }
    wanted |= LEVELS[runtime.level]
    if runtime.level != "native":
        _require_avx2()
    changed = [name for name, value in wanted.items() if os.environ.get(name) != value]
    early = [module for module in ("torch", "numpy", "faiss") if module in sys.modules]
    if changed and early:
        raise MachineError(
            f"{early[0]} was imported before {changed[0]}={wanted[changed[0]]} was set, so the caps of runtime.level "
            f"{runtime.level} do not hold; start through a stage, or set the variable first"
        )
    os.environ.update(wanted)


def _require_avx2() -> None:
    flags = _cpu().get("flags", "avx2 fma").split()
    if not {"avx2", "fma"} <= set(flags):
        raise MachineError("this CPU has no AVX2 and FMA; set runtime.level: native (its bytes then hold here only)")


def _cpu() -> dict[str, str]:
    """What Linux tells of the first processor: its model name, flags and more; elsewhere nothing."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").split("\n\n")[0].splitlines() if file.is_file() else []
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def end_with_dvc() -> None:
    """Ask Linux for SIGTERM when the DVC that started this process ends.

    Killed alone, it would leave its stage running, and the next `dvc repro` would start a second one beside it.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None and "DVC_STAGE" in os.environ:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def start(runtime: Runtime, seed: int) -> None:
    """Load torch, pin its threads, ask for deterministic kernels, and seed python, numpy and torch.

    Raises:
        MachineError: fp16 is asked for without a GPU: on a CPU it is slow, and the library does not train in it.
    """
    import numpy as np
    import torch
    from transformers.utils.logging import disable_progress_bar

    if runtime.precision == "fp16" and not torch.cuda.is_available():
        raise MachineError("params.yaml: runtime.precision: fp16 needs a GPU, and none was found; set fp32 or bf16")
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


def for_reading(model: Any, runtime: Runtime) -> Any:
    """A trained model where, and in the precision in which, it is read; training keeps 32-bit weights."""
    import torch

    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    return model.to(device(runtime), types[runtime.precision])


def keep_freed_memory() -> None:
    """Ask glibc to reuse the memory of freed tensors instead of handing it back to the kernel after each step.

    Side by side, a training step took 7 % less time (one pair of runs).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's; elsewhere this changes nothing
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def log_run() -> None:
    """Append what ran, where and how long to RUNS, if it was a stage: facts of the machine that no output may hold."""
    stage = Path(sys.argv[0])
    if stage.parent.name != "stages":
        return
    facts = {
        "stage": " ".join([stage.stem, *sys.argv[1:]]),
        "cpu": _cpu().get("model name"),
        "caps": {name: os.environ.get(name) for name in CAPS},
        "threads": os.environ["OMP_NUM_THREADS"],
        "seconds": round(time.monotonic() - STARTED, 1),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "packages": {name: version(name) for name in PACKAGES},
    }
    try:
        RUNS.parent.mkdir(exist_ok=True)
        with RUNS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")
    except OSError as error:
        logging.warning("%s: %s; the stage is done, but not in that log", RUNS, error.strerror)
