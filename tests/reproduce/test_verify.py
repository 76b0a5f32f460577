"""Differences between builds are reported down to the tensor, row, key or line; faulty stages by name."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from papertrail.core.params import read_yaml
from papertrail.experiments.profile import copy_repository
from papertrail.experiments.warm import CHILD
from papertrail.reproduce.verify import CHANGED, compare, differences
from papertrail.reproduce.watch import find_undeclared, hook_variables, read_records
from tests.fixtures.commands import ROOT, run_python


def write(folder: Path, name: str, content: Any) -> None:
    """Write a file of the format that its suffix says."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    if file.suffix == ".safetensors":
        save_file(content, file)
    elif file.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(content), file)
    else:
        file.write_text(json.dumps(content) if file.suffix == ".json" else content, encoding="utf-8")


WEIGHTS = {"first": np.zeros(3, dtype=np.float32), "second": np.ones(2, dtype=np.float32)}


@pytest.mark.parametrize(
    ("name", "before", "after", "places"),
    [
        ("model.safetensors", WEIGHTS, {**WEIGHTS, "second": WEIGHTS["second"] + 1e-7}, ["tensor second"]),
        ("model.safetensors", WEIGHTS, {"first": WEIGHTS["first"]}, ["tensor second"]),
        ("rows.parquet", [{"a": 1, "b": "x"}] * 2, [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}], ["row 1, column b"]),
        ("metrics.json", {"a": {"b": 0.1, "c": 2}}, {"a": {"b": 0.2, "c": 2}}, ["key a.b"]),
        ("metrics.json", {"a": 1, "b": 2}, {"b": 2, "a": 1}, ["same content, different bytes"]),
        ("curve.csv", "x,y\n1,2\n", "x,y\n1,3\n", ["line 2"]),
        ("text.md", "\n" * 9, "a\n" * 9, [*(f"line {n}" for n in range(1, 6)), "and 4 more"]),
    ],
)
def test_the_place_of_a_difference(tmp_path: Path, name: str, before: Any, after: Any, places: list[str]) -> None:
    write(tmp_path / "before", name, before)
    write(tmp_path / "after", name, after)
    file = tmp_path / "after" / name
    assert differences(tmp_path / "before", tmp_path / "after") == [f"{file}: {place}" for place in places]


def test_the_same_bytes_do_not_differ(tmp_path: Path) -> None:
    for folder in ("before", "after"):
        write(tmp_path / folder, "rows.parquet", [{"a": 1}])
    assert differences(tmp_path / "before", tmp_path / "after") == []


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    write(tmp_path / "before", "a.txt", "a")
    (tmp_path / "after").mkdir()
    write(tmp_path / "after", "b.txt", "b")
    first, second = differences(tmp_path / "before", tmp_path / "after")
    assert "not written by the new build" in first
    assert "missing, so it cannot be compared" in second


def test_stages_are_reported_in_the_order_of_the_build(tmp_path: Path) -> None:
    def lock(*hashes: str) -> dict[str, Any]:
        names = ("prepare@b", "finetune@a", "evaluate@a")
        outs = [[{"path": f"{n}.txt", "md5": md5}] for n, md5 in zip(names, hashes, strict=True)]
        return {"stages": {n: {"outs": out} for n, out in zip(names, outs, strict=True)}}

    for folder, text in {"before": "1", "after": "2"}.items():
        for name in ("finetune@a.txt", "evaluate@a.txt"):
            write(tmp_path / folder, name, text)
    found = compare(lock("x", "y", "z"), lock("x", "Y", "Z"), tmp_path / "before", tmp_path / "after")
    assert list(found) == ["finetune@a", "evaluate@a"]
    assert found["finetune@a"] == [f"{tmp_path / 'after/finetune@a.txt'}: line 1"]


# ----- a small repository: one stage without a fault, one per fault

STAGES = {
    "fetch": "for name in 'abc':\n    Path('data/raw', name).write_text(name)",
    "sound": "Path('out/sound').write_text(str(sorted(os.listdir('data/raw'))))",
    "listing": "Path('out/listing').write_text('\\n'.join(os.listdir('data/raw')))",
    "clock": "Path('out/clock.json').write_text(json.dumps({'score': 0.5, 'seconds': time.time()}))",
    "draw": "Path('out/draw').write_text(str(random.random()))",
    "notes": "text = 'more'\nPath('out/notes').write_text(text + Path('notes.txt').read_text())",
    "mode": "file = Path('out/mode')\nfile.touch()\nfile.write_text(oct(file.stat().st_mode))",
    "process": (
        "facts = {'order': str(set('abcdef')), 'zone': time.strftime('%z')}\n"
        "facts |= {'locale': locale.setlocale(locale.LC_ALL, ''), 'width': shutil.get_terminal_size().columns}\n"
        "Path('out/process.json').write_text(json.dumps(facts))"
    ),
    "threads": (
        "threads = {name: os.environ[f'{name}_NUM_THREADS'] for name in ('OMP', 'MKL')}\n"
        "Path('out/threads.json').write_text(json.dumps(threads))"
    ),
    "stray": (
        "import pyarrow, pyarrow.parquet\n"
        "pyarrow.parquet.write_table(pyarrow.table({'a': [1]}), 'stray.parquet')\n"
        "Path('out/stray').write_text('')"
    ),
    "after": "Path('out/after').write_text(Path('out/draw').read_text())",
}
DEPS = {"sound": ["data/raw"], "listing": ["data/raw"], "after": ["out/draw"]}
OUTS = {name: f"out/{name}.json" for name in ("clock", "process", "threads")} | {"fetch": "data/raw"}
USUAL = {  # environment of the first run, and of verify where it changes nothing
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "1",
    "OMP_NUM_THREADS": "2",
    "MKL_NUM_THREADS": "2",
    "COLUMNS": "80",
}
HEAD = """import json, locale, os, random, shutil, time
from pathlib import Path

def main():
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    """
TAIL = "\n\nif __name__ == '__main__':\n    main()\n"


