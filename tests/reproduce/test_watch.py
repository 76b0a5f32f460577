"""Undeclared accesses of a stage are reported with file and line; declared ones are not."""

from pathlib import Path
from typing import Any

import pytest

from papertrail.core.artifacts import write_json
from papertrail.reproduce.watch import find_leftovers, find_undeclared, hook_variables, read_records, write_times
from tests.fixtures.commands import run_python

DECLARED = {"deps": ["data/raw"], "outs": ["models/tiny"]}
HEAD = "import os, pathlib, shutil, socket, subprocess, tempfile\n"


def watch(folder: Path, code: str, name: str = "planted") -> list[str]:
    """Run `code` as a stage in a new repository and return what is reported."""
    root, home, records = folder / "repository", folder / "home", folder / "watched.jsonl"
    for file in ("repository/stages/__init__.py", "repository/data/raw/a.txt", "repository/data/raw/b.txt"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    (root / "notes.txt").touch()
    (root / "secret.py").touch()
    home.mkdir()
    (home / "token").touch()
    (root / f"stages/{name}.py").write_text(HEAD + code, encoding="utf-8")
    imported = dict.fromkeys(("stages/__init__.py", f"stages/{name}.py"), "hash")
    write_json(imported, root / f"code/{name}.json")
    before = write_times(root)
    done = run_python(
        root, "-m", f"stages.{name}", **hook_variables(records), HOME=str(home), PAPERTRAIL_LISTING="reversed"
    )
    assert done.returncode == 0, done.stderr
    paths: dict[str, Any] = {kind: [{"path": path} for path in named] for kind, named in DECLARED.items()}
    paths["deps"].append({"path": f"code/{name}.json"})
    stages = {name: {"cmd": f"python -m stages.{name}", **paths, "params": {"params.yaml": {}}}}
    accesses = read_records(records)
    undeclared = find_undeclared(stages, accesses, root).get(name, [])
    return undeclared + find_leftovers(stages, accesses, before, root).get(name, [])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process the home of the stage."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


REFUSED = "try:\n    {}\nexcept OSError:\n    pass"  # no server listens, no name resolves


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("open('notes.txt')", "read notes.txt, which it does not declare (stages/planted.py:2)"),
        ("pathlib.Path('~/token').expanduser().read_text()", "read {home}/token, which it does not declare"),
        ("import secret", "read secret.py, which it does not declare (stages/planted.py:2)"),
        ("shutil.copy('notes.txt', tempfile.mkdtemp())", "read notes.txt, which it does not declare"),
        ("\nos.listdir()", "listed {root}, which it does not declare (stages/planted.py:3)"),
        ("list(pathlib.Path('data').glob('*'))", "listed data, which it does not declare"),
        ("open('left.txt', 'w')", "wrote left.txt, which it does not declare (stages/planted.py:2)"),
        ("open('data/raw/a.txt', 'a')", "wrote data/raw/a.txt, which it does not declare"),
        ("os.remove('notes.txt')", "removed notes.txt, which it does not declare"),
        ("os.rename('data/raw', 'data/other')", "wrote data/other, which it does not declare"),
        ("shutil.rmtree('data')", "removed data, which it does not declare"),
        (REFUSED.format("socket.create_connection(('127.0.0.1', 9))"), "connected to ('127.0.0.1', 9), which"),
        (REFUSED.format("socket.getaddrinfo('nowhere.invalid', 80)"), "looked up nowhere.invalid, which"),
        ("subprocess.run(['true'])", "started true, which it does not declare (stages/planted.py:2)"),
        ("os.system('true')", "started true, which it does not declare (stages/planted.py:2)"),
    ],
)
def test_an_undeclared_access_is_reported_with_its_line(tmp_path: Path, code: str, expected: str) -> None:
    expected = expected.format(home=tmp_path / "home", root=tmp_path / "repository")
    assert any(line.startswith(expected) for line in watch(tmp_path, code)), code


def test_an_undeclared_output_of_native_code_is_reported(tmp_path: Path) -> None:
    code = "import pyarrow as pa, pyarrow.parquet as pq\npq.write_table(pa.table({'a': [1]}), 'left.parquet')"
    assert watch(tmp_path, code)[-1] == "left left.parquet, which no stage declares"


ALLOWED = """
print(sorted(os.listdir('data/raw')), open('data/raw/a.txt').read())
for folder in ('models/tiny.part/inner', 'checkpoints/tiny/1', 'build/logs/tiny'):
    os.makedirs(folder)
    open(folder + '/file', 'w').close()
shutil.rmtree('checkpoints/tiny')
os.rename('models/tiny.part', 'models/tiny')
open(tempfile.mkdtemp() + '/scratch', 'w').close()
import pkgutil, stages
list(pkgutil.iter_modules(stages.__path__))
os.path.exists('notes.txt')
"""


def test_declared_accesses_are_not_reported(tmp_path: Path) -> None:
    assert watch(tmp_path, ALLOWED) == []


def test_fetch_may_use_network_programs_and_home_but_not_the_repository(tmp_path: Path) -> None:
    code = REFUSED.format("socket.create_connection(('127.0.0.1', 9))")
    code += "\nsubprocess.run(['true'])\nopen(os.path.expanduser('~/token'))\nopen('notes.txt')"
    [line] = watch(tmp_path, f"import sys\n{code}", name="fetch")
    assert line.startswith("read notes.txt")


def test_a_stage_that_is_not_watched_is_reported(tmp_path: Path) -> None:
    stage = {"cmd": "bash run.sh", "outs": []}
    [line] = find_undeclared({"planted": stage}, [], tmp_path)["planted"]
    assert "`bash run.sh` was not watched" in line


def test_without_verify_nothing_is_patched_or_written(tmp_path: Path) -> None:
    variables = hook_variables(tmp_path / "watched.jsonl")
    done = run_python(tmp_path, "-c", "import os, sitecustomize; print(os.scandir)", **variables)
    assert "built-in" in done.stdout
    assert not (tmp_path / "watched.jsonl").exists()


@pytest.mark.parametrize("listing", ["os.listdir('.')", "[e.name for e in os.scandir()]", "next(os.walk('.'))[2]"])
def test_listings_are_reversed(tmp_path: Path, listing: str) -> None:
    for name in "abcdef":
        (tmp_path / name).touch()
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/__init__.py").touch()
    (tmp_path / "stages/show.py").write_text(
        f"import os\nprint([x for x in {listing} if len(x) == 1])", encoding="utf-8"
    )
    outputs = []
    for order in ("usual", "reversed"):
        done = run_python(
            tmp_path, "-m", "stages.show", **hook_variables(tmp_path / "watched"), PAPERTRAIL_LISTING=order
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    first, second = (line.strip("[]\n").split(", ") for line in outputs)
    assert len(first) == 6
    assert first == second[::-1]
