"""The model of another git revision, copied from git, DVC's cache or the remote into a separate folder."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from papertrail.core.errors import DataError, ParamsError
from papertrail.core.params import PARAMS, Params, load_params
from papertrail.models.choice import pick

METRICS = ("metrics/finetune", "metrics/evaluate")


def fetch_model(revision: str, task: str, name: str | None, folder: Path) -> Params:
    """Copy the files of a model of a revision into an empty folder.

    A separate process copies them, because DVC imports numpy, which must not be imported before the instruction caps of
    the revision are set.

    Args:
        revision: A branch, tag, commit or experiment.
        task: Task of the model.
        name: Name of the model; None takes the best on validation of that revision.
        folder: Becomes the `root` of `papertrail.inference.load.load`.

    Returns:
        The parameters of that revision.

    Raises:
        PapertrailError: git does not know the revision.
        ParamsError: This code cannot read its params.yaml, or it has no such model.
        DataError: The files are neither in DVC's cache nor in the remote.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        return executor.submit(_fetch, revision, task, name, folder).result()


def _fetch(revision: str, task: str, name: str | None, folder: Path) -> Params:
    from papertrail.experiments.revisions import open_revision

    files = open_revision(revision)
    _copy(files, PARAMS.as_posix(), folder, revision)
    try:
        params = load_params(folder / PARAMS)
    except ParamsError as error:
        raise ParamsError(
            f"revision '{revision}': this code cannot read its parameters; check out that revision and ask there "
            f"({str(error).replace(f'{folder}/', '')})"
        ) from None
    for path in METRICS:
        if files.exists(path):
            _copy(files, path, folder, revision)
    choice = pick(params, task, name, folder)
    for path in [f"models/{choice.name}", *([f"data/index/{choice.index}"] if choice.index else [])]:
        _copy(files, path, folder, revision)
    return params


def _copy(files: Any, path: str, folder: Path, revision: str) -> None:
    """Copy a file or folder of a revision.

    Raises:
        DataError: It is unavailable.
    """
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError

    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        files.get(path, str(target), recursive=True)
    except (OSError, DvcException, DataIndexDirError) as error:
        raise DataError(
            f"{path} of revision '{revision}' is unavailable ({' '.join(str(error).split())}); "
            f"`dvc fetch --all-commits` downloads it from the remote, or check out the revision and run `dvc repro`"
        ) from None
