"""Tiny models of every task, shared by the tests of inference."""

from collections.abc import Callable
from pathlib import Path

import pytest

from papertrail.inference.load import Model, load
from tests.fixtures.tiny_models import write_models


@pytest.fixture(scope="session")
def load_tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Model]:
    """A function that loads the tiny model of a task."""
    folder: Path = tmp_path_factory.mktemp("models")
    params = write_models(folder)
    return lambda task: load(params, task, None, folder)
