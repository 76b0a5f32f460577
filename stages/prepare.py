"""Raw files of a source -> rows of a data set: data/prepared/<task>/<data set>/<split>.parquet."""

import argparse
import hashlib
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pyarrow.parquet as pq
from datasets import Features

from scholar.errors import DataError, ParamsError, run
from scholar.leakage import find_near_duplicates
from scholar.params import choose, load_params, validate
from scholar.records import SPLITS, Counts, Row, open_rows, stream_rows, write_json, write_rows
from scholar.task import Task, load_task


def main() -> None:
    """Read, check and write one data set, and count what was left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a data set of params.yaml")
    name = parser.parse_args().name
    params = load_params()
    block = params.datasets[choose("data set", name, list(params.datasets))]
    task = load_task(str(block.get("task")))
    settings = validate(task.settings, block, f"params.yaml: datasets.{name}")
    choose("source", settings.source, list(params.sources))
    if task.resolve is not None:
        settings = task.resolve(Path("data/raw", settings.source), settings)

    raw = Path("data/raw", settings.source)
    counts = Counts()
    folder = Path("data/prepared", settings.task, name)
    part = folder.with_name(folder.name + ".part")
    files = {split: part / f"{split}.parquet" for split in SPLITS}
    features = task.features(settings)
    shutil.rmtree(part, ignore_errors=True)  # of an earlier run that was killed
    try:
        write_splits(name, task, features, task.read(raw, settings, params.seed, counts), files)
        for split, dropped in find_near_duplicates(name, task.text, files, params.leakage, counts).items():
            if dropped:
                rows = stream_rows(files[split])
                write_rows((row for number, row in enumerate(rows) if number not in dropped), features, files[split])
        check_readable(name, counts, params.leakage.max_readable)
        collected = 0
        if task.read_collection is not None and task.collection_features is not None:
            needed = {
                id_ for file in files.values() for row in stream_rows(file, ["relevant"]) for id_ in row["relevant"]
            }
            collection = task.read_collection(raw, settings, params.seed, counts, needed)
            with open_rows(task.collection_features(settings), part / "collection.parquet") as writer:
                for row in check_collection(name, files, collection):
                    writer.add(row)
            collected = writer.rows
        rows_of = {split: count_rows(file) for split, file in files.items()}
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    write_json(
        {
            "read": dict(counts.read),
            "dropped": dict(counts.dropped),
            "rows": rows_of,
            "readable": {
                clue: {"answers": answers, "given_away": counts.readable[clue]}
                for clue, answers in counts.answers.items()
            },
            **({"collection": collected} if collected else {}),
        },
        Path("metrics/prepare", f"{name}.json"),
    )


def write_splits(
    name: str, task: Task, features: Features, rows: Iterable[tuple[str, Row]], files: Mapping[str, Path]
) -> None:
    """Write the rows of each split as they come, a shard of each at a time.

    Raises:
        DataError: a split that the task has is empty, an id stands twice, or a group in two splits; the message names
            the data set, the split and the id or group.
    """
    ids: set[bytes] = set()  # 8 bytes stand for an id: among a million, two are the same with a chance of 3 in 10^8
    home: dict[object, tuple[str, str]] = {}
    with ExitStack() as stack:
        writers = {split: stack.enter_context(open_rows(features, file)) for split, file in files.items()}
        for split, row in rows:
            writers[split].add(row)
            id_ = hashlib.sha256(str(row["id"]).encode()).digest()[:8]
            if id_ in ids:
                raise DataError(f"data set {name}: id '{row['id']}' stands twice; every example needs its own")
            ids.add(id_)
            other, twin = home.setdefault(row[task.group], (split, row["id"]))
            if other != split:
                where = f"in {other} (row '{twin}') and in {split} (row '{row['id']}')"
                raise DataError(f"data set {name}: {task.group} '{row[task.group]}' stands {where}; put it in one")
        for split, writer in writers.items():
            if not writer.rows and not (task.label_origin == "none" and split == "test"):
                raise DataError(f"data set {name}: split {split} is empty; check its sizes and shares in params.yaml")


def check_readable(name: str, counts: Counts, limits: dict[str, float]) -> None:
    """No clue in the inputs gives more answers away than params.yaml allows.

    Raises:
        DataError: one does; the message names it, with both shares.
        ParamsError: there is no limit for a clue.
    """
    for clue, answers in counts.answers.items():
        if clue not in limits:
            raise ParamsError(f"params.yaml: leakage.max_readable: no limit for clue '{clue}'; add one")
        if counts.readable[clue] > limits[clue] * answers:
            share = f"{counts.readable[clue]} of {answers} answers"
            raise DataError(
                f"data set {name}: {clue} gives {share} away; at most {limits[clue]} of them were expected "
                f"(leakage.max_readable.{clue}); mask it in the inputs, or raise the limit and say why"
            )


def check_collection(name: str, files: Mapping[str, Path], collection: Iterable[Row]) -> Iterator[Row]:
    """The documents as they come; every id once, and at their end every relevant document was there.

    Raises:
        DataError: one of these is not so; the message names the data set and the id.
    """
    ids: set[str] = set()
    for document in collection:
        if document["id"] in ids:
            raise DataError(f"data set {name}: id '{document['id']}' stands twice in the collection")
        ids.add(document["id"])
        yield document
    for row in (row for file in files.values() for row in stream_rows(file, ["id", "relevant"])):
        if missing := [id_ for id_ in row["relevant"] if id_ not in ids]:
            raise DataError(f"data set {name}: query '{row['id']}': document '{missing[0]}' is not in the collection")


def count_rows(file: Path) -> dict[str, int]:
    """All rows of a Parquet file, and those of each class of its column `label`."""
    features = Features.from_arrow_schema(pq.read_schema(file))
    if "label" not in features:
        return {"all": pq.read_metadata(file).num_rows}
    labels = Counter(row["label"] for row in stream_rows(file, ["label"]))
    return {"all": labels.total(), **{features["label"].int2str(label): n for label, n in labels.items()}}


if __name__ == "__main__":
    run(main)
