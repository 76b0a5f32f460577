"""Paths of prepared data sets. The test split has its own folder, so that no training stage depends on it."""

from pathlib import Path

PREPARED = Path("data/prepared")
TEST = Path("data/test")


def split_file(task: str, dataset: str, split: str) -> Path:
    """Return the Parquet file of a split (train, validation or test)."""
    return (TEST if split == "test" else PREPARED) / task / dataset / f"{split}.parquet"


def collection_file(task: str, dataset: str) -> Path:
    """Return the Parquet file of the documents of a search data set."""
    return PREPARED / task / dataset / "collection.parquet"
