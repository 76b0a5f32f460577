"""What models predicted in any revision: a commit, a branch, an experiment of DVC, or the workspace."""

from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.scm import RevError

from scholar.comparison import MODEL
from scholar.errors import DataError, ScholarError
from scholar.records import Row


def open_revision(revision: str | None) -> Any:
    """The files of a revision, those in DVC's cache or a remote included; None is the workspace.

    Raises:
        ScholarError: git knows no such revision.
    """
    files = DVCFileSystem(rev=revision)
    try:
        files.ls("")  # a revision is looked up with its first file
    except RevError:
        raise ScholarError(
            f"unknown revision '{revision}'; give a branch, tag, commit or experiment, after `git fetch` if it is new"
        ) from None
    except DvcException as error:
        raise ScholarError(f"revision '{revision}' has no pipeline that DVC can read: {error}") from None
    return files


def list_predictions(files: Any) -> set[str]:
    """The names of the models that a revision has predictions of, wherever they are kept."""
    if not files.exists("predictions"):
        return set()
    return {entry["name"].rpartition("/")[2] for entry in files.ls("predictions") if entry["type"] == "directory"}


def read_predictions(files: Any, name: str, view: str) -> list[Row]:
    """What the model of that name predicted; other systems are left out.

    Raises:
        DataError: the file is neither here, nor in DVC's cache, nor in a remote, or it is not what stages write now.
    """
    path = f"predictions/{name}/{view}.parquet"
    try:
        table = pq.read_table(BytesIO(files.read_bytes(path)))
    except (OSError, DvcException, pa.ArrowInvalid) as error:
        raise DataError(f"{path} could not be read ({' '.join(str(error).split())})") from None
    rows: list[Row] = [row for row in table.to_pylist() if row.get("system") == MODEL]
    if not rows:
        raise DataError(f"{path} has no rows of system '{MODEL}'; it is of an older format")
    return rows
