"""Edits of params.yaml: values, blocks, and the comments around them."""

from pathlib import Path

import pytest

from papertrail.core.params import read_yaml
from papertrail.experiments.params_file import FORM, add_blocks, remove_blocks, set_values

TEXT = """# about everything
a: # about a
  x: # about x
    k: 1 # about k
  # about y
  y:
    k: 2

# about b
b: {} # about nothing

c:
  d:
    e: {k: 3}
"""


def test_a_removed_block_takes_its_comments_along_and_no_others() -> None:
    assert remove_blocks(TEXT, {("a",): {"y": None}}) == TEXT.replace("  # about y\n  y:\n    k: 2\n", "")
    assert remove_blocks(TEXT, {("a",): {"x": None}}) == TEXT.replace("  x: # about x\n    k: 1 # about k\n", "")


def test_an_empty_section_is_a_mapping() -> None:
    text = remove_blocks(TEXT, {("c", "d"): {"e": None}})
    assert text == TEXT.replace("  d:\n    e: {k: 3}\n", "  d: {}\n")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (("a",), TEXT.replace("    k: 2\n", "    k: 2\n  z:\n    k: 4\n")),
        (("b",), TEXT.replace("b: {} # about nothing\n", "b: # about nothing\n  z:\n    k: 4\n")),
        (("c", "d"), TEXT.replace("    e: {k: 3}\n", "    e: {k: 3}\n    z:\n      k: 4\n")),
    ],
)
def test_an_added_block_is_the_last_of_its_section(section: tuple[str, ...], expected: str) -> None:
    assert add_blocks(TEXT, {section: {"z": {"k": 4}}}) == expected


def test_values_change_in_place(tmp_path: Path) -> None:
    params = FORM.load(TEXT)
    changes = list(set_values(params, {"a": {"x": {"k": 1}, "y": {"k": 5, "new": 6}}}))
    assert changes == ["a.y.k: 2 -> 5", "a.y.new: 6"]
    file = tmp_path / "params.yaml"
    with file.open("w", encoding="utf-8") as stream:
        FORM.dump(params, stream)
    assert file.read_text(encoding="utf-8") == TEXT.replace("    k: 2\n", "    new: 6\n    k: 5\n")
    assert read_yaml(file)["a"]["y"] == {"new": 6, "k": 5}
