"""Raw files of a source -> rows of a data set: data/prepared/<task>/<data set>/<split>.parquet."""

import argparse
import shutil
from collections import Counter
from pathlib import Path

from scholar.errors import DataError, run
from scholar.leakage import drop_near_duplicates
from scholar.params import choose, load_params, validate
from scholar.records import SPLITS, Counts, Row, write_json, write_rows
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

    counts = Counts()
    splits: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for split, row in task.read(Path("data/raw", settings.source), settings, params.seed, counts):
        splits[split].append(row)
    check_splits(name, task, splits)
    splits = drop_near_duplicates(name, task.text, splits, params.leakage, counts)
    check_readable(name, counts, params.leakage.max_readable)
    collection: list[Row] = []
    if task.read_collection is not None:
        needed = {id_ for rows in splits.values() for row in rows for id_ in row["relevant"]}
        collection = list(
            task.read_collection(Path("data/raw", settings.source), settings, params.seed, counts, needed)
        )
        check_collection(name, splits, collection)

    folder = Path("data/prepared", settings.task, name)
    part = folder.with_name(folder.name + ".part")
    features = task.features(settings)
    shutil.rmtree(part, ignore_errors=True)  # of an earlier run that was killed
    try:
        for split, rows in splits.items():
            write_rows(rows, features, part / f"{split}.parquet")
        if task.collection_features is not None:
            write_rows(collection, task.collection_features(settings), part / "collection.parquet")
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    write_json(
        {
            "read": dict(counts.read),
            "dropped": dict(counts.dropped),
            "rows": {split: {"all": len(rows), **_per_label(rows)} for split, rows in splits.items()},
            "readable": {
                clue: {"answers": answers, "given_away": counts.readable[clue]}
                for clue, answers in counts.answers.items()
            },
            **({"collection": len(collection)} if collection else {}),
        },
        Path("metrics/prepare", f"{name}.json"),
    )


def check_splits(name: str, task: Task, splits: dict[str, list[Row]]) -> None:
    """No split that the task has may be empty, no id twice, no group in two splits.

    Raises:
        DataError: one of these is not so; the message names the data set, the split and the id or group.
    """
    ids: set[str] = set()
    home: dict[object, tuple[str, str]] = {}
    for split, rows in splits.items():
        if not rows and not (task.label_origin == "none" and split == "test"):
            raise DataError(f"data set {name}: split {split} is empty; check its sizes and shares in params.yaml")
        for row in rows:
            if row["id"] in ids:
                raise DataError(f"data set {name}: id '{row['id']}' stands twice; every example needs its own")
            ids.add(row["id"])
            other, twin = home.setdefault(row[task.group], (split, row["id"]))
            if other != split:
                where = f"in {other} (row '{twin}') and in {split} (row '{row['id']}')"
                raise DataError(f"data set {name}: {task.group} '{row[task.group]}' stands {where}; put it in one")


def check_readable(name: str, counts: Counts, limits: dict[str, float]) -> None:
    """No clue in the inputs gives more answers away than params.yaml allows.

    Raises:
        DataError: one does; the message names it, with both shares.
        ParamsError: there is no limit for a clue.
    """
    for clue, answers in counts.answers.items():
        limit = limits[choose("clue of leakage.max_readable", clue, list(limits))]
        if counts.readable[clue] > limit * answers:
            share = f"{counts.readable[clue]} of {answers} answers"
            raise DataError(
                f"data set {name}: {clue} gives {share} away; at most {limit} of them were expected "
                f"(leakage.max_readable.{clue}); mask it in the inputs, or raise the limit and say why"
            )


def check_collection(name: str, splits: dict[str, list[Row]], collection: list[Row]) -> None:
    """Every id once, and every relevant document is there.

    Raises:
        DataError: one of these is not so; the message names the data set and the id.
    """
    ids: set[str] = set()
    for document in collection:
        if document["id"] in ids:
            raise DataError(f"data set {name}: id '{document['id']}' stands twice in the collection")
        ids.add(document["id"])
    for row in (row for rows in splits.values() for row in rows):
        if missing := [id_ for id_ in row["relevant"] if id_ not in ids]:
            raise DataError(f"data set {name}: query '{row['id']}': document '{missing[0]}' is not in the collection")


def _per_label(rows: list[Row]) -> dict[str, int]:
    return {
        str(label): count for label, count in sorted(Counter(row["label"] for row in rows if "label" in row).items())
    }


if __name__ == "__main__":
    run(main)
