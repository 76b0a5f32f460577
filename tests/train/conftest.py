"""Settings of all tests of training."""

from tests.fixtures.threads import one_thread

__all__ = ["one_thread"]
