"""The caps hold in a process that starts as a stage does, and what would break them is refused."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from scholar import runtime
from scholar.errors import MachineError, ParamsError
from scholar.params import Runtime
from scholar.runtime import CAPS, configure
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
Path("report.json").write_text(json.dumps({
    "environment": dict(os.environ),
    "early": early,
    "threads": torch.get_num_threads(),
    "capability": torch.backends.cpu.get_cpu_capability(),
    "deterministic": torch.are_deterministic_algorithms_enabled(),
    "draws": [random.random(), float(numpy.random.rand()), float(torch.rand(()))],
}))
"""


def test_caps_threads_and_seeds_hold_in_a_fresh_process(tmp_path: Path) -> None:
    folders = [tmp_path / "portable", tmp_path / "native"]
    processes = []
    for hash_seed, folder in enumerate(folders):
        folder.mkdir()
        given = Runtime(level=folder.name, threads=2, precision="fp32")
        arguments = ("-c", REPORT, json.dumps(dataclasses.asdict(given)))
        processes.append(start_python(folder, *arguments, OMP_NUM_THREADS="7", hash_seed=hash_seed))
    for process in processes:
        finish(process)
    portable, native = (json.loads((folder / "report.json").read_text()) for folder in folders)

    assert portable["early"] == []
    assert CAPS.items() <= portable["environment"].items()
    assert portable["environment"]["OMP_NUM_THREADS"] == "2"  # not the 7 that the environment asked for
    assert portable["threads"] == 2
    assert portable["capability"] == "AVX2"
    assert portable["deterministic"]
    assert portable["draws"] == native["draws"]
    assert not CAPS.keys() & native["environment"].keys()
    assert native["threads"] == 2


@pytest.mark.parametrize("module", ["torch", "numpy"])
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


def test_bf16_is_refused_under_the_caps() -> None:
    before = dict(os.environ)
    with pytest.raises(ParamsError, match=r"runtime\.precision: bf16 needs runtime\.level: native"):
        configure(Runtime(level="portable", threads=1, precision="bf16"))
    assert dict(os.environ) == before


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
