"""Rows of a data set and counts of what a reader saw, dropped and merged."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from papertrail.core.params import Works

SPLITS = ("train", "validation", "test")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a reader read, dropped and merged, by reason; ends in the metrics of stage prepare.

    Attributes:
        read: What was read -> count.
        dropped: Reason -> count.
        labels: Label leakage check -> labels checked.
        leaked: Label leakage check -> labels readable from the input.
        works: When two titles are one work; None leaves every title as it is.
        merges: A row per spelling of a work that was merged into another spelling.
    """

    read: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    leaked: Counter[str] = field(default_factory=Counter)
    works: Works | None = None
    merges: list[Row] = field(default_factory=list)

    def add_leakage_check(self, name: str, leaks: bool) -> None:
        """Count a label, and whether it is readable from the input."""
        self.labels[name] += 1
        self.leaked[name] += leaks

    def summarise(self) -> str:
        """Return what was read and dropped by reason, on one line, the largest counts first."""
        parts = [
            f"{what}: {', '.join(f'{number:,} {reason}' for reason, number in counter.most_common() if number)}"
            for what, counter in (("read", self.read), ("dropped", self.dropped))
            if counter.total()
        ]
        return "; ".join(parts) or "nothing was read"

    def add(self, other: "Counts") -> None:
        """Add the counts of another reader."""
        for name in ("read", "dropped", "labels", "leaked"):
            getattr(self, name).update(getattr(other, name))
        self.merges.extend(other.merges)
