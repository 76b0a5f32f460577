"""The command itself: what a user sees and finds."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]


def fetch(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the stage in a folder whose params.yaml is the project's, with one source, `notes`, in a folder nearby."""
    content = b"noted\n"
    (folder / "there").mkdir()
    (folder / "there/a.txt").write_bytes(content)
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params["sources"] = {
        "notes": {
            "licence": "CC0-1.0",
            "files": {"a.txt": hashlib.sha256(content).hexdigest()},
            "unpack": None,
            "convert": None,
            "providers": [{"kind": "local", "folder": "there"}],
        }
    }
    YAML(typ="safe").dump(params, folder / "params.yaml")
    command = [sys.executable, "-m", "stages.fetch", name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_source_appears_under_data_raw(tmp_path: Path) -> None:
    done = fetch("notes", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "a.txt: from local there\n")
    assert [str(path.relative_to(tmp_path)) for path in (tmp_path / "data").rglob("*.*")] == ["data/raw/notes/a.txt"]


def test_unknown_source(tmp_path: Path) -> None:
    done = fetch("note", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: unknown source 'note'; did you mean 'notes'? (known: notes)\n"
    assert not (tmp_path / "data").exists()
