"""Fixtures and settings of all tests."""

import signal
from pathlib import Path

import stages  # noqa: F401  first: it sets the instruction caps, which numpy and torch read on import

# isort: split
import pytest
from hypothesis import settings

from tests.fixtures.aclsum import write_aclsum
from tests.fixtures.commands import ROOT

# a job in the background ignores SIGINT, and so would every process that a test starts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# the same examples on every run, without deadlines
settings.register_profile("reproducible", derandomize=True, deadline=None, database=None)
settings.load_profile("reproducible")

# files that take minutes start first, so that the workers finish at about the same time
LONG = (
    "test_pipeline.py",
    "test_toy_task.py",
    "test_dependencies.py",
    "test_crash.py",
    "test_evaluate.py",
    "test_retriever.py",
    "test_classifier.py",
    "test_code_hashes.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; `make test` distributes them to workers in this order."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture
def repo() -> Path:
    """The root of this repository."""
    return ROOT


@pytest.fixture
def aclsum(tmp_path: Path) -> Path:
    """A generated source of eight papers in tmp_path/data/raw/aclsum: 3 train, 2 validation, 2 test, 1 in no split."""
    return write_aclsum(tmp_path / "data/raw/aclsum")
