r"""Definitions of a user's own LaTeX commands: \newcommand, \NewDocumentCommand, \def and \let."""

import re
from dataclasses import dataclass

from papertrail.data.formats.latex_syntax import Syntax, is_citation

NAME = re.compile(r"\s*+(?:\{\s*+)?\\([a-zA-Z@]+|.)\s*+\}?", re.DOTALL)
OTHER = re.compile(r"\s*+=?\s*+\\([a-zA-Z@]+)")
ALIAS = re.compile(r"\s*\\([a-zA-Z@]+)\*?\s*(?:\\xspace)?\s*")
PARAMETERS = re.compile(r"[^{}%\\]{0,200}")
EXPANSION = 2_000  # characters of a body that is expanded


@dataclass(frozen=True, slots=True)
class Macro:
    """A user's own command.

    Attributes:
        defaults: For each argument the value if it is absent; None if it is mandatory.
        body: The text, with #1 to #9 for the arguments.
        alias: Name of the citation command that it is another name for; empty if it is none.
    """

    defaults: tuple[str | None, ...]
    body: str
    alias: str = ""

    def expanded(self, values: list[str]) -> str:
        """Return the body with the values of the arguments."""
        return re.sub("#([1-9])", lambda found: "".join(values[int(found[1]) - 1 : int(found[1])]), self.body)


def read_definition(form: str, syntax: Syntax, position: int) -> tuple[str, Macro | None, int]:
    """Read a definition.

    Args:
        form: "latex", "xparse", "tex" or "let".
        syntax: Of the source.
        position: After the name and star of the defining command.

    Returns:
        The name of the new command; its definition, None if it is not expanded; the end.
    """
    found = NAME.match(syntax.text, position)
    if found is None:
        return "", None, position
    name, end = found[1], found.end()
    if form == "let":
        other = OTHER.match(syntax.text, end)
        if other is None:
            return name, None, end
        return name, Macro((), "", other[1]) if is_citation(other[1]) else None, other.end()
    defaults, end = PARAMETER_READERS[form](syntax, end)
    body = syntax.group(end)
    if body is None and (command := re.compile(r"\s*+(\\[a-zA-Z@]+)").match(syntax.text, end)):
        body = (command[1], command.end())
    return (name, None, end) if body is None else (name, _make(name, defaults, body[0]), body[1])


def _make(name: str, defaults: tuple[str | None, ...], body: str) -> Macro | None:
    alias = ALIAS.fullmatch(body)
    if alias and not defaults and is_citation(alias[1]):
        return Macro((), "", alias[1])
    places = re.findall(r"\{#([1-9])\}", body)
    if len(body) > EXPANSION or (is_citation(name) and (not defaults or len(places) > len(set(places)))):
        return None  # \citeauthor{#1} (\citeyear{#1}) is one citation
    return Macro(defaults, body)


def _read_latex(syntax: Syntax, position: int) -> tuple[tuple[str | None, ...], int]:
    options: list[str] = []
    while len(options) < 2 and (end := syntax.option_end(syntax.skip_gap(position))) is not None:
        options.append(syntax.text[syntax.skip_gap(position) + 1 : end - 1])
        position = end
    count = int(options[0]) if options and options[0].strip() in tuple("123456789") else 0
    return ((options[1],) if len(options) > 1 and count else (None,) * (count > 0)) + (None,) * (count - 1), position


def _read_xparse(syntax: Syntax, position: int) -> tuple[tuple[str | None, ...], int]:
    group = syntax.group(position)
    if group is None:
        return (), position
    letters = re.findall(r"[a-zA-Z]", re.sub(r"\{[^{}]*\}", "", group[0]))
    return tuple(None if letter == "m" else "" for letter in letters[:9]), group[1]


def _read_tex(syntax: Syntax, position: int) -> tuple[tuple[str | None, ...], int]:
    found = PARAMETERS.match(syntax.text, position)
    return ((None,) * found[0].count("#"), found.end()) if found else ((), position)


PARAMETER_READERS = {"latex": _read_latex, "xparse": _read_xparse, "tex": _read_tex}
