"""Edits of params.yaml that keep its comments and layout.

ruamel.yaml attaches the blank line and the comment above a section to the last value before it. Deleting or appending
a block with its round-trip types therefore loses or moves them (tried), so blocks are cut and inserted as lines.
Single values are set with the round-trip types.
"""

from collections.abc import Iterator
from functools import reduce
from io import StringIO
from operator import getitem
from typing import Any

from ruamel.yaml import YAML

Section = tuple[str, ...]  # keys that lead to a section
Blocks = dict[Section, dict[str, Any]]  # section -> name -> block
Cut = tuple[int, int, str]  # lines [start, end) and the text that replaces them


def make_yaml() -> YAML:
    """Return a reader and writer in the layout of params.yaml, which keeps comments and the order of keys."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 10_000
    yaml.representer.add_representer(type(None), _represent_null)
    return yaml


def _represent_null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


FORM = make_yaml()


def set_values(params: Any, values: dict[str, Any], path: str = "") -> Iterator[str]:
    """Set values in a round-trip mapping; yield a line per change.

    A key that a block does not have, such as one of `defaults`, is inserted first, where it moves no comment.
    """
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(params.get(key), dict):
            yield from set_values(params[key], value, f"{path}{key}.")
        elif key not in params:
            yield f"{path}{key}: {value}"
            params.insert(0, key, value)
        elif params[key] != value:
            yield f"{path}{key}: {params[key]} -> {value}"
            params[key] = value


def remove_blocks(text: str, removed: Blocks) -> str:
    """Return the text of params.yaml without some blocks and the comments directly above them."""
    params, lines = FORM.load(text), text.split("\n")
    cuts: list[Cut] = []
    for section, names in removed.items():
        blocks = reduce(getitem, section, params)
        for name in names:
            start, column = blocks.lc.key(name)
            end = _end_of_block(lines, start, column)
            while lines[start - 1].startswith(f"{' ' * column}#"):
                start -= 1
            cuts.append((start, end, ""))
        if len(names) == len(blocks):
            start, key = _line_of(params, section), section[-1]
            cuts.append((start, start + 1, lines[start].replace(f"{key}:", f"{key}: {{}}", 1)))
    return _replace_lines(lines, cuts)


def add_blocks(text: str, added: Blocks) -> str:
    """Return the text of params.yaml with more blocks at the end of their sections."""
    params, lines = FORM.load(text), text.split("\n")
    cuts: list[Cut] = []
    for section, names in added.items():
        blocks = reduce(getitem, section, params)
        written = StringIO()
        FORM.dump(reduce(lambda inner, key: {key: inner}, reversed(section), names), written)
        block = written.getvalue().rstrip("\n").split("\n", len(section))[-1]  # without the keys of the section
        if blocks:
            end = _end_of_block(lines, *max(blocks.lc.key(name) for name in blocks))
        else:
            start = _line_of(params, section)
            lines[start] = lines[start].replace(": {}", ":", 1)
            end = start + 1
        cuts.append((end, end, block))
    return _replace_lines(lines, cuts)


def _line_of(params: Any, section: Section) -> int:
    line: int = reduce(getitem, section[:-1], params).lc.key(section[-1])[0]
    return line


def _end_of_block(lines: list[str], start: int, column: int) -> int:
    """Return the line after the block whose key is at (start, column); trailing blank lines are not part of it."""
    end = start + 1
    for number in range(end, len(lines)):
        line = lines[number].strip()
        if line and len(lines[number]) - len(lines[number].lstrip()) <= column:
            break
        end = number + 1 if line else end
    return end


def _replace_lines(lines: list[str], cuts: list[Cut]) -> str:
    for start, end, text in sorted(cuts, reverse=True):  # from the end, so that earlier line numbers stay valid
        lines[start:end] = [text] if text else []
    return "\n".join(lines)
