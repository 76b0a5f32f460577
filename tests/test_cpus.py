"""The same bytes on another CPU of the same maker: `make cpus`, about two minutes."""

import shutil
from pathlib import Path

import pytest

from benchmarks.cpus import QEMU, describe, hash_on

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
