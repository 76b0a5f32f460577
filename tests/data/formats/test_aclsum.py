"""ACLSum: papers of splits, roles of sentences, summaries by annotators."""

import json
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import DataError
from papertrail.core.records import Counts
from papertrail.data.formats.aclsum import ROLES, Sentence, read_sentences, read_split_papers, read_summaries
from tests.fixtures.aclsum import write_aclsum


def change_line(file: Path, number: int, **fields: Any) -> None:
    """Set fields of one line; a field that is None is removed."""
    lines = file.read_text(encoding="utf-8").split("\n")
    row = {**json.loads(lines[number]), **fields}
    lines[number] = json.dumps({key: value for key, value in row.items() if value is not None})
    file.write_text("\n".join(lines), encoding="utf-8")


def test_papers_of_each_split(aclsum: Path) -> None:
    splits = read_split_papers(aclsum, Counts())
    assert {split: [paper.id for paper in papers] for split, papers in splits.items()} == {
        "train": ["2020.train-main.0", "2020.train-main.1", "2020.train-main.2"],
        "validation": ["2020.validation-main.0", "2020.validation-main.1"],
        "test": ["2020.test-main.0", "2020.test-main.1"],
        "none": ["2020.none-main.0"],
    }


def test_sentences_and_roles(aclsum: Path) -> None:
    sentences = list(read_sentences(aclsum))
    assert len(sentences) == 7 * 8  # papers in a split, sentences in each
    assert sentences[1] == (
        "train",
        Sentence(
            "2020.train-main.0/abstract/1",
            "2020.train-main.0",
            "abstract",
            "We train a sieve that looks at their edges .",
            ("approach",),
        ),
    )
    first = [sentence.roles for split, sentence in sentences if sentence.paper == "2020.test-main.1"]
    assert first == [
        *[("challenge",), ("approach",), ("outcome",)],
        *[(), ("challenge",), ("approach",)],
        *[("approach", "outcome"), ("outcome",)],
    ]


def test_paper_without_a_file(aclsum: Path) -> None:
    change_line(aclsum / "val.jsonl", 1, id="P99-1")
    with pytest.raises(
        DataError, match=r"val\.jsonl:2: paper 'P99-1' has no file in .*paper_jsons, or is listed twice"
    ):
        read_split_papers(aclsum, Counts())


@pytest.mark.parametrize(("file", "number"), [("train.jsonl", 1), ("test.jsonl", 0)])
def test_paper_in_two_places(aclsum: Path, file: str, number: int) -> None:
    change_line(aclsum / file, number, id="2020.train-main.0")
    with pytest.raises(DataError, match=rf"{file}:{number + 1}: paper '2020.train-main.0' .* listed twice"):
        read_split_papers(aclsum, Counts())


def test_number_of_marks_differs_from_number_of_sentences(aclsum: Path) -> None:
    highlights = {role: {"abstract": [0, 1, 0]} for role in ("challenge", "approach", "outcome")}
    highlights["approach"] = {"abstract": [1, 0]}
    change_line(aclsum / "train.jsonl", 2, highlights=highlights, sentences={"abstract": ["a", "b", "c"]})
    with pytest.raises(DataError, match=r"train\.jsonl:3: highlights\.approach\.abstract has 2 marks for 3 sentences"):
        list(read_sentences(aclsum))


def test_paper_without_a_section(aclsum: Path) -> None:
    highlights = {"challenge": {"abstract": [1]}, "approach": {"abstract": [0]}, "outcome": {"abstract": [0]}}
    change_line(aclsum / "train.jsonl", 0, highlights=highlights, sentences={"abstract": ["Alone ."]})
    assert [s.text for _, s in read_sentences(aclsum) if s.paper == "2020.train-main.0"] == ["Alone ."]


@pytest.mark.parametrize("field", ["id", "sentences", "highlights"])
def test_line_without_a_field(aclsum: Path, field: str) -> None:
    change_line(aclsum / "train.jsonl", 1, **{field: None})
    with pytest.raises(DataError, match=rf"train\.jsonl:2: no field '{field}'"):
        list(read_sentences(aclsum))


@pytest.mark.parametrize(
    "fields",
    [{"sentences": [1]}, {"highlights": "x"}, {"highlights": {"approach": [1]}}, {"sentences": {"abstract": 3}}],
)
def test_line_of_another_form(aclsum: Path, fields: dict[str, Any]) -> None:
    change_line(aclsum / "train.jsonl", 1, **fields)
    with pytest.raises(DataError, match=r"train\.jsonl:2: "):
        list(read_sentences(aclsum))


def test_summaries_of_every_split(aclsum: Path) -> None:
    summaries = read_summaries(aclsum)
    assert len(summaries) == 7  # not for the paper in no split
    assert summaries["2020.test-main.1"] == {role: f"The {role} of valley 1." for role in ROLES}


def test_other_roles_are_ignored_and_empty_summaries_are_kept(aclsum: Path) -> None:
    summaries = {"outcome": "", "approach": "B.", "challenge": "A.", "topic": "Stones."}
    change_line(aclsum / "val.jsonl", 0, summary=summaries)
    read = read_summaries(aclsum)["2020.validation-main.0"]
    assert read == {"challenge": "A.", "approach": "B.", "outcome": ""}


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ({"challenge": "A.", "outcome": "C."}, r"summary\.approach: expected a text"),
        ({"challenge": "A.", "approach": "B.", "outcome": None}, r"summary\.outcome: expected a text"),
        ({"challenge": ["A."], "approach": "B.", "outcome": "C."}, r"summary\.challenge: expected a text"),
        ("A. B. C.", r"summary\.challenge: expected a text"),
        (["A.", "B.", "C."], r"summary\.challenge: expected a text"),
        (None, "no field 'summary'"),
    ],
)
def test_missing_summary(aclsum: Path, summary: Any, expected: str) -> None:
    change_line(aclsum / "test.jsonl", 1, summary=summary)
    with pytest.raises(DataError, match=rf"test\.jsonl:2: {expected}"):
        read_summaries(aclsum)


def test_source_grows(tmp_path: Path) -> None:
    splits = read_split_papers(write_aclsum(tmp_path, train=9, validation=1, test=1, unsplit=0), Counts())
    assert {split: len(papers) for split, papers in splits.items()} == {
        "train": 9,
        "validation": 1,
        "test": 1,
        "none": 0,
    }
    assert len(splits["train"][0].bibliography) == 9
