"""Answers as people see them: marks, colours, tables."""

import pytest

from papertrail.cli.output import (
    SHOW,
    cell,
    mark,
    one_line,
    show_entities,
    show_hit,
    show_hits,
    show_labels,
    show_model,
    show_summaries,
    use_colour,
)

TEXT = "see Lee (2019)\nand figure 2"
ENTITIES = [
    {"start": 4, "end": 14, "text": "Lee (2019)", "type": "CITATION", "probability": 0.91},
    {"start": 19, "end": 27, "text": "figure 2", "type": "FIGURE", "probability": 0.8},
]
HIT = {"rank": 2, "id": "a", "title": "On Stones", "abstract": "", "year": None, "cosine_similarity": 0.51234}


def test_mentions_are_in_brackets_without_colour() -> None:
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


def test_control_characters_are_removed() -> None:
    assert one_line("a\x1b[2J\n b\x07") == "a [2J b"
    entity = [{**ENTITIES[0], "start": 0, "end": 4}]
    assert mark("\x1b[2Jx\x9b", entity, colour=False) == "[CITATION [2J]x"


def test_a_cell_has_the_beginning_of_a_text() -> None:
    assert cell("tree\n" * 30) == "tree " * 11 + "..."


def test_a_row_per_mention_with_its_probability() -> None:
    answers = [{"text": TEXT, "entities": ENTITIES, "windows": 1}, {"text": "x", "entities": [], "windows": 1}]
    shown = show_entities([{"text": TEXT}, {"text": "x"}], answers)
    assert "4        14     CITATION  0.910          Lee (2019)" in shown and shown.endswith("x\n\nno mention\n")


def test_labels_have_the_threshold_if_there_is_one() -> None:
    answer = {"label": "yes", "probabilities": {"no": 0.6, "yes": 0.4}, "threshold": 0.3, "cut": False}
    assert "yes from 0.300" in show_labels([{"text": "a"}], [answer])
    assert "threshold" not in show_labels([{"text": "a"}], [{**answer, "threshold": None}])


def test_a_hit_has_year_and_abstract_if_known() -> None:
    first, *abstract = show_hit({**HIT, "abstract": "word " * 200, "year": 1999}).splitlines()
    assert first == "2. 0.512  On Stones (1999)"
    assert all(line.startswith(" " * 10) for line in abstract) and abstract[-1].endswith("...")
    assert show_hit(HIT) == "2. 0.512  On Stones\n"


def test_hits_of_a_query_and_of_a_paper() -> None:
    assert show_hits([{"query": "stones"}], [{"query": "stones", "system": "model", "hits": [HIT]}]).splitlines() == [
        "stones, by cosine similarity",
        "2. 0.512  On Stones",
    ]
    answer = {"paper": {"id": "b", "title": "On Pebbles"}, "system": "model", "hits": []}
    assert show_hits([{"paper": "b"}], [answer]) == "On Pebbles, by cosine similarity\n"


def test_hits_of_the_untuned_model_are_shown_beside_the_others() -> None:
    untuned = [{**HIT, "title": "On Sand"}]
    shown = show_hits(
        [{"query": "stones"}], [{"query": "stones", "system": "BM25 + model", "hits": [HIT], "untuned": untuned}]
    )
    assert shown == (
        "stones, by BM25 + model, with cosine similarity\n\n"
        "fine-tuned\n2. 0.512  On Stones\n\nuntuned\n2. 0.512  On Sand\n"
    )


def test_a_summary_is_headed_by_its_file_or_text() -> None:
    answer = {"summary": "Stones\nare hard.", "sentences": None, "tokens": 3, "tokens_read": 30, "tokens_cut": 5}
    assert show_summaries([{"file": "a/b.txt"}], [answer]) == (
        "a/b.txt: 30 tokens read, 5 cut, 3 written\nStones are hard.\n"
    )
    assert show_summaries([{"text": "stones " * 30}], [answer]).startswith("stones stones")


def test_an_extract_is_shown_by_its_sentences() -> None:
    sentences = [{"text": "Stones\nroll.", "position": 0}, {"text": "We sort.", "position": 11}]
    answer = {
        "summary": "Stones\nroll. We sort.",
        "sentences": sentences,
        "tokens": 4,
        "tokens_read": 30,
        "tokens_cut": 0,
    }
    assert show_summaries([{"file": "a.txt"}], [answer]) == (
        "a.txt: 2 sentences of the text, 30 tokens read, no title\n1. Stones roll.\n12. We sort.\n"
    )


def test_every_form_of_answer_can_be_shown() -> None:
    assert set(SHOW) == {"labels", "entities", "links", "hits", "summary"}


def test_the_model_is_described_in_a_line() -> None:
    score = {"view": "test", "score": "f1", "name": "entity F1", "value": 0.7, "low": 0.6, "high": 0.8, "level": 0.95}
    facts = {"run": "ner", "chosen": "the only one on x", "revision": "v1", "scores": [score], "cautions": []}
    assert show_model(facts) == "ner, the only one on x; entity F1 0.700 [0.600, 0.800] on test; revision v1"
    assert show_model({**facts, "scores": [], "revision": None}) == "ner, the only one on x; not evaluated"
    assert show_model({**facts, "cautions": ["it is tiny"]}).endswith("revision v1\ncaution: it is tiny")
