r"""Arguments of LaTeX commands: groups, options, and the keys of citation commands of natbib, biblatex and apacite.

Every function reads forward from a position and stops at a limit, so that unclosed braces cost little and lose nothing.
"""

import re
from functools import cache

GAP = re.compile(r"[ \t]*+(?:%[^\n]*+)?(?:\r?\n[ \t]*+)?(?:%[^\n]*+\n[ \t]*+)*+")  # between arguments: no blank line
BRACE = re.compile(r"\\.|%[^\n]*+|[{}]|[^\\%{}]+", re.DOTALL)
BRACKET = re.compile(r"\\.|%[^\n]*+|\n[ \t]*\r?\n|[\[\]{}]|[^\\%\[\]{}\n]+|\n", re.DOTALL)
CITATION = re.compile(r"(?:[a-zA-Z@]*[cC]ite[a-zA-Z]*|(?:foreign|hyphen)?(?:text|block|display)cquote|bibentry)")
NO_CITATION = re.compile(  # styles, declarations and hooks
    r"(?:[sS]et|Declare|At|bib|def|[rR]enew|patch|if|Define)[a-zA-Z]*[cC]ite[a-zA-Z]*"
    r"|nocite[a-zA-Z]*|newcites|shortcites|mancite"
    r"|[a-zA-Z]*[cC]ite(?:style|setup|delim|tracker|(?:name|num)font|index[a-z]*|form|left|right|mid|punct|dash)"
    r"|[a-zA-Z]*[cC]ite(?:reset|sort)"
)
CITATION_START = re.compile(rf"\\({CITATION.pattern})(?![a-zA-Z@])\*?")
KEYS = re.compile(r"\{((?:[^{}\\%]|\\_|%[^\n]*+)*+)\}")
NOTE = re.compile(r"<[^<>{}\[\]]{0,300}>")  # \cite<see>[p.~3]{key} of apacite
PARENTHESIS = re.compile(r"\([^()]{0,300}\)")  # \cites(see)(and more){a}{b} of biblatex
COMMENT = re.compile(r"%[^\n]*")
HALF_OPEN = re.compile(r"\[[^\]{}\n]{0,300}\](?=[\[{])")  # [$[0, 1)$]: TeX ends an option at the first bracket
OPTION_LIMIT, GROUP_LIMIT = 2_000, 20_000  # characters
FAILURES, SMALL_LIMIT = 200, 100  # unclosed arguments; the limit after them

SPACES = (" ", "\t", "\r", "\n", "%")

Keys = list[tuple[str, int]]  # key, its end in the source


