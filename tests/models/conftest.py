"""Fixtures of several tests of models."""

import pytest

from tests.fixtures.threads import one_thread
from tests.fixtures.tiny_generators import FAMILIES, write_generator

__all__ = ["one_thread"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Family -> folder of a tiny language model."""
    return {family: str(write_generator(family, tmp_path_factory.mktemp(family))) for family in FAMILIES}
