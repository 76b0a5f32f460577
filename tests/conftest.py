"""What many tests share."""

from pathlib import Path

import stages  # noqa: F401  first of all: it sets the instruction caps, which numpy and torch read when they are loaded

# isort: split
import pytest
from hypothesis import settings

from tests.fixtures.aclsum import write_aclsum
from tests.fixtures.commands import ROOT

# the same examples on every run and machine, however slow it is
settings.register_profile("reproducible", derandomize=True, deadline=None, database=None)
settings.load_profile("reproducible")

# minutes each: begun first, so that no worker is left alone with one of them in the end
LONG = (
    "test_pipeline.py",
    "test_crash.py",
    "test_trainer.py",
    "test_evaluate.py",
    "test_retriever.py",
    "test_search.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; `make test` gives them to workers in this order."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture
def repo() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture
def aclsum(tmp_path: Path) -> Path:
    """A made-up source of eight papers in tmp_path/data/raw/aclsum: 3 train, 2 validation, 2 test, 1 in no split."""
    return write_aclsum(tmp_path / "data/raw/aclsum")
