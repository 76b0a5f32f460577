"""Answers as people see them: marks, colours, tables."""

import pytest

from scholar.ask.show import clean, mark, shorten, show_entities, show_labels, show_model, use_colour

TEXT = "see Lee (2019)\nand figure 2"
ENTITIES = [
    {"start": 4, "end": 14, "text": "Lee (2019)", "type": "CITATION", "probability": 0.91},
    {"start": 19, "end": 27, "text": "figure 2", "type": "FIGURE", "probability": 0.8},
]


def test_mentions_are_bracketed_when_piped() -> None:
    assert mark(TEXT, ENTITIES, colour=False) == "see [CITATION Lee (2019)]\nand [FIGURE figure 2]"
    assert mark("plain", [], colour=False) == mark("plain", [], colour=True) == "plain"


def test_mentions_are_coloured_by_type_with_a_legend() -> None:
    shown = mark(TEXT, ENTITIES, colour=True)
    assert shown.startswith("see \x1b[44;97mLee (2019)\x1b[0m\nand \x1b[42;30mfigure 2\x1b[0m\n\n")
    assert shown.endswith("\x1b[44;97mCITATION\x1b[0m  \x1b[42;30mFIGURE\x1b[0m")


@pytest.mark.parametrize(
    ("terminal", "no_color", "expected"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_colour_is_for_terminals_without_no_color(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, no_color: str, expected: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    assert use_colour() is expected


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    assert clean("a\x1b[2J\n b\x07") == "a [2J b"
    evil = [{**ENTITIES[0], "start": 0, "end": 4}]
    assert mark("\x1b[2Jx\x9b", evil, colour=False) == "[CITATION [2J]x"


def test_a_text_without_spaces_is_cut_at_the_width() -> None:
    assert shorten("漢" * 100) == "漢" * 56 + " ..."
    assert shorten("tree " * 30) == "tree " * 11 + "..."
    assert [shorten(text) for text in ("", "漢字", "a" * 60)] == ["", "漢字", "a" * 60]


def test_a_row_per_mention_with_its_probability() -> None:
    shown = show_entities(
        [{"text": TEXT, "entities": ENTITIES, "windows": 1}, {"text": "x", "entities": [], "windows": 1}]
    )
    assert "4        14     CITATION  0.910          Lee (2019)" in shown and shown.endswith("x\n\nno mention\n")


def test_labels_show_the_threshold_where_there_is_one() -> None:
    answer = {"label": "yes", "probabilities": {"no": 0.6, "yes": 0.4}, "threshold": 0.3, "cut": False}
    assert "yes from 0.300" in show_labels([{"text": "a"}], [answer])
    assert "threshold" not in show_labels([{"text": "a"}], [{**answer, "threshold": None}])


def test_what_answered_is_told_in_a_line() -> None:
    score = {"view": "test", "score": "f1", "name": "entity F1", "value": 0.7, "low": 0.6, "high": 0.8, "level": 0.95}
    told = {"run": "ner", "chosen": "the only one on x", "revision": "v1", "scores": [score]}
    assert show_model(told) == "ner, the only one on x; entity F1 0.700 [0.600, 0.800] on test; revision v1"
    assert show_model({**told, "scores": [], "revision": None}) == "ner, the only one on x; not evaluated"
