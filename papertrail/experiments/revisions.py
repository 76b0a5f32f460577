"""Predictions of any revision: a commit, a branch, a DVC experiment or the workspace."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.scm import RevError
from dvc_data.index import DataIndexError

from papertrail.core.errors import DataError, PapertrailError
from papertrail.core.parquet import kind_of
from papertrail.core.records import Row
from papertrail.evaluate.stats.comparison import MODEL


class MissingError(DataError):
    """Predictions are not in the workspace, DVC's cache or a remote."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """The predictions of a model on one view; `kind` is a key of papertrail.evaluate.stats.samples.SCORES."""

    kind: str
    rows: list[Row]


def open_revision(revision: str | None) -> Any:
    """Return the files of a revision, those in DVC's cache or a remote included; None is the workspace.

    Raises:
        PapertrailError: git knows no such revision, or it has no pipeline.
    """
    files = DVCFileSystem(rev=revision)
    try:
        files.ls("")  # the revision is looked up with its first file
    except RevError:
        raise PapertrailError(
            f"unknown revision '{revision}'; use a branch, tag, commit or experiment, after `git fetch` if it is new"
        ) from None
    except DvcException as error:
        raise PapertrailError(f"revision '{revision}' has no pipeline that DVC can read: {error}") from None
    return files


def list_predictions(files: Any) -> set[str]:
    """Return the names of the models that a revision has evaluated, even if their predictions are not in the cache."""
    if not files.exists("predictions"):
        return set()
    return {entry["name"].rpartition("/")[2] for entry in files.ls("predictions") if entry["type"] == "directory"}


def read_predictions(files: Any, name: str, view: str) -> Predicted:
    """Return the predictions of a model, without those of its baselines.

    Raises:
        MissingError: The file is not in the workspace, DVC's cache or a remote.
        DataError: The file is not Parquet, or an older version of this repository wrote it.
    """
    path = f"predictions/{name}/{view}.parquet"
    try:
        content = files.read_bytes(path)
    except (OSError, DvcException, DataIndexError):  # DataIndexError: the list of the folder's files is missing
        raise MissingError(f"{path} is not in the workspace, DVC's cache or a remote") from None
    try:
        table = pq.read_table(BytesIO(content))
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a Parquet file ({' '.join(str(error).split())})") from None
    kind = kind_of(table.schema)
    rows: list[Row] = [row for row in table.to_pylist() if row.get("system") == MODEL]
    if kind is None or not rows:
        raise DataError(f"{path} was written by an older version and does not say what its rows are")
    return Predicted(kind, rows)
