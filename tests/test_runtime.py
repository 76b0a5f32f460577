"""The caps hold in a process that starts as a stage does, and what would break them is refused."""

import dataclasses
import json
import os
import random
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from scholar import runtime
from scholar.errors import MachineError, ParamsError, run
from scholar.params import Runtime
from scholar.runtime import CAPS, configure, for_reading, start
from tests.fixtures.tiny_runs import RUNTIME, finish, start_python

REPORT = """
import json, os, sys
from pathlib import Path
from scholar.params import Runtime
from scholar.runtime import configure, start
given = Runtime(**json.loads(sys.argv[1]))
configure(given)
early = [name for name in ("torch", "numpy") if name in sys.modules]
start(given, seed=3)
import numpy, random, torch
draws = [random.random(), float(numpy.random.rand()), float(torch.rand(()))]
import faiss, sklearn  # after the draws: something in them draws, too
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
    given = Runtime(level="portable", threads=2, precision="fp32")
    finish(start_python(tmp_path, "-c", REPORT, json.dumps(dataclasses.asdict(given)), OMP_NUM_THREADS="7"))
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["early"] == []
    assert CAPS.items() <= report["environment"].items()
    assert report["environment"]["OMP_NUM_THREADS"] == "2"  # not the 7 that the environment asked for
    assert report["threads"] == 2
    assert (report["capability"], report["faiss"], report["openblas"]) == ("AVX2", "AVX2", ["Haswell"])
    assert report["deterministic"]
    generator = torch.Generator().manual_seed(3)
    draws = [random.Random(3).random(), np.random.RandomState(3).rand(), torch.rand((), generator=generator).item()]
    assert report["draws"] == draws


def test_native_asks_for_threads_but_for_no_caps(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_libraries_loaded_earlier_under_other_settings_are_refused(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.os, "environ", {})
    monkeypatch.setattr(runtime.sys, "modules", {module: None})
    with pytest.raises(MachineError, match=f"{module} was imported before OMP_NUM_THREADS=1 was set"):
        configure(RUNTIME)
    assert runtime.os.environ == {}


def test_libraries_loaded_earlier_under_the_same_settings_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.os, "environ", {"HOME": "somewhere"})
    monkeypatch.setattr(runtime.sys, "modules", {})
    configure(RUNTIME)
    set_now = dict(runtime.os.environ)
    monkeypatch.setattr(runtime.sys, "modules", {"torch": None})
    configure(RUNTIME)
    assert runtime.os.environ == set_now


def test_amd64_asks_mkl_for_kernels_that_every_maker_s_cpu_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.os, "environ", {})
    monkeypatch.setattr(runtime.sys, "modules", {})
    configure(Runtime(level="amd64", threads=1, precision="fp32"))
    assert {**CAPS, "MKL_CBWR": "COMPATIBLE"}.items() <= runtime.os.environ.items()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("level", ["portable", "amd64"])
def test_short_numbers_are_refused_under_the_caps(
    level: Literal["portable", "amd64"], precision: Literal["bf16", "fp16"]
) -> None:
    before = dict(os.environ)
    with pytest.raises(ParamsError, match=rf"runtime\.precision: {precision} needs runtime\.level: native"):
        configure(Runtime(level=level, threads=1, precision=precision))
    assert dict(os.environ) == before


def test_fp16_is_refused_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = torch.initial_seed()
    with pytest.raises(
        MachineError, match=r"runtime\.precision: fp16 needs a GPU, and none was found; set fp32 or bf16"
    ):
        start(Runtime(level="native", threads=1, precision="fp16"), seed=before + 1)
    assert torch.initial_seed() == before


@pytest.mark.parametrize(("precision", "kind"), [("fp32", "float32"), ("bf16", "bfloat16"), ("fp16", "float16")])
def test_a_model_is_read_in_the_precision_asked_for(precision: Any, kind: str) -> None:
    read = for_reading(torch.nn.Linear(2, 2), Runtime(level="portable", threads=1, precision=precision))
    assert {parameter.dtype for parameter in read.parameters()} == {getattr(torch, kind)}


@pytest.mark.parametrize("flags", ["sse4_2 avx fma", "sse4_2 avx avx2", "avx512_avx2 fma"])
def test_a_cpu_without_avx2_and_fma_is_refused(flags: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = tmp_path / "cpuinfo"
    cpu.write_text(f"processor : 0\nflags\t\t: fpu {flags} sse\n", encoding="utf-8")
    monkeypatch.setattr(runtime, "Path", lambda _: cpu)
    monkeypatch.setattr(runtime.os, "environ", {})
    monkeypatch.setattr(runtime.sys, "modules", {})
    with pytest.raises(MachineError, match=r"no AVX2 and FMA; set runtime\.level: native"):
        configure(RUNTIME)
    configure(Runtime(level="native", threads=1, precision="bf16"))  # which asks nothing of the CPU


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a stage seems to run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runtime.sys, "argv", ["/anywhere/stages/finetune.py", "ner-base"])
    return tmp_path


def test_a_stage_leaves_a_line_with_facts_of_the_machine(stage: Path) -> None:
    run(lambda: None)
    run(lambda: None)
    first, second = (json.loads(line) for line in (stage / "build/runs.jsonl").read_text().splitlines())
    assert first["stage"] == second["stage"] == "finetune ner-base"
    assert first["caps"] == CAPS
    assert first["packages"]["torch"].startswith("2.")
    assert 0 < first["seconds"] <= second["seconds"]
    assert first["peak_memory_mib"] > 10


def test_only_stages_that_end_well_leave_a_line(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise MachineError("no")

    with pytest.raises(SystemExit):
        run(fail)
    monkeypatch.setattr(runtime.sys, "argv", ["/anywhere/scholar/verify.py"])
    run(lambda: None)
    assert list(stage.iterdir()) == []


def test_a_log_that_cannot_be_written_is_told_and_no_more(stage: Path, caplog: pytest.LogCaptureFixture) -> None:
    (stage / "build").touch()
    run(lambda: None)
    assert "build/runs.jsonl" in caplog.text
