"""Citation intent: roles of sentences by annotators, and JSON lines."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import DataError
from papertrail.core.params import Files, Sizes
from papertrail.core.records import SPLITS, Counts
from papertrail.data.tasks.citation_intent import TASK, Fields, Lines, Roles

ALL = Sizes(train=None, validation=None, test=None)
SETTINGS = Roles(
    task="citation_intent",
    source="aclsum",
    format="aclsum",
    labels=["challenge", "approach", "outcome"],
    examples=ALL,
)


def write_lines(folder: Path, **splits: list[dict[str, Any]]) -> Lines:
    """Write a file per split; return their settings, with labels background and method."""
    for split in ("train", "validation", "test"):
        rows = splits.get(split, [{"text": "It works .", "label": "method"}])
        (folder / f"{split}.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return Lines(
        task="citation_intent",
        source="lines",
        format="jsonl",
        files=Files(train="train.jsonl", validation="validation.jsonl", test="test.jsonl"),
        fields=Fields(text="text", label="label", paper=None),
        labels=["background", "method"],
        labels_by="human",
        examples=ALL,
    )


@pytest.mark.parametrize(("value", "name"), [(1, "1"), (0, "0"), (True, "true"), ("1", "1"), ("cafe\u0301", "café")])
def test_labels_of_other_types(tmp_path: Path, value: object, name: str) -> None:
    settings = replace(write_lines(tmp_path, test=[{"text": "a", "label": value}]), labels=["method", name])
    assert [row["label"] for split, row in TASK.read(tmp_path, settings, 42, Counts()) if split == "test"] == [name]


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
        ("train", {"id": "train/0", "paper": "train/0", "text": "a", "label": "method"}),
        ("train", {"id": "train/1", "paper": "train/1", "text": "b", "label": "background"}),
    ]
    assert [split for split, _ in rows] == ["train", "train", "validation", "test"]


def test_lines_with_other_field_names(tmp_path: Path) -> None:
    row = {"context": "a", "intent": "method", "citing": 7}
    settings = write_lines(tmp_path, train=[row], validation=[row], test=[row])
    for split in ("train", "validation", "test"):
        packed = gzip.compress((tmp_path / f"{split}.jsonl").read_bytes())
        (tmp_path / f"{split}.jsonl.gz").write_bytes(packed)
    named = replace(
        settings,
        files=Files(train="train.jsonl.gz", validation="validation.jsonl.gz", test="test.jsonl.gz"),
        fields=Fields(text="context", label="intent", paper="citing"),
    )
    rows = [row for _, row in TASK.read(tmp_path, named, 42, Counts())]
    assert rows[0] == {"id": "train/0", "paper": "7", "text": "a", "label": "method"}
    with pytest.raises(DataError, match=r"train\.jsonl:1: no field 'text' \(fields: citing, context, intent\)"):
        list(TASK.read(tmp_path, settings, 42, Counts()))


def test_a_text_without_a_paper_is_a_paper(tmp_path: Path) -> None:
    train = [{"text": "a", "label": "method", "paper": paper} for paper in (None, "", 0, None)]
    settings = write_lines(tmp_path, train=train, validation=train[2:3], test=train[:1])
    settings = replace(settings, fields=replace(settings.fields, paper="paper"))
    counts = Counts()
    papers = [row["paper"] for _, row in TASK.read(tmp_path, settings, 42, counts)]
    assert papers == ["train/0", "train/1", "0", "train/3", "0", "test/0"]
    assert counts.read["texts without a paper"] == 4


def test_empty_texts_are_counted_and_ids_are_unchanged(tmp_path: Path) -> None:
    train = [{"text": text, "label": "method"} for text in ("", " \n", "a")]
    counts = Counts()
    rows = list(TASK.read(tmp_path, write_lines(tmp_path, train=train), 42, counts))
    assert rows[0][1]["id"] == "train/2"
    assert (counts.dropped["empty texts"], counts.read["texts"]) == (2, 5)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"text": "b", "label": "methods"}, r"""label 'methods' is not in labels \['background', 'method'\]"""),
        ({"text": "b", "label": "Method"}, "label 'Method' is not in labels"),
        ({"text": "b", "label": 1}, "label 1 is not in labels"),
        ({"text": "b", "label": ["method"]}, r"label \['method'\] is not in labels"),
        ({"text": None, "label": "method"}, "text: expected a text, got None"),
        ({"text": ["b"], "label": "method"}, "text: expected a text, got "),
    ],
)
def test_broken_line(tmp_path: Path, row: dict[str, Any], expected: str) -> None:
    settings = write_lines(tmp_path, test=[{"text": "a", "label": "method"}, row])
    with pytest.raises(DataError, match=rf"test\.jsonl:2: {expected}"):
        list(TASK.read(tmp_path, settings, 42, Counts()))


def test_scicite(repo: Path) -> None:
    folder = repo / "../shared/data/scicite"
    if not folder.is_dir():
        pytest.skip(f"{folder}: the files are missing")
    settings = Lines(
        task="citation_intent",
        source="scicite",
        format="jsonl",
        files=Files(train="train.txt", validation="dev.txt", test="test.txt"),
        fields=Fields(text="text", label="label", paper=None),
        labels=["background", "method", "result"],
        labels_by="human",
        examples=ALL,
    )
    counts = Counts()
    rows = list(TASK.read(folder, settings, 42, counts))
    assert [sum(place == split for place, _ in rows) for split in SPLITS] == [7320, 916, 1861]
    assert +counts.dropped == {}
    texts = {split: {row["text"] for place, row in rows if place == split} for split in SPLITS}
    assert len(texts["train"] & texts["validation"]) == 7  # two with equal bytes, five in another Unicode form
    assert not texts["test"] & (texts["train"] | texts["validation"])


def test_parallel_lists_are_rows(tmp_path: Path) -> None:
    train = [
        {"sentences": ["a", "b"], "labels": ["background", "method"], "abstract_id": "p1", "confs": [1, 0.7]},
        {"sentences": ["c", " "], "labels": ["method", "method"], "abstract_id": None},
    ]
    settings = write_lines(tmp_path, train=train, validation=train[1:], test=train[1:])
    settings = replace(settings, fields=Fields(text="sentences", label="labels", paper="abstract_id"))
    counts = Counts()
    rows = list(TASK.read(tmp_path, settings, 42, counts))
    assert rows[:3] == [
        ("train", {"id": "train/0/0", "paper": "p1", "text": "a", "label": "background"}),
        ("train", {"id": "train/0/1", "paper": "p1", "text": "b", "label": "method"}),
        ("train", {"id": "train/1/0", "paper": "train/1", "text": "c", "label": "method"}),
    ]
    assert (counts.read["texts"], counts.dropped["empty texts"]) == (8, 3)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"text": ["a", "b"], "label": ["method"]}, "text has 2 texts, label 1 labels"),
        ({"text": ["a", "b"], "label": ["method", "x"]}, "label 'x' is not in labels"),
        ({"text": ["a", 3], "label": ["method", "method"]}, "text: expected a text, got 3"),
    ],
)
def test_broken_lists(tmp_path: Path, row: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError, match=rf"test\.jsonl:1: {expected}"):
        list(TASK.read(tmp_path, write_lines(tmp_path, test=[row]), 42, Counts()))


def test_a_paper_id_of_another_type(tmp_path: Path) -> None:
    settings = write_lines(tmp_path, test=[{"text": "a", "label": "method", "paper": ["x"]}])
    settings = replace(settings, fields=replace(settings.fields, paper="paper"))
    with pytest.raises(DataError, match=r"no field 'paper'"):
        list(TASK.read(tmp_path, settings, 42, Counts()))
    row = {"text": "a", "label": "method", "paper": ["x"]}
    write_lines(tmp_path, train=[row], validation=[row], test=[row])
    with pytest.raises(DataError, match=r"train\.jsonl:1: paper: expected a text or a number, got \['x'\]"):
        list(TASK.read(tmp_path, settings, 42, Counts()))


@pytest.mark.parametrize("escaped", [True, False])
def test_texts_are_in_one_unicode_form(tmp_path: Path, escaped: bool) -> None:
    row = {"text": "un caf\u0065\u0301 ici", "label": "method"}
    settings = write_lines(tmp_path)
    (tmp_path / "train.jsonl").write_text(json.dumps(row, ensure_ascii=escaped), encoding="utf-8")
    assert next(iter(TASK.read(tmp_path, settings, 42, Counts())))[1]["text"] == "un café ici"
