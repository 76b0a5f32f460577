"""Raw files of a source to rows of a data set, with checks of ids, splits, duplicates and label leakage."""

import hashlib
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from datasets import Features

from papertrail.core.artifacts import new_folder, write_csv, write_json
from papertrail.core.errors import DataError, ParamsError
from papertrail.core.params import Params, choose
from papertrail.core.parquet import open_rows, stream_rows, write_rows
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.leakage import find_near_duplicates
from papertrail.data.prepared import collection_file, split_file
from papertrail.data.task import Task, leakage_of, load_settings, load_task

MERGES = "works.csv"  # beside the prepared rows
FEW_ROWS = 10  # of a class in validation
Files = Mapping[str, Path]  # split -> Parquet file

log = logging.getLogger(__name__)


def prepare_dataset(name: str, params: Params) -> None:
    """Write the rows of a data set to the files of papertrail.data.prepared, and metrics/prepare/<name>.json.

    Rows that are near-duplicates of rows of a later split are dropped; merged spellings of works are in works.csv.

    Args:
        name: Data set of params.yaml.
        params: All parameters.

    Raises:
        ParamsError: The task or the source is unknown, or the settings do not fit the task.
        DataError: The raw files have another form, or a check fails; earlier output is then unchanged.
    """
    settings = load_settings(name, params)
    check_source(name, settings.source, params)
    task, raw = load_task(settings.task), Path("data/raw", settings.source)
    if task.resolve is not None:
        settings = task.resolve(raw, settings)
    counts = Counts(works=params.works)
    try:
        features, leakage = task.features(settings), leakage_of(name, params)
    except ValueError as error:  # two classes of one name
        raise ParamsError(f"params.yaml: datasets.{name}: {error}") from None
    documents = 0
    with new_files(settings.task, name) as (files, collection):
        optional = task.optional_splits(settings)
        write_splits(name, task, features, task.read(raw, settings, params.seed, counts), files, optional, counts)
        for split, duplicates in find_near_duplicates(name, task.text, files, leakage, counts).items():
            if duplicates:
                drop_rows(files[split], features, duplicates)
                check_rows_left(name, split, files[split])
        check_label_leakage(name, counts, leakage.max_label_leakage)
        if task.read_collection is not None and task.collection_features is not None:
            needed = {id_ for _, relevant in relevant_documents(files) for id_ in relevant}
            rows = check_collection(name, files, task.read_collection(raw, settings, params.seed, counts, needed))
            documents = write_collection(rows, task.collection_features(settings), collection)
        sizes = {split: count_rows(file) for split, file in files.items()}
        warn_of_few_positives(name, features, sizes["validation"])
        write_merges(counts.merges, collection.with_name(MERGES))
    write_json(to_metrics(counts, sizes, documents), Path("metrics/prepare", f"{name}.json"))


def check_source(name: str, source: str, params: Params) -> None:
    """Check that the source of a data set is in params.yaml.

    Raises:
        ParamsError: It is not.
    """
    try:
        choose("source", source, list(params.sources))
    except ParamsError as error:
        raise ParamsError(f"params.yaml: datasets.{name}.source: {error}") from None


@contextmanager
def new_files(task: str, name: str) -> Iterator[tuple[Files, Path]]:
    """Yield the files of the splits and of the collection, in folders that replace earlier ones at the end."""
    split_files = {split: split_file(task, name, split) for split in SPLITS}
    collection = collection_file(task, name)
    with ExitStack() as stack:
        folders = sorted({file.parent for file in split_files.values()})
        parts = {folder: stack.enter_context(new_folder(folder)) for folder in folders}
        files = {split: parts[file.parent] / file.name for split, file in split_files.items()}
        yield files, parts[collection.parent] / collection.name


def write_splits(
    name: str,
    task: Task,
    features: Features,
    rows: Iterable[tuple[str, Row]],
    files: Files,
    optional: Collection[str] = (),
    counts: Counts | None = None,
) -> None:
    """Write the rows of each split while they are read; a shard of each is in memory.

    `counts` of what was read and dropped are part of the message about an empty split.

    Raises:
        DataError: A split that is not optional is empty, an id is not unique, or a group is in two splits.
    """
    ids: set[bytes] = set()  # 8 bytes per id; a collision among a million has a probability of 3e-8
    first_of: dict[object, tuple[str, str]] = {}  # group -> split and id of its first row
    with ExitStack() as stack:
        writers = {split: stack.enter_context(open_rows(features, file)) for split, file in files.items()}
        for split, row in rows:
            writers[split].add(row)
            id_ = hashlib.sha256(str(row["id"]).encode()).digest()[:8]
            if id_ in ids:
                raise DataError(
                    f"data set {name}: duplicate id '{row['id']}', again in {split}; ids must be unique in all splits"
                )
            ids.add(id_)
            other, other_id = first_of.setdefault(row[task.group], (split, row["id"]))
            if other != split:
                where = f"{other} (row '{other_id}') and {split} (row '{row['id']}')"
                group = f"{task.group} '{row[task.group]}'"
                raise DataError(f"data set {name}: {group} is in {where}; keep it in one split")
        for split, writer in writers.items():
            if not writer.rows and split not in optional and not (task.label_origin == "none" and split == "test"):
                advice = "check its sizes and shares in params.yaml, and its files"
                raise DataError(
                    f"data set {name}: split {split} is empty; {advice} ({(counts or Counts()).summarise()})"
                )


