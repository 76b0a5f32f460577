"""Outputs on another CPU of the same maker have the same bytes: `make cpus`, about two minutes."""

import shutil
import sys
from pathlib import Path

import pytest

from benchmarks import cpus
from benchmarks.cpus import COLUMNS, QEMU, describe, hash_here, hash_on
from papertrail.core.errors import ParamsError
from papertrail.core.params import Runtime

SHORT = ["training, 3 steps", "embedding", "evaluation with TF-IDF baseline"]


@pytest.mark.emulated
@pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"{QEMU} of Debian's package qemu-user is not installed")
def test_outputs_on_another_cpu_of_the_same_maker_are_equal() -> None:
    cpu = "EPYC" if "AuthenticAMD" in Path("/proc/cpuinfo").read_text(encoding="utf-8") else "Haswell"
    ours = hash_on(None, "portable", SHORT)
    assert list(ours) == SHORT
    assert hash_on(cpu, "portable", SHORT) == ours


def test_operations_that_differ_are_named() -> None:
    ours, theirs = {"mm": "0a", "exp": "1b"}, {"mm": "0c", "exp": "1b"}
    report = describe({(None, "portable"): ours, ("EPYC", "portable"): ours, ("Haswell", "portable"): theirs})
    assert report.splitlines()[-2:] == ["- portable, EPYC: none", "- portable, Haswell: mm"]


def test_operations_are_selected_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(level="native", threads=1, precision="fp32")
    for name in ("configure", "start"):
        monkeypatch.setattr(cpus, name, lambda *_, **__: None)
    monkeypatch.setattr(cpus, "stage_operations", lambda *_: {"training": lambda: 1})
    monkeypatch.setattr(cpus, "kernels", lambda: {"exp": lambda: 2})
    monkeypatch.setattr(cpus, "libraries", lambda _: {"BM25": lambda: 3})
    assert list(hash_here(runtime, [])) == ["training", "exp", "BM25"]
    assert list(hash_here(runtime, ["exp", "BM25"])) == ["exp", "BM25"]
    with pytest.raises(ParamsError, match="unknown operation 'exq'; did you mean 'exp'"):
        hash_here(runtime, ["exq"])


@pytest.mark.parametrize("names", [[], ["exp"]])
def test_only_a_run_of_all_operations_writes_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    requests = []

    def record(cpu: str | None, level: str, operations: list[str]) -> dict[str, str]:
        requests.append(operations)
        return {"exp": "0a"}

    monkeypatch.setattr(cpus, "hash_on", record)
    monkeypatch.setattr(cpus, "REPORT", tmp_path / "cpus.md")
    monkeypatch.setattr(sys, "argv", ["cpus", *names])
    cpus.main()
    assert requests == [names] * len(COLUMNS)
    assert (tmp_path / "cpus.md").exists() == (not names)
