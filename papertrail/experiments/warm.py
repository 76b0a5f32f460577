"""The pipeline in one process that has loaded the libraries: each stage runs in a fork of it.

`dvc repro` starts a process per stage, and importing torch and transformers takes each of them about 7 seconds of CPU
time, longer than a stage of a tiny profile works. Here DVC lists the commands in order and records the outputs at the
end. Results are the same bytes as with `dvc repro` (tests/test_pipeline.py).
"""

import importlib
import logging
import multiprocessing
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx

from papertrail.core.errors import PapertrailError
from papertrail.core.process import run_cli

log = logging.getLogger(__name__)

DVC = (sys.executable, "-m", "dvc")
CHILD = "from papertrail.experiments.warm import main; main()"  # the hook of papertrail.reproduce recognises it
BY_DVC = ("stages.code", "stages.fetch")  # light, and DVC's cache may have the files


def run_warm(folder: Path, targets: Sequence[str], **options: Any) -> None:
    """Run the pipeline of a repository in a child process.

    Args:
        folder: Root of the repository; its own code runs.
        targets: Stages as `dvc repro` names them, run with their dependencies; none means all stages.
        **options: Of subprocess.run, such as `env`.

    Raises:
        PapertrailError: A stage failed.
    """
    if subprocess.run([sys.executable, "-c", CHILD, *targets], cwd=folder, **options).returncode:
        raise PapertrailError(f"{folder}: a stage failed; see its messages above")


def main() -> None:
    """Run the stages that the arguments of this process name, in the working directory."""
    run_cli(lambda: run_stages(sys.argv[1:]))


def run_stages(targets: Sequence[str]) -> None:
    """Run the stages in forks of this process, in order, and record their outputs.

    Raises:
        PapertrailError: There is no such target, or a stage or DVC failed.
    """
    importlib.import_module("stages")  # sets the instruction caps before any library is loaded
    stages = list_stages(targets)
    _dvc("repro", *(name for name, (module, *_) in stages.items() if module in BY_DVC))
    commands = [command for command in stages.values() if command[0] not in BY_DVC]
    for module in dict.fromkeys(module for module, *_ in commands):
        importlib.import_module(module)
    for number, (module, *arguments) in enumerate(commands, start=1):
        name = " ".join([module, *arguments])
        log.info("%d of %d: %s", number, len(commands), name)
        child = multiprocessing.get_context("fork").Process(
            target=run_stage,
            args=(module, arguments),
            daemon=True,  # ends with this process
        )
        child.start()
        child.join()
        if child.exitcode:
            raise PapertrailError(f"{name} failed; see its messages above")
    _dvc("commit", "--force", *stages)


def list_stages(targets: Sequence[str]) -> dict[str, list[str]]:
    """Return stage instance -> module and arguments, each after its dependencies.

    Args:
        targets: Stages, returned with their dependencies; none means all stages.

    Raises:
        PapertrailError: There is no such target.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with Repo() as repo:
        graph = repo.index.graph  # edges go from a stage to its dependencies
        try:
            wanted = {stage for target in targets for stage in repo.stage.collect(target)}
        except DvcException as error:
            raise PapertrailError(f"{error}; `dvc stage list --name-only` lists the names") from None
        if targets:
            graph = graph.subgraph(wanted.union(*(networkx.descendants(graph, stage) for stage in wanted)))
        order = networkx.lexicographical_topological_sort(graph.reverse(), key=lambda stage: stage.addressing)
        return {stage.addressing: stage.cmd.removeprefix("python -m ").split() for stage in order}


def run_stage(module: str, arguments: list[str]) -> None:
    """Run `python -m <module> <arguments>` in this fork.

    Libraries stay loaded. Modules of the repository are imported again, so that the hook of papertrail.reproduce sees
    which of them the stage imports.
    """
    sys.argv = [module, *arguments]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("papertrail", "stages")]:
        del sys.modules[name]
    process = importlib.import_module("papertrail.core.process")  # with the error classes that the stage raises
    sys.audit("papertrail.stage", " ".join(sys.argv))  # see papertrail/reproduce/hook/sitecustomize.py
    process.run_cli(importlib.import_module(module).main)


def _dvc(*arguments: str) -> None:
    if subprocess.run([*DVC, *arguments]).returncode:
        raise PapertrailError(f"dvc {' '.join(arguments)} failed; see its messages above")