VERIFY = """
import argparse
from papertrail.core.process import run_cli
from papertrail.reproduce import verify
parser = argparse.ArgumentParser()
verify.add_arguments(parser)
run_cli(lambda: verify.run(parser.parse_args()))
"""


def command(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the Python of this environment in a folder."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return run_python(folder, *arguments, PATH=path, **environment)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the small repository after its first run."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "stages").mkdir()
    (folder / ".dvc").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    files = {".dvc/config": "[core]\n    analytics = false\n", ".gitignore": "/out/\n/data/\n/build/\n__pycache__\n"}
    files |= {".dvcignore": "__pycache__\n", "notes.txt": "notes", "stages/__init__.py": ""}
    pipeline = {}
    for name, code in STAGES.items():
        script = f"stages/{name}.py"
        files[script] = (
            HEAD.replace("FOLDER", repr("data/raw" if name == "fetch" else "out")) + code.replace("\n", "\n    ") + TAIL
        )
        deps = [script, "stages/__init__.py", *DEPS.get(name, [])]
        outs = [OUTS.get(name, f"out/{name}")]
        pipeline[name] = {"cmd": f"python -m stages.{name}", "deps": deps, "outs": outs}
    files["dvc.yaml"] = json.dumps({"stages": pipeline})
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    done = command(folder, "-m", "dvc", "repro", **USUAL)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def verified(repository: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run verify on the small repository; return the process and the report."""
    done = command(repository, "-c", VERIFY, **USUAL)
    return done, json.loads((repository / "build/verify/report.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("kind", "stage", "place"),
    [
        ("differing", "listing", "build/verify/other place/out/listing: line 1"),
        ("differing", "clock", "build/verify/other place/out/clock.json: key seconds"),
        ("differing", "draw", "build/verify/other place/out/draw: line 1"),
        ("differing", "mode", "build/verify/other place/out/mode: line 1"),
        *(
            ("differing", "process", f"build/verify/other place/out/process.json: key {factor}")
            for factor in ("order", "zone", "locale", "width")
        ),
        ("differing", "threads", "build/verify/other place/out/threads.json: key OMP"),
        ("differing", "threads", "build/verify/other place/out/threads.json: key MKL"),
        ("undeclared", "stray", "left stray.parquet, which no stage declares"),
        ("undeclared", "notes", "read notes.txt, which it does not declare (stages/notes.py:7)"),
    ],
)
def test_a_fault_is_reported_with_stage_and_place(verified: Any, kind: str, stage: str, place: str) -> None:
    done, report = verified
    assert place in report[kind][stage]
    assert f"{stage}: {place}" in done.stderr
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_only_faulty_stages_are_reported_and_where_differences_start(verified: Any) -> None:
    done, report = verified
    assert sorted(report["differing"]) == ["after", "clock", "draw", "listing", "mode", "process", "threads"]
    assert sorted(report["undeclared"]) == ["notes", "stray"]
    first = re.search(r"starting in (.+):", done.stderr)
    assert first is not None
    assert sorted(first[1].split(", ")) == ["clock", "draw", "listing", "mode", "process", "threads"]


def test_the_report_lists_environment_and_stages(verified: Any) -> None:
    factors = verified[1]["factors"]
    assert factors == {"folder": "build/verify/other place", "umask": "077", "environment": CHANGED}
    assert CHANGED["PAPERTRAIL_LISTING"] == "reversed"
    assert sorted(verified[1]["stages"]) == sorted(STAGES)


def test_only_the_requested_stages_are_compared(repository: Path) -> None:
    done = command(repository, "-c", VERIFY, "sound")
    assert done.returncode == 0, done.stderr
    report = json.loads((repository / "build/verify/report.json").read_text(encoding="utf-8"))
    assert (report["stages"], report["differing"], report["undeclared"]) == (["fetch", "sound"], {}, {})


def test_forks_of_one_warm_process_are_watched(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_repository(repository, tmp_path / "warm")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    variables = hook_variables(tmp_path / "watched.jsonl") | {"PAPERTRAIL_LISTING": "reversed"}
    done = command(tmp_path / "warm", "-c", CHILD, **variables)
    assert done.returncode == 0, done.stderr
    stages = read_yaml(tmp_path / "warm/dvc.lock")["stages"]
    monkeypatch.chdir(tmp_path)  # reads of this repository are the code of warm
    undeclared = find_undeclared(stages, read_records(tmp_path / "watched.jsonl"), tmp_path / "warm")
    assert undeclared == {"notes": ["read notes.txt, which it does not declare (stages/notes.py:7)"]}
    usual, warm = ((folder / "out/listing").read_text().split() for folder in (repository, tmp_path / "warm"))
    assert usual == warm[::-1]
