"""The pipeline of this folder from start to end, each stage in a fork of one process that has loaded the libraries.

`dvc repro` starts a process per stage, and loading torch and its relatives takes longer than a tiny stage works. Here
DVC tells the commands and their order, and records the outputs in the end; in between no process is started.
"""

import importlib
import logging
import multiprocessing
import subprocess
import sys

import networkx

from scholar.errors import ScholarError, run

log = logging.getLogger(__name__)


def main() -> None:
    """Fetch by DVC, whose cache may have it; run the rest in forks; record what they made.

    Raises:
        ScholarError: a stage or DVC failed.
    """
    importlib.import_module("stages")  # sets the caps before any library is loaded
    _dvc("repro", "fetch")
    commands = [command for command in list_commands() if command[0] != "stages.fetch"]
    for module in dict.fromkeys(module for module, *_ in commands):
        importlib.import_module(module)
    for number, (module, *arguments) in enumerate(commands, start=1):
        log.info("%d of %d: %s", number, len(commands), " ".join([module, *arguments]))
        child = multiprocessing.get_context("fork").Process(
            target=run_stage,
            args=(module, arguments),
            daemon=True,  # ends with this process
        )
        child.start()
        child.join()
        if child.exitcode:
            raise ScholarError(f"{' '.join([module, *arguments])} failed; its messages stand above")
    _dvc("commit", "--force")


def list_commands() -> list[list[str]]:
    """Module and arguments of every stage, each after those that it depends on."""
    from dvc.repo import Repo

    with Repo() as repo:
        graph = repo.index.graph  # edges lead from a stage to what it needs
        order = networkx.lexicographical_topological_sort(graph.reverse(), key=lambda stage: stage.addressing)
        return [stage.cmd.removeprefix("python -m ").split() for stage in order]


def run_stage(module: str, arguments: list[str]) -> None:
    """What `python -m <module> <arguments>` does: libraries stay loaded, the repository's code is loaded anew.

    So a stage has only the code that it imports itself: a training names its checkpoints by what is loaded.
    """
    sys.argv = [module, *arguments]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("scholar", "stages")]:
        del sys.modules[name]
    errors = importlib.import_module("scholar.errors")  # the one whose errors the stage raises
    sys.audit("scholar.stage", " ".join(sys.argv))  # heard only under scholar.verify, see scholar/hook/sitecustomize.py
    errors.run(importlib.import_module(module).main)


def _dvc(*arguments: str) -> None:
    if subprocess.run(["dvc", *arguments]).returncode:
        raise ScholarError(f"dvc {' '.join(arguments)} failed; its messages stand above")


if __name__ == "__main__":
    run(main)
