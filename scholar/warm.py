"""The pipeline of this folder from start to end, each stage in a fork of one process that has loaded the libraries.

`dvc repro` starts a process per stage, and loading torch and its relatives takes longer than a tiny stage works. Here
DVC tells the commands and their order, and records the outputs in the end; in between no process is started.
"""

import argparse
import importlib
import logging
import multiprocessing
import subprocess
import sys
from collections.abc import Sequence

import networkx

from scholar.errors import ScholarError, run

log = logging.getLogger(__name__)


def main() -> None:
    """Fetch by DVC, whose cache may have it; run the rest in forks; record what they made.

    Raises:
        ScholarError: there is no such target, or a stage or DVC failed.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", help="as dvc repro names them; these alone and what they need")
    importlib.import_module("stages")  # sets the caps before any library is loaded
    stages = list_stages(parser.parse_args().targets)
    commands = [command for command in stages.values() if command[0] != "stages.fetch"]
    _dvc("repro", *(name for name, command in stages.items() if command[0] == "stages.fetch"))
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
    _dvc("commit", "--force", *stages)


def list_stages(targets: Sequence[str]) -> dict[str, list[str]]:
    """Name -> module and arguments of every stage, or of the targets and all they need, each after those it needs.

    Raises:
        ScholarError: there is no such target.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with Repo() as repo:
        graph = repo.index.graph  # edges lead from a stage to what it needs
        try:
            wanted = {stage for target in targets for stage in repo.stage.collect(target)}
        except DvcException as error:
            raise ScholarError(f"{error}; `dvc stage list --name-only` tells the names") from None
        if targets:
            graph = graph.subgraph(wanted.union(*(networkx.descendants(graph, stage) for stage in wanted)))
        order = networkx.lexicographical_topological_sort(graph.reverse(), key=lambda stage: stage.addressing)
        return {stage.addressing: stage.cmd.removeprefix("python -m ").split() for stage in order}


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
