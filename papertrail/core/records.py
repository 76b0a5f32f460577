"""Rows of a data set and counts of what a reader saw and dropped."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

SPLITS = ("train", "validation", "test")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a reader read and dropped, by reason; ends in the metrics of stage prepare.

    Attributes:
        read: What was read -> count.
        dropped: Reason -> count.
        labels: Label leakage check -> labels checked.
        leaked: Label leakage check -> labels readable from the input.
    """

    read: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    leaked: Counter[str] = field(default_factory=Counter)

    def add_leakage_check(self, name: str, leaks: bool) -> None:
        """Count a label, and whether it is readable from the input."""
        self.labels[name] += 1
        self.leaked[name] += leaks

    def add(self, other: "Counts") -> None:
        """Add the counts of another reader."""
        for field_ in fields(self):
            getattr(self, field_.name).update(getattr(other, field_.name))
