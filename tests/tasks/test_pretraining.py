"""Text to pretrain on: no test paper, whole paragraphs, no debris."""

from dataclasses import replace
from pathlib import Path

from scholar.params import Sizes
from scholar.records import Counts
from scholar.tasks.pretraining import TASK, Settings
from tests.fixtures.aclsum import paper, paragraph, write_papers

ALL = Sizes(train=None, validation=None, test=None)
SETTINGS = Settings(task="pretraining", source="aclsum", min_words=5, examples=ALL)


def test_no_test_paper(aclsum: Path) -> None:
    counts = Counts()
    rows = list(TASK.read(aclsum, SETTINGS, 42, counts))
    assert {(split, row["paper"]) for split, row in rows} == {
        *{("train", f"2020.train-main.{number}") for number in range(3)},
        ("train", "2020.none-main.0"),
        *{("validation", f"2020.validation-main.{number}") for number in range(2)},
    }
    assert counts.dropped["papers of the test split"] == 2


def test_sentences(tmp_path: Path) -> None:
    body = [
        paragraph("This sentence has five words. Too short. Here  are\nfive more words."),
        paragraph("Only one sentence is long enough. Not this one."),
        paragraph("The sum is always one. It was found by six people in all."),
    ]
    counts = Counts()
    rows = list(TASK.read(write_papers(tmp_path, {"train": [paper("P1", body, [])]}), SETTINGS, 42, counts))
    assert rows == [
        (
            "train",
            {
                "id": "P1/0",
                "paper": "P1",
                "sentences": ["This sentence has five words.", "Here are five more words."],
            },
        ),
        (
            "train",
            {
                "id": "P1/2",
                "paper": "P1",
                "sentences": ["The sum is always one.", "It was found by six people in all."],
            },
        ),
    ]
    assert +counts.dropped == {"sentences under 5 words": 2, "paragraphs under two sentences": 1}
    assert counts.read["sentences"] == 7


def test_shorter_limit_keeps_more(aclsum: Path) -> None:
    def words(min_words: int) -> list[int]:
        rows = TASK.read(aclsum, replace(SETTINGS, min_words=min_words), 42, Counts())
        return [len(sentence.split()) for _, row in rows for sentence in row["sentences"]]

    assert min(words(7)) >= 7
    assert len(words(7)) < len(words(5)) < len(words(1))