def drop_rows(file: Path, features: Features, positions: set[int]) -> None:
    """Rewrite a Parquet file without the rows at some positions."""
    rows = stream_rows(file)
    write_rows((row for position, row in enumerate(rows) if position not in positions), features, file)


def check_rows_left(name: str, split: str, file: Path) -> None:
    """Check that near-duplicates were not all rows of a split.

    Raises:
        DataError: They were.
    """
    if not pq.read_metadata(file).num_rows:
        raise DataError(f"data set {name}: every row of {split} is a near-duplicate of a row of a later split")


def check_label_leakage(name: str, counts: Counts, limits: Mapping[str, float]) -> None:
    """Check that the share of labels that are readable from the input is within the limits.

    Raises:
        DataError: A check exceeds its limit.
        ParamsError: A check has no limit.
    """
    for check, labels in counts.labels.items():
        if check not in limits:
            raise ParamsError(f"params.yaml: leakage.max_label_leakage: no limit for check '{check}'; add one")
        if counts.leaked[check] > limits[check] * labels:
            raise DataError(
                f"data set {name}: {check}: {counts.leaked[check]} of {labels} labels are readable from the input; at "
                f"most a share of {limits[check]} is allowed (leakage.max_label_leakage.{check}); mask it in the "
                "input, or raise the limit and document why"
            )


def warn_of_few_positives(name: str, features: Features, sizes: Mapping[str, int]) -> None:
    """Log a warning if a class of two has few rows in validation.

    Args:
        name: Data set.
        features: Columns of a row.
        sizes: Rows of the validation split by class.
    """
    labels = features["label"].names if "label" in features else []
    for label in labels if len(labels) == 2 else []:
        if (rows := sizes.get(label, 0)) < FEW_ROWS:
            log.warning(
                "data set %s: validation has %d %s of class '%s', fewer than %d; a threshold chosen on them is close "
                "to arbitrary; give the split more rows",
                *(name, rows, "row" if rows == 1 else "rows", label, FEW_ROWS),
            )


def relevant_documents(files: Files) -> Iterator[tuple[str, list[str]]]:
    """Yield the id and the relevant documents of each query."""
    for file in files.values():
        yield from ((row["id"], row["relevant"]) for row in stream_rows(file, ["id", "relevant"]))


def check_collection(name: str, files: Files, documents: Iterable[Row]) -> Iterator[Row]:
    """Yield the documents of a collection; check that ids are unique and, at the end, that no relevant one is missing.

    Raises:
        DataError: A check fails; the message has the id.
    """
    ids: set[str] = set()
    for document in documents:
        if document["id"] in ids:
            raise DataError(f"data set {name}: duplicate id '{document['id']}' in the collection; ids must be unique")
        ids.add(document["id"])
        yield document
    for query, relevant in relevant_documents(files):
        if missing := [id_ for id_ in relevant if id_ not in ids]:
            raise DataError(f"data set {name}: query '{query}': document '{missing[0]}' is not in the collection")


def write_collection(documents: Iterable[Row], features: Features, file: Path) -> int:
    """Write the documents while they are read; return their number."""
    with open_rows(features, file) as writer:
        for document in documents:
            writer.add(document)
    return writer.rows


def write_merges(merges: list[Row], file: Path) -> None:
    """Write the spellings that were merged into others, to be read by people; no file if there are none."""
    if merges:
        write_csv(merges, file, list(merges[0]))


def count_rows(file: Path) -> dict[str, int]:
    """Return the number of all rows of a Parquet file, and of those of each class of its column `label`."""
    features = Features.from_arrow_schema(pq.read_schema(file))
    if "label" not in features:
        return {"all": pq.read_metadata(file).num_rows}
    labels = Counter(row["label"] for row in stream_rows(file, ["label"]))
    return {"all": labels.total(), **{features["label"].int2str(label): n for label, n in labels.items()}}


def to_metrics(counts: Counts, sizes: Mapping[str, dict[str, int]], documents: int) -> dict[str, Any]:
    """Return the metrics of a data set: what was read and dropped, rows by split, label leakage, documents."""
    leakage = {check: {"labels": n, "leaked": counts.leaked[check]} for check, n in counts.labels.items()}
    metrics = {"read": dict(counts.read), "dropped": dict(counts.dropped), "rows": sizes, "label_leakage": leakage}
    return {**metrics, **({"collection": documents} if documents else {})}
