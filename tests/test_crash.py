"""Some points of `make crash`, and interrupts that end a stage with one message."""

import os
import signal
import subprocess
import sys

import pytest

from papertrail.core.process import INTERRUPTED
from tests.fixtures.commands import ROOT

STAGE = "import stages, sys, time; sys.stdout.write('begun'); sys.stdout.flush(); time.sleep(60)"  # imports take long
DVC = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


def test_stages_that_were_killed_write_the_same_files_when_rerun() -> None:
    stages = ["prepare aclsum_search", "finetune tiny-run", "evaluate tiny-run"]
    done = subprocess.run([sys.executable, "-m", "tests.crash", *stages], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    _, _, *rows = done.stdout.splitlines()
    assert len(rows) == 12
    assert all(row.split("|")[-2].strip() == "yes" for row in rows)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_during_imports_is_one_line(number: int) -> None:
    with subprocess.Popen([sys.executable, "-c", STAGE], cwd=ROOT, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == "begun"
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    assert stderr == f"{INTERRUPTED}\n"


def test_a_stage_ends_when_its_dvc_is_killed() -> None:
    environ = {**os.environ, "DVC_STAGE": "finetune"}
    command = [sys.executable, "-c", DVC, STAGE]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=-1, stderr=-1, text=True) as dvc:
        assert dvc.stdout is not None
        assert dvc.stdout.read(5) == "begun"
        dvc.kill()
        _, stderr = dvc.communicate(timeout=30)  # returns when the stage has ended too
    assert stderr == f"{INTERRUPTED}\n"
