"""Errors of a command become one line and an exit code; successful stages are logged."""

import json
import signal
import sys
from pathlib import Path

import pytest

from papertrail.core.errors import DataError, MachineError, ParamsError, report_full_disk
from papertrail.core.process import INTERRUPTED, run_cli
from papertrail.core.runtime import CAPS


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore what run_cli changes in this process."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(signal, "signal", lambda *_: None)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ParamsError("params.yaml: seed: missing"), "error: params.yaml: seed: missing"),
        (DataError("a.json:3: no id"), "error: a.json:3: no id"),
        (
            OSError(28, "No space left on device", "models/x"),
            "error: models/x: No space left on device; "
            "no output was written; free disk space or fix the path, then rerun",
        ),
        (KeyboardInterrupt(), INTERRUPTED),
    ],
)
def test_an_error_is_one_line(error: BaseException, message: str) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        run_cli(fail)
    assert caught.value.code == message  # Python prints it to stderr and exits with 1


def test_an_unexpected_error_keeps_its_traceback() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_cli(fail)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos"), 28),
        (RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"), 28),
    ],
)
def test_a_failed_write_of_weights_is_a_full_disk(tmp_path: Path, error: Exception, expected: int) -> None:
    with pytest.raises(OSError) as caught, report_full_disk(tmp_path):
        raise error
    assert (caught.value.errno, caught.value.filename) == (expected, str(tmp_path))


def test_an_error_of_safetensors_keeps_its_number(tmp_path: Path) -> None:
    from safetensors import SafetensorError

    with pytest.raises(PermissionError), report_full_disk(tmp_path):
        raise SafetensorError("I/O error: Permission denied (os error 13)")
    with pytest.raises(RuntimeError, match="size mismatch"), report_full_disk(tmp_path):
        raise RuntimeError("size mismatch for weight")


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a stage that is simulated."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/anywhere/stages/finetune.py", "ner-base"])
    return tmp_path


def test_a_stage_logs_time_memory_and_machine(stage: Path) -> None:
    run_cli(lambda: None)
    run_cli(lambda: None)
    first, second = (json.loads(line) for line in (stage / "build/runs.jsonl").read_text().splitlines())
    assert first["stage"] == second["stage"] == "finetune ner-base"
    assert first["caps"] == CAPS
    assert first["packages"]["torch"].startswith("2.")
    assert 0 < first["seconds"] <= second["seconds"]
    assert first["peak_memory_mib"] > 10


def test_only_stages_that_succeed_are_logged(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise MachineError("no")

    with pytest.raises(SystemExit):
        run_cli(fail)
    monkeypatch.setattr(sys, "argv", ["/anywhere/bin/papertrail"])
    run_cli(lambda: None)
    assert list(stage.iterdir()) == []


def test_a_log_that_cannot_be_written_is_a_warning(stage: Path, caplog: pytest.LogCaptureFixture) -> None:
    (stage / "build").touch()
    run_cli(lambda: None)
    assert "build/runs.jsonl" in caplog.text
