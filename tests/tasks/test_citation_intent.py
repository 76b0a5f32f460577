"""One label for one text: human roles of sentences, or lines of JSON."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scholar.errors import DataError, ParamsError
from scholar.params import Files, Sizes
from scholar.records import Counts
from scholar.tasks.citation_intent import TASK, Settings

ALL = Sizes(train=None, validation=None, test=None)
SETTINGS = Settings(
    task="citation_intent",
    source="aclsum",
    format="aclsum",
    files=None,
    labels=["challenge", "approach", "outcome"],
    examples=ALL,
)


def write_lines(folder: Path, **splits: list[dict[str, Any]]) -> Settings:
    """A file per split; returns the settings that read them, with labels background and method."""
    for split in ("train", "validation", "test"):
        rows = splits.get(split, [{"text": "It works .", "label": "method"}])
        (folder / f"{split}.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    files = Files(train="train.jsonl", validation="validation.jsonl", test="test.jsonl")
    return replace(SETTINGS, format="jsonl", files=files, labels=["background", "method"])


def test_sentences_with_one_role_are_kept(aclsum: Path) -> None:
    counts = Counts()
    rows = list(TASK.read(aclsum, SETTINGS, 42, counts))
    of_paper = [(split, row) for split, row in rows if row["paper"] == "2020.validation-main.1"]
    assert {split for split, _ in of_paper} == {"validation"}
    assert [(row["id"].removeprefix("2020.validation-main.1/"), row["label"]) for _, row in of_paper] == [
        ("abstract/0", "challenge"),
        ("abstract/1", "approach"),
        ("abstract/2", "outcome"),
        ("introduction/1", "challenge"),
        ("introduction/2", "approach"),
        ("conclusion/1", "outcome"),
    ]
    assert of_paper[0][1]["text"] == "Pebbles of valley 1 are hard to tell apart ."
    assert +counts.read == {"sentences": 56}
    assert +counts.dropped == {"sentences with 0 roles": 7, "sentences with 2 roles": 7}


def test_texts_not_sampled_are_counted(aclsum: Path) -> None:
    counts = Counts()
    list(TASK.read(aclsum, replace(SETTINGS, examples=Sizes(train=5, validation=None, test=1)), 42, counts))
    assert counts.dropped["texts not sampled"] == (18 - 5) + 0 + (12 - 1)


def test_lines(tmp_path: Path) -> None:
    train = [{"text": "a", "label": "method", "paper": 7}, {"text": "b", "label": "background", "other": 1}]
    rows = list(TASK.read(tmp_path, write_lines(tmp_path, train=train), 42, Counts()))
    assert rows[:2] == [
        ("train", {"id": "train/0", "paper": "7", "text": "a", "label": "method"}),
        ("train", {"id": "train/1", "paper": "train/1", "text": "b", "label": "background"}),
    ]
    assert [split for split, _ in rows] == ["train", "train", "validation", "test"]


def test_unknown_label(tmp_path: Path) -> None:
    settings = write_lines(tmp_path, test=[{"text": "a", "label": "method"}, {"text": "b", "label": "methods"}])
    with pytest.raises(DataError, match=r"test\.jsonl:2: label 'methods' is not in labels \['background', 'method'\]"):
        list(TASK.read(tmp_path, settings, 42, Counts()))


def test_lines_without_files(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="format jsonl needs files"):
        list(TASK.read(tmp_path, replace(SETTINGS, format="jsonl"), 42, Counts()))
