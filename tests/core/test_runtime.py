"""Caps, threads and seeds hold in a process that starts as a stage does; what would break them is an error."""

import dataclasses
import json
import os
import random
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from papertrail.core import runtime
from papertrail.core.errors import MachineError, ParamsError
from papertrail.core.params import Runtime
from papertrail.core.runtime import CAPS, configure, start, to_inference
from tests.fixtures.tiny_runs import RUNTIME, finish, start_python

REPORT = """
import json, os, sys
from pathlib import Path
from papertrail.core.params import Runtime
from papertrail.core.runtime import configure, start
runtime = Runtime(**json.loads(sys.argv[1]))
configure(runtime)
early = [name for name in ("torch", "numpy") if name in sys.modules]
start(runtime, seed=3)
import numpy, random, torch
draws = [random.random(), float(numpy.random.rand()), float(torch.rand(()))]
import faiss, sklearn  # after the draws, because importing them draws numbers
from threadpoolctl import threadpool_info
Path("report.json").write_text(json.dumps({
    "environment": dict(os.environ),
    "early": early,
    "threads": torch.get_num_threads(),
    "capability": torch.backends.cpu.get_cpu_capability(),
    "faiss": faiss.SIMDConfig.get_level_name(),
    "openblas": sorted({found["architecture"] for found in threadpool_info() if found["internal_api"] == "openblas"}),
    "deterministic": torch.are_deterministic_algorithms_enabled(),
    "draws": draws,
}))
"""


def test_caps_threads_and_seeds_hold_in_a_fresh_process(tmp_path: Path) -> None:
    settings = Runtime(level="portable", threads=2, precision="fp32")
    finish(start_python(tmp_path, "-c", REPORT, json.dumps(dataclasses.asdict(settings)), OMP_NUM_THREADS="7"))
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["early"] == []
    assert CAPS.items() <= report["environment"].items()
    assert report["environment"]["OMP_NUM_THREADS"] == "2"  # not the 7 of the environment
    assert report["threads"] == 2
    assert (report["capability"], report["faiss"], report["openblas"]) == ("AVX2", "AVX2", ["Haswell"])
    assert report["deterministic"]
    generator = torch.Generator().manual_seed(3)
    draws = [random.Random(3).random(), np.random.RandomState(3).rand(), torch.rand((), generator=generator).item()]
    assert report["draws"] == draws


def test_native_sets_threads_and_no_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.os, "environ", {})
    monkeypatch.setattr(runtime.sys, "modules", {})
    configure(Runtime(level="native", threads=5, precision="bf16"))
    assert not CAPS.keys() & runtime.os.environ.keys()
    assert {name for name, value in runtime.os.environ.items() if value == "5"} == {
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
    }


@pytest.mark.parametrize("module", ["torch", "numpy", "faiss"])
def test_a_library_imported_under_other_settings_is_an_error(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.os, "environ", {})
    monkeypatch.setattr(runtime.sys, "modules", {module: None})
    with pytest.raises(MachineError, match=f"{module} was imported before OMP_NUM_THREADS=1 was set"):
        configure(RUNTIME)
    assert runtime.os.environ == {}


def test_a_library_imported_under_the_same_settings_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.os, "environ", {"HOME": "somewhere"})
    monkeypatch.setattr(runtime.sys, "modules", {})
    configure(RUNTIME)
    variables = dict(runtime.os.environ)
    monkeypatch.setattr(runtime.sys, "modules", {"torch": None})
    configure(RUNTIME)
    assert runtime.os.environ == variables


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_with_caps_is_an_error(precision: Literal["bf16", "fp16"]) -> None:
    before = dict(os.environ)
    with pytest.raises(ParamsError, match=rf"runtime\.precision: {precision} needs runtime\.level: native"):
        configure(Runtime(level="portable", threads=1, precision=precision))
    assert dict(os.environ) == before


def test_the_guard_starts_if_the_environment_asks_for_it(tmp_path: Path) -> None:
    code = f"""
from papertrail.core.params import Runtime
from papertrail.core.runtime import configure, start
for _ in range(2):
    configure({RUNTIME!r})
    start({RUNTIME!r}, seed=1)
import torch
torch.ones(3).softmax(0)
torch.ones(3).exp()
"""
    process = start_python(tmp_path, "-c", code, PAPERTRAIL_GUARD="1")
    assert "PortabilityError: <string>:9: exp of (3,) is computed by MKL" in process.communicate()[1]
    finish(start_python(tmp_path, "-c", code, PAPERTRAIL_GUARD=""))


def test_fp16_without_a_gpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = torch.initial_seed()
    with pytest.raises(
        MachineError, match=r"runtime\.precision: fp16 needs a GPU, and none was found; set fp32 or bf16"
    ):
        start(Runtime(level="native", threads=1, precision="fp16"), seed=before + 1)
    assert torch.initial_seed() == before


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", "float32"), ("bf16", "bfloat16"), ("fp16", "float16")])
def test_inference_uses_the_precision_of_the_runtime(precision: Any, dtype: str) -> None:
    model = to_inference(torch.nn.Linear(2, 2), Runtime(level="portable", threads=1, precision=precision))
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, dtype)}


@pytest.mark.parametrize("flags", ["sse4_2 avx fma", "sse4_2 avx avx2", "avx512_avx2 fma"])
def test_a_cpu_without_avx2_or_fma_is_an_error(flags: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = tmp_path / "cpuinfo"
    cpu.write_text(f"processor : 0\nflags\t\t: fpu {flags} sse\n", encoding="utf-8")
    monkeypatch.setattr(runtime, "Path", lambda _: cpu)
    monkeypatch.setattr(runtime.os, "environ", {})
    monkeypatch.setattr(runtime.sys, "modules", {})
    with pytest.raises(MachineError, match=r"lacks AVX2 or FMA; set runtime\.level: native"):
        configure(RUNTIME)
    configure(Runtime(level="native", threads=1, precision="bf16"))  # needs neither
