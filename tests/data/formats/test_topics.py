"""Topics of TREC in both kinds of tags."""

from pathlib import Path

import pytest

from papertrail.core.errors import DataError
from papertrail.data.formats.topics import read_topics

OLD = """
<top>
<head> Tipster Topic Description
<num> Number: 301
<title> Topic: Stones &amp; rivers

<desc> Description:
Which stones are
in rivers < 5 m?
<narr> Narrative:
Any.
</top>

<top>
<num> Number: 302
<title> Wet stones
</top>
"""
NEW = """<?xml version="1.0"?>
<topics task="COVID">
  <topic number="7">
    <query>stones</query>
    <question>which stones</question>
  </topic>
</topics>
"""


def test_tags_that_are_not_closed(tmp_path: Path) -> None:
    file = tmp_path / "topics"
    file.write_text(OLD, encoding="utf-8")
    first, second = read_topics(file)
    assert first == (
        f"{file}:2",
        {
            "head": "Tipster Topic Description",
            "num": "301",
            "title": "Stones & rivers",
            "desc": "Which stones are in rivers < 5 m?",
            "narr": "Any.",
        },
    )
    assert second == (f"{file}:14", {"num": "302", "title": "Wet stones"})


def test_topics_of_xml(tmp_path: Path) -> None:
    file = tmp_path / "topics.xml"
    file.write_text("\ufeff" + NEW.replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert list(read_topics(file)) == [
        (f"{file}:3", {"num": "7", "query": "stones", "question": "which stones"}),
    ]


def test_a_file_without_topics_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "topics").write_text("<html></html>", encoding="utf-8")
    with pytest.raises(DataError, match="topics: no topic; expected <top>"):
        list(read_topics(tmp_path / "topics"))
