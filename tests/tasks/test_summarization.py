"""What is read, what is to be written, and which papers have neither."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scholar.params import Sizes
from scholar.records import Counts, Row
from scholar.summaries import EXTRACTORS, oracle
from scholar.tasks.summarization import TASK, Settings
from tests.corpora.test_aclsum import change_line
from tests.fixtures.aclsum import change_json, paper_file, paragraph, write_aclsum

ALL = Sizes(train=None, validation=None, test=None)
SETTINGS = Settings(
    task="summarization", source="aclsum", text="introduction_conclusion", target="abstract", examples=ALL
)
SIX_WORDS = "colorlinks=true, linkcolor=blue, citecolor=blue, filecolor=magenta, urlcolor=blue\n\n\n2\n"


def read(folder: Path, settings: Settings = SETTINGS, counts: Counts | None = None, seed: int = 42) -> dict[str, Row]:
    """Id -> row, with its split in column `split`."""
    rows = TASK.read(folder, settings, seed, counts or Counts())
    return {row["id"]: {**row, "split": split} for split, row in rows}


def set_body(folder: Path, number: int, *texts: str) -> None:
    """Give a training paper other paragraphs."""
    body = [paragraph(text) for text in texts]
    change_json(paper_file(folder, "train", number), lambda raw: raw["pdf_parse"].update(body_text=body))


def set_sentences(folder: Path, number: int, **sections: list[str]) -> None:
    """Give a training paper other sentences, none of which has a role."""
    marks = {section: [0] * len(texts) for section, texts in sections.items()}
    roles = dict.fromkeys(("challenge", "approach", "outcome"), marks)
    change_line(folder / "train.jsonl", number, sentences=sections, highlights=roles)


def test_introduction_and_conclusion_to_abstract(aclsum: Path) -> None:
    assert read(aclsum)["2020.test-main.1"] == {
        "id": "2020.test-main.1",
        "title": "Sorting the pebbles of test valley 1",
        "source": [
            "Valley 1 lies between two rivers .",
            "Nobody knows how to count wet pebbles , which remains a problem .",
            "We weigh each pebble twice and keep the mean .",
            "We built a sieve and it outperforms the older one .",
            "Results improve by three pebbles in valley 1 .",
        ],
        "target": [
            "Pebbles of valley 1 are hard to tell apart .",
            "We train a sieve that looks at their edges .",
            "The sieve finds nine of ten round pebbles .",
        ],
        "split": "test",
    }


def test_body_is_cut_into_sentences(aclsum: Path) -> None:
    set_body(aclsum, 0, "Stones\n are  old. As Fig. 2 shows (Adler et al., 2001), they roll!", "Do they? ")
    row = read(aclsum, replace(SETTINGS, text="body"))["2020.train-main.0"]
    assert row["source"] == ["Stones are old.", "As Fig. 2 shows (Adler et al., 2001), they roll!", "Do they?"]
    assert row["target"] == read(aclsum)["2020.train-main.0"]["target"]


@pytest.mark.parametrize("role", ["challenge", "approach", "outcome"])
def test_target_by_annotators(aclsum: Path, role: Any) -> None:
    written = {name: f"The {name} is {name}. It\nis  long." for name in ("challenge", "approach", "outcome")}
    change_line(aclsum / "train.jsonl", 1, summary=written)
    rows = read(aclsum, replace(SETTINGS, target=role))
    assert rows["2020.train-main.1"]["target"] == [f"The {role} is {role}.", "It is long."]
    assert rows["2020.train-main.2"]["target"] == [f"The {role} of valley 2."]
    assert rows["2020.train-main.2"]["source"] == read(aclsum)["2020.train-main.2"]["source"]


def test_papers_by_split(aclsum: Path) -> None:
    counts = Counts()
    found = {id_: row["split"] for id_, row in read(aclsum, counts=counts).items()}
    assert found == {
        **{f"2020.train-main.{number}": "train" for number in range(3)},
        **{f"2020.validation-main.{number}": "validation" for number in range(2)},
        **{f"2020.test-main.{number}": "test" for number in range(2)},
    }
    assert +counts.dropped == {"papers in no split": 1}


def test_papers_that_lack_something_are_counted(aclsum: Path) -> None:
    set_sentences(aclsum, 0, abstract=["Alone ."])
    set_sentences(aclsum, 1, introduction=["Alone ."], abstract=[" "])
    counts = Counts()
    rows = read(aclsum, counts=counts)
    assert [id_ for id_, row in rows.items() if row["split"] == "train"] == ["2020.train-main.2"]
    assert counts.dropped["papers without text"] == 1
    assert counts.dropped["papers without a summary"] == 1


def test_a_paper_of_empty_paragraphs_is_counted(aclsum: Path) -> None:
    set_body(aclsum, 0, "", " \n ")
    counts = Counts()
    rows = read(aclsum, replace(SETTINGS, text="body"), counts)
    assert "2020.train-main.0" not in rows
    assert counts.dropped["papers without text"] == 1
    assert "2020.train-main.0" in read(aclsum)  # its introduction was told by annotators


def test_an_empty_human_summary_is_counted(aclsum: Path) -> None:
    change_line(aclsum / "val.jsonl", 0, summary={"challenge": "A.", "approach": " ", "outcome": "C."})
    counts = Counts()
    assert len(read(aclsum, replace(SETTINGS, target="approach"), counts)) == 6
    assert counts.dropped["papers without a summary"] == 1
    assert len(read(aclsum, replace(SETTINGS, target="outcome"))) == 7


def test_a_paper_of_six_words(aclsum: Path) -> None:
    set_body(aclsum, 0, SIX_WORDS)
    row = read(aclsum, replace(SETTINGS, text="body"))["2020.train-main.0"]
    assert " ".join(row["source"]) == " ".join(SIX_WORDS.split())
    whole = {method(row["source"], 100) for method in EXTRACTORS.values()}
    assert whole == {" ".join(row["source"])}
    assert oracle(row["source"], row["target"], 100) == row["source"][0]  # no word in common


def test_sampling_depends_on_seed_and_id_alone(tmp_path: Path) -> None:
    sizes = replace(SETTINGS, examples=Sizes(train=4, validation=1, test=100))
    counts = Counts()
    few, more = (write_aclsum(tmp_path / str(size), train=size) for size in (9, 12))
    rows = read(few, sizes, counts)
    assert [row["split"] for row in rows.values()] == ["train"] * 4 + ["validation"] + ["test"] * 2
    assert counts.dropped["papers not sampled"] == 5 + 1
    assert rows == read(few, sizes)
    assert rows.keys() != read(few, sizes, seed=43).keys()
    old = {f"2020.train-main.{number}" for number in range(9)}
    assert read(more, sizes).keys() & old <= rows.keys()  # none that was left out comes in when the source grows
