"""The stage: output, files, unknown sources."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

from tests.fixtures.commands import run_stage, write_params


def fetch(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the stage in a folder with the project's params.yaml and one source, `notes`."""
    content = b"a note\n"
    (folder / "there").mkdir()
    (folder / "there/a.txt").write_bytes(content)
    notes = {
        "licence": "CC0-1.0",
        "files": {"a.txt": hashlib.sha256(content).hexdigest()},
        "unpack": None,
        "convert": None,
        "providers": [{"kind": "local", "folder": "there"}],
    }

    def change(params: dict[str, Any]) -> None:
        params["sources"] = {"notes": notes}

    write_params(folder, change)
    return run_stage(folder, "fetch", name)


def test_files_of_a_source_are_in_data_raw(tmp_path: Path) -> None:
    done = fetch("notes", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "a.txt: from local there\n")
    assert [str(path.relative_to(tmp_path)) for path in (tmp_path / "data").rglob("*.*")] == ["data/raw/notes/a.txt"]


def test_unknown_source(tmp_path: Path) -> None:
    done = fetch("note", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: unknown source 'note'; did you mean 'notes'? (known: notes)\n"
    assert not (tmp_path / "data").exists()
