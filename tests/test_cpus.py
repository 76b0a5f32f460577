"""The same bytes on another CPU of the same maker: `make cpus`, about two minutes."""

import shutil
import sys
from pathlib import Path

import pytest

from benchmarks import cpus
from benchmarks.cpus import COLUMNS, QEMU, describe, hash_here, hash_on
from scholar.errors import ParamsError
from scholar.params import Runtime

SHORT = ["training, 3 steps", "embedding", "evaluation with TF-IDF baseline"]


@pytest.mark.emulated
@pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"{QEMU} of Debian's package qemu-user is not installed")
def test_another_cpu_of_the_same_maker_gives_the_same_bytes() -> None:
    cpu = "EPYC" if "AuthenticAMD" in Path("/proc/cpuinfo").read_text(encoding="utf-8") else "Haswell"
    ours = hash_on(None, "portable", SHORT)
    assert list(ours) == SHORT
    assert hash_on(cpu, "portable", SHORT) == ours


def test_operations_that_differ_are_named() -> None:
    ours, theirs = {"mm": "0a", "exp": "1b"}, {"mm": "0c", "exp": "1b"}
    told = describe({(None, "portable"): ours, ("EPYC", "portable"): ours, ("Haswell", "portable"): theirs})
    assert told.splitlines()[-2:] == ["- portable, EPYC: none", "- portable, Haswell: mm"]


def test_any_operation_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(level="native", threads=1, precision="fp32")
    for name in ("configure", "start"):
        monkeypatch.setattr(cpus, name, lambda *_, **__: None)
    monkeypatch.setattr(cpus, "stages", lambda *_: {"training": lambda: 1})
    monkeypatch.setattr(cpus, "kernels", lambda: {"exp": lambda: 2})
    monkeypatch.setattr(cpus, "libraries", lambda _: {"BM25": lambda: 3})
    assert list(hash_here(runtime, [])) == ["training", "exp", "BM25"]
    assert list(hash_here(runtime, ["exp", "BM25"])) == ["exp", "BM25"]
    with pytest.raises(ParamsError, match="unknown operation 'exq'; did you mean 'exp'"):
        hash_here(runtime, ["exq"])


@pytest.mark.parametrize("names", [[], ["exp"]])
def test_the_report_is_of_all_operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]) -> None:
    asked = []

    def record(cpu: str | None, level: str, given: list[str]) -> dict[str, str]:
        asked.append(given)
        return {"exp": "0a"}

    monkeypatch.setattr(cpus, "hash_on", record)
    monkeypatch.setattr(cpus, "REPORT", tmp_path / "cpus.md")
    monkeypatch.setattr(sys, "argv", ["cpus", *names])
    cpus.main()
    assert asked == [names] * len(COLUMNS)
    assert (tmp_path / "cpus.md").exists() == (not names)