class Syntax:
    """Reads arguments of one source; after many unclosed ones, the limits become small and so the time stays linear."""

    def __init__(self, text: str) -> None:
        """Read the arguments of commands in `text`."""
        self.text = text
        self.failures = 0

    def skip_gap(self, position: int) -> int:
        """Return the position after spaces, comments and at most one line end."""
        if self.text[position : position + 1] not in SPACES:
            return position
        found = GAP.match(self.text, position)
        return found.end() if found else position

    def group_end(self, position: int) -> int | None:
        """Return the end of the {group} that begins at a position; None if there is none or it is not closed."""
        return self._closing(position, "{", "}", BRACE, GROUP_LIMIT)

    def option_end(self, position: int) -> int | None:
        """Return the end of the [option] that begins at a position; None if there is none or it is not closed."""
        return self._closing(position, "[", "]", BRACKET, OPTION_LIMIT)

    def _closing(self, position: int, opening: str, closing: str, token: re.Pattern[str], limit: int) -> int | None:
        if not self.text.startswith(opening, position):
            return None
        last = position + (limit if self.failures < FAILURES else SMALL_LIMIT)
        depth, inner, current = 0, 0, position
        while current < last and (found := token.match(self.text, current)):
            sign, current = found[0], found.end()
            if sign == opening and not inner:
                depth += 1
            elif sign == closing and not inner:
                depth -= 1
                if depth == 0:
                    return current
            elif opening == "[" and (sign in "{}" or (sign[0] == "\n" and len(sign) > 1)):
                inner += {"{": 1, "}": -1}.get(sign, 0)
                if inner < 0 or sign[0] == "\n":
                    break  # the end of the surrounding group or of the paragraph
        self.failures += 1
        return None

    def skip_options(self, position: int) -> int:
        """Return the position after all options that follow."""
        while (end := self.option_end(self.skip_gap(position))) is not None:
            position = end
        return position

    def skip_uncited(self, position: int) -> int:
        """Return the position after the adjacent options, up to one with a citation, which is text."""
        while (end := self.option_end(position)) is not None:
            if CITATION_START.search(self.text, position, end):
                break
            position = end
        return position

    def skip_arguments(self, position: int, count: int) -> int:
        r"""Return the position after `count` arguments, {groups} or \commands, and the options between them."""
        for _ in range(count):
            after = self.skip_options(position)
            start = self.skip_gap(after)
            end = self.group_end(start)
            if end is None and (command := re.compile(r"\\[a-zA-Z@]+\*?").match(self.text, start)):
                end = command.end()
            if end is None:
                return after
            position = end
        return position

    def group(self, position: int) -> tuple[str, int] | None:
        """Return the content and the end of the group that follows; None if there is none."""
        start = self.skip_gap(position)
        end = self.group_end(start)
        return None if end is None else (self.text[start + 1 : end - 1], end)

    def citation(self, name: str, position: int, depth: int = 0) -> tuple[Keys, int] | None:
        """Return the keys of a citation command, with the end of each, and the end of the command.

        Args:
            name: Of the command, without the backslash.
            position: After the name and its star.
            depth: Of citations in the notes of citations.
        """
        keys: Keys = []
        is_list = name.lower().endswith("cites")
        if is_list:
            for _ in range(2):
                found = PARENTHESIS.match(self.text, self.skip_gap(position))
                position = found.end() if found else position
        start, number = position, 0
        while number == 0 or is_list:
            read = self._keys(name, position, depth)
            if read is None or (number and any(" " in key for key, _ in read[0])):
                break
            keys, position, number = [*keys, *read[0]], read[1], number + 1
        return (keys, position) if position > start and keys else None

    def _keys(self, name: str, position: int, depth: int) -> tuple[Keys, int] | None:
        keys: Keys = []
        if "volcite" in name.lower() or name.startswith(("foreign", "hyphen")):  # \volcite[see]{2}[12]{key}
            position = self.skip_arguments(position, 1)
        start = self.skip_gap(position)
        if self.text.startswith("<", start) and (found := NOTE.match(self.text, start)):
            position = found.end()
        for _ in range(2):
            start = self.skip_gap(position)
            end = self.option_end(start)
            if end is None and (half := HALF_OPEN.match(self.text, start)):
                end = half.end()
            if end is None:
                break
            keys += self._nested(start, end, depth)
            position = end
        found = KEYS.match(self.text, self.skip_gap(position))
        if found is None or ("\n" in found[1] and re.search(r"\n[ \t\r]*\n", found[1])):
            return None
        place = found.start(1)
        listed = COMMENT.sub(lambda comment: " " * len(comment[0]), found[1]) if "%" in found[1] else found[1]
        for part in listed.split(","):
            place += len(part) + 1
            key = " ".join(part.replace("\\_", "_").split())
            if key and "#" not in key and "*" not in key:
                keys.append((key, place - (self.text[place - 1] != "}")))  # with the brace that closes the group
        return keys, found.end()

    def _nested(self, start: int, end: int, depth: int) -> Keys:
        keys: Keys = []
        while depth < 3 and (found := CITATION_START.search(self.text, start, end)):
            start = found.end()
            if not NO_CITATION.fullmatch(found[1]) and (read := self.citation(found[1], start, depth + 1)):
                keys += read[0]
                start = read[1]
        return keys


@cache
def is_citation(name: str) -> bool:
    """Return whether a command of this name cites works in the text."""
    return CITATION.fullmatch(name) is not None and NO_CITATION.fullmatch(name) is None
