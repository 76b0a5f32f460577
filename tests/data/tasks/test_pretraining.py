"""Pretraining text: no test papers, paragraphs, runs of sentences of documents."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import DataError, ParamsError
from papertrail.core.params import Sizes, validate
from papertrail.core.records import Counts
from papertrail.data.tasks.pretraining import TASK, AclsumSettings, ArticleSettings
from tests.fixtures.aclsum import paper, paragraph, write_papers
from tests.fixtures.articles import write_lines, write_parquet

ALL = Sizes(train=None, validation=None, test=None)
SETTINGS = AclsumSettings(task="pretraining", source="aclsum", format="aclsum", min_words=5, examples=ALL)
ARTICLES = ArticleSettings(
    task="pretraining",
    source="made-up",
    format="articles",
    files=["a.jsonl"],
    id="id",
    text="text",
    min_words=5,
    max_sentences=4,
    documents=None,
    validation_share=0.25,
)


def test_papers_of_the_test_split_are_left_out(aclsum: Path) -> None:
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


def test_a_lower_minimum_keeps_more_sentences(aclsum: Path) -> None:
    def words(min_words: int) -> list[int]:
        rows = TASK.read(aclsum, replace(SETTINGS, min_words=min_words), 42, Counts())
        return [len(sentence.split()) for _, row in rows for sentence in row["sentences"]]

    assert min(words(7)) >= 7
    assert len(words(7)) < len(words(5)) < len(words(1))


# --- articles ---


def document(id_: str, sentences: int) -> dict[str, Any]:
    """Return a document with so many sentences."""
    return {"id": id_, "text": " ".join(f"Pebble {number} of {id_} is wet." for number in range(sentences))}


def test_documents_are_cut_into_even_runs(tmp_path: Path) -> None:
    sizes = {2: [2], 4: [4], 5: [2, 3], 9: [3, 3, 3], 13: [3, 3, 3, 4]}
    folder = write_lines(tmp_path / "a.jsonl", [document(str(size), size) for size in sizes])
    found: dict[str, list[list[str]]] = {}
    for _, row in TASK.read(folder, ARTICLES, 42, Counts()):
        assert row["id"] == f"{row['paper']}/{len(found.setdefault(row['paper'], []))}"
        found[row["paper"]].append(row["sentences"])
    assert {int(paper): [len(run) for run in runs] for paper, runs in found.items()} == sizes
    assert [sentence for run in found["13"] for sentence in run] == [
        f"Pebble {number} of 13 is wet." for number in range(13)
    ]


@pytest.mark.parametrize("longest", [4, 5, 32])
def test_every_run_has_two_sentences(tmp_path: Path, longest: int) -> None:
    folder = write_lines(tmp_path / "a.jsonl", [document(str(size), size) for size in range(2, 80)])
    rows = [row for _, row in TASK.read(folder, replace(ARTICLES, max_sentences=longest), 42, Counts())]
    assert min(len(row["sentences"]) for row in rows) >= 2
    assert max(len(row["sentences"]) for row in rows) == longest
    with pytest.raises(ParamsError, match="max_sentences: input should be greater than or equal to 4"):
        block = {name: getattr(ARTICLES, name) for name in ArticleSettings.__dataclass_fields__}
        validate(TASK.settings, {**block, "max_sentences": 3}, "params.yaml: datasets.x")


def test_documents_are_sampled_and_the_others_are_counted(tmp_path: Path) -> None:
    documents = [document(f"d{number}", 6) for number in range(60)]
    blank = [
        {"id": "null", "text": None},
        {"id": "blank", "text": " \n"},
        {"id": "one", "text": "Only this long sentence here."},
    ]
    folder = write_parquet(tmp_path / "a.parquet", [*documents, *blank])
    whole = replace(ARTICLES, files=["a.parquet"])

    def papers(size: int | None, counts: Counts, seed: int = 42) -> dict[str, str]:
        rows = TASK.read(folder, replace(whole, documents=size), seed, counts)
        return {row["paper"]: split for split, row in rows}

    counts = Counts()
    all_papers = papers(None, counts)
    assert len(all_papers) == 60
    assert +counts.dropped == {"documents without text": 2, "documents under two sentences": 1}
    assert counts.read == {"articles": 63, "sentences": 60 * 6 + 1}
    assert 5 <= sum(split == "validation" for split in all_papers.values()) <= 25  # a quarter of 60
    counts = Counts()
    few = papers(20, counts)
    assert counts.dropped["documents not sampled"] == 41
    assert few.items() < papers(30, Counts()).items() < all_papers.items()
    assert few.keys() != papers(20, Counts(), seed=43).keys()


def test_short_sentences_are_dropped_and_nothing_else_changes(tmp_path: Path) -> None:
    text = "We find $x_{1}<y$ [3, 4] in 5 % of it.\nToo short. See http://a.b/c_d for what {\\it they} found!"
    folder = write_lines(tmp_path / "a.jsonl.gz", [{"id": "cs/0001", "text": text}])
    counts = Counts()
    [(_, row)] = TASK.read(folder, replace(ARTICLES, files=["a.jsonl.gz"]), 42, counts)
    assert row["id"] == "cs/0001/0"
    assert row["sentences"] == [
        "We find $x_{1}<y$ [3, 4] in 5 % of it.",
        "See http://a.b/c_d for what {\\it they} found!",
    ]
    assert +counts.dropped == {"sentences under 5 words": 1}


def test_real_abstracts(repo: Path) -> None:
    folder = repo / "../shared/data/arxiv"
    if not folder.is_dir():
        pytest.skip(f"{folder}: the arXiv records are missing")
    settings = replace(ARTICLES, files=["stratified_math.jsonl.gz"], text="abstract", documents=500)
    counts = Counts()
    rows = list(TASK.read(folder, settings, 42, counts))
    assert counts.read["articles"] == 3500
    papers = {row["paper"] for _, row in rows}
    assert len(papers) + counts.dropped["documents under two sentences"] == 500
    assert counts.dropped["documents not sampled"] == 3000 - counts.dropped["documents without text"]
    assert all(len(sentence.split()) >= 5 for _, row in rows for sentence in row["sentences"])


def test_an_unknown_format_is_an_error() -> None:
    for block, expected in (({}, "x: format: missing"), ({"format": "artikel"}, "x: format: .*artikel")):
        with pytest.raises(ParamsError, match=expected):
            validate(TASK.settings, block, "x")


def test_a_value_that_is_not_a_text_is_an_error(tmp_path: Path) -> None:
    folder = write_lines(tmp_path / "a.jsonl", [{"id": "1", "text": 7}])
    with pytest.raises(DataError, match=r"a\.jsonl:1: text: expected a text, got int"):
        list(TASK.read(folder, ARTICLES, 42, Counts()))
