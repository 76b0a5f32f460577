"""A LaTeX source that is being read."""

import re
from dataclasses import dataclass, field

from papertrail.data.formats.latex_syntax import Syntax


@dataclass(slots=True)
class Source:
    """A text that is read: a file, or the expansion of a user's own command, which has the span of its call."""

    text: str
    file: str
    call: tuple[int, int, int] | None = None  # start, end, line
    braces: list[str] = field(default_factory=list)  # text to write where each open group ends
    syntax: Syntax = field(init=False)
    counted: tuple[int, int] = (0, 1)  # position, its line
    unclosed: set[str] = field(default_factory=set)  # environments and conditions without an end

    def __post_init__(self) -> None:
        """Prepare the reading of arguments; a carriage return alone ends a line, too."""
        if "\r" in self.text:
            self.text = re.sub(r"\r(?!\n)", "\n", self.text)
        self.syntax = Syntax(self.text)

    def line(self, position: int) -> int:
        """Return the line of a position; positions never decrease."""
        before, line = self.counted
        self.counted = (position, line + self.text.count("\n", before, position))
        return self.counted[1]
