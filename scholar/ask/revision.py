"""The model of another git revision: its files come from git, DVC's cache or the remote into a folder of their own."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from scholar.ask.models import pick
from scholar.errors import DataError, ParamsError
from scholar.params import PARAMS, Params, load_params

METRICS = ("metrics/finetune", "metrics/evaluate")


def fetch_model(revision: str, task: str, run: str | None, folder: Path) -> Params:
    """Copy what a model of a revision needs into an empty folder.

    A process of its own does it: DVC loads numpy, which must not be loaded before the caps of the revision are set.

    Args:
        revision: a branch, tag, commit or experiment.
        task: of the model.
        run: its name; None takes the best on validation of that revision.
        folder: becomes the `root` of `load`.

    Returns:
        The parameters of that revision.

    Raises:
        ScholarError: git knows no such revision.
        ParamsError: this code cannot read its params.yaml, or it has no such run.
        DataError: the files are neither in DVC's cache nor in the remote.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
        return apart.submit(_fetch, revision, task, run, folder).result()


def _fetch(revision: str, task: str, run: str | None, folder: Path) -> Params:
    from scholar.revisions import open_revision

    files = open_revision(revision)
    _copy(files, PARAMS.as_posix(), folder, revision)
    try:
        params = load_params(folder / PARAMS)
    except ParamsError as error:
        raise ParamsError(
            f"revision '{revision}': this code cannot read its parameters; check that revision out and ask there "
            f"({str(error).replace(f'{folder}/', '')})"
        ) from None
    for path in METRICS:
        if files.exists(path):
            _copy(files, path, folder, revision)
    name, index, _ = pick(params, task, run, folder)
    for path in [f"models/{name}", *([f"data/index/{index}"] if index else [])]:
        _copy(files, path, folder, revision)
    return params


def _copy(files: Any, path: str, folder: Path, revision: str) -> None:
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError

    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        files.get(path, str(target), recursive=True)
    except (OSError, DvcException, DataIndexDirError) as error:
        raise DataError(
            f"{path} of revision '{revision}' could not be had ({' '.join(str(error).split())}); "
            f"`dvc fetch --all-commits` brings it from the remote, or check the revision out and `dvc repro`"
        ) from None
