"""Summarization: texts and summaries of ACLSum, articles of collections, dropped papers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import ParamsError
from papertrail.core.params import Sizes
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.tasks.summarization import TASK, AclsumSettings, ArticleSettings, Shares
from tests.data.formats.test_aclsum import change_line
from tests.fixtures.aclsum import change_json, paper_file, paragraph, write_aclsum
from tests.fixtures.articles import write_lines, write_parquet

ALL = Sizes(train=None, validation=None, test=None)
SETTINGS = AclsumSettings(
    task="summarization",
    source="aclsum",
    format="aclsum",
    text="introduction_conclusion",
    target="abstract",
    examples=ALL,
)
ARTICLES = ArticleSettings(
    task="summarization",
    source="made-up",
    format="articles",
    files={"all": ["a.jsonl"]},
    shares=Shares(validation=0.25, test=0.25),
    id="id",
    title=None,
    article="text",
    abstract="sum",
    min_words=8,
    min_abstract_words=2,
    examples=ALL,
)
SIX_WORDS = "colorlinks=true, linkcolor=blue, citecolor=blue, filecolor=magenta, urlcolor=blue\n\n\n2\n"


def read(
    folder: Path, settings: AclsumSettings | ArticleSettings = SETTINGS, counts: Counts | None = None, seed: int = 42
) -> dict[str, Row]:
    """Return id -> row, with its split in column `split`."""
    rows = TASK.read(folder, settings, seed, counts or Counts())
    return {row["id"]: {**row, "split": split} for split, row in rows}


def set_body(folder: Path, number: int, *texts: str) -> None:
    """Replace the paragraphs of a training paper."""
    body = [paragraph(text) for text in texts]
    change_json(paper_file(folder, "train", number), lambda raw: raw["pdf_parse"].update(body_text=body))


def set_sentences(folder: Path, number: int, **sections: list[str]) -> None:
    """Replace the sentences of a training paper; none has a role."""
    marks = {section: [0] * len(texts) for section, texts in sections.items()}
    roles = dict.fromkeys(("challenge", "approach", "outcome"), marks)
    change_line(folder / "train.jsonl", number, sentences=sections, highlights=roles)


def test_source_is_introduction_and_conclusion(aclsum: Path) -> None:
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


def test_body_is_split_into_sentences(aclsum: Path) -> None:
    set_body(aclsum, 0, "Stones\n are  old. As Fig. 2 shows (Adler et al., 2001), they roll!", "Do they? ")
    row = read(aclsum, replace(SETTINGS, text="body"))["2020.train-main.0"]
    assert row["source"] == ["Stones are old.", "As Fig. 2 shows (Adler et al., 2001), they roll!", "Do they?"]
    assert row["target"] == read(aclsum)["2020.train-main.0"]["target"]


@pytest.mark.parametrize("role", ["challenge", "approach", "outcome"])
def test_target_by_annotators(aclsum: Path, role: Any) -> None:
    summaries = {name: f"The {name} is {name}. It\nis  long." for name in ("challenge", "approach", "outcome")}
    change_line(aclsum / "train.jsonl", 1, summary=summaries)
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


def test_papers_without_text_or_summary_are_counted(aclsum: Path) -> None:
    set_sentences(aclsum, 0, abstract=["Alone ."])
    set_sentences(aclsum, 1, introduction=["Alone ."], abstract=[" "])
    counts = Counts()
    rows = read(aclsum, counts=counts)
    assert [id_ for id_, row in rows.items() if row["split"] == "train"] == ["2020.train-main.2"]
    assert counts.dropped["papers without text"] == 1
    assert counts.dropped["papers without a summary"] == 1


def test_a_paper_with_empty_paragraphs_is_counted(aclsum: Path) -> None:
    set_body(aclsum, 0, "", " \n ")
    counts = Counts()
    rows = read(aclsum, replace(SETTINGS, text="body"), counts)
    assert "2020.train-main.0" not in rows
    assert counts.dropped["papers without text"] == 1
    assert "2020.train-main.0" in read(aclsum)  # its introduction is from the annotators


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


def test_sampling_depends_on_seed_and_id_only(tmp_path: Path) -> None:
    sizes = replace(SETTINGS, examples=Sizes(train=4, validation=1, test=100))
    counts = Counts()
    few, more = (write_aclsum(tmp_path / str(size), train=size) for size in (9, 12))
    rows = read(few, sizes, counts)
    assert [row["split"] for row in rows.values()] == ["train"] * 4 + ["validation"] + ["test"] * 2
    assert counts.dropped["papers not sampled"] == 5 + 1
    assert rows == read(few, sizes)
    assert rows.keys() != read(few, sizes, seed=43).keys()
    old = {f"2020.train-main.{number}" for number in range(9)}
    assert read(more, sizes).keys() & old <= rows.keys()  # a larger source adds none of the papers that were left out


# --- articles ---


def article(id_: str, text: str = "", summary: str = "It is short.") -> dict[str, Any]:
    """Return an article, by default a long enough one."""
    return {
        "id": id_,
        "text": text or f"The text of {id_} says much. It is far longer than its summary.",
        "sum": summary,
    }


def test_articles_are_split_into_sentences(tmp_path: Path) -> None:
    text = "Stones\n are  old. As Fig. 2 shows (Adler et al., 2001), they roll far."
    file = {**article("1", text, "We look. They\nroll."), "name": "On \n stones"}
    settings = replace(ARTICLES, shares=Shares(validation=0.0, test=1.0), title="name")
    assert read(write_lines(tmp_path / "a.jsonl", [file]), settings) == {
        "1": {
            "id": "1",
            "title": "On stones",
            "source": ["Stones are old.", "As Fig. 2 shows (Adler et al., 2001), they roll far."],
            "target": ["We look.", "They roll."],
            "split": "test",
        }
    }


def test_unusable_articles_are_counted_by_reason(tmp_path: Path) -> None:
    long = "One two three four five six seven eight nine."
    faulty = [
        article("empty", " \n", "It is short."),
        article("silent", long, " "),
        article("tiny", SIX_WORDS, "It is short, but seven words long."),
        article("word", long, "Short."),
        article("same", long, long.upper().replace(" ", "\n")),
        article("inverted", long, f"{long} And more."),
        article("copied", f"Abstract. It is\nshort. {long}", "It is short."),
    ]
    counts = Counts()
    found = read(write_lines(tmp_path / "a.jsonl", [*faulty, article("whole")]), ARTICLES, counts)
    assert list(found) == ["whole"]
    assert +counts.dropped == {
        "articles without text": 1,
        "articles without an abstract": 1,
        "articles under 8 words": 1,
        "abstracts under 2 words": 1,
        "articles equal to their abstract": 1,
        "abstracts longer than their article": 1,
        "articles that hold their abstract": 1,
    }
    assert counts.read["articles"] == 8


def test_a_split_by_draw_is_the_same_in_a_larger_collection(tmp_path: Path) -> None:
    articles = [article(str(number)) for number in range(200)]
    old = read(write_lines(tmp_path / "old/a.jsonl", articles[:150]), ARTICLES)
    new = read(write_lines(tmp_path / "new/a.jsonl", articles[::-1]), ARTICLES)
    assert all(new[id_] == row for id_, row in old.items())
    sizes = {split: sum(row["split"] == split for row in new.values()) for split in ("train", "validation", "test")}
    assert all(abs(size - share) < 30 for size, share in zip(sizes.values(), (100, 50, 50), strict=True))
    assert [row["split"] for row in read(tmp_path / "old", ARTICLES, seed=43).values()] != [
        row["split"] for row in old.values()
    ]


def test_files_of_splits_and_sizes(tmp_path: Path) -> None:
    for split, size in (("train", 30), ("dev", 8), ("test", 4)):
        write_parquet(tmp_path / f"{split}-0.parquet", [article(f"{split}{number}") for number in range(size)])
    files: Any = {split: [f"{name}-0.parquet"] for split, name in zip(SPLITS, ("train", "dev", "test"), strict=True)}
    whole = replace(ARTICLES, files=files, shares=None)
    counts = Counts()
    rows = read(tmp_path, replace(whole, examples=Sizes(train=9, validation=5, test=9)), counts)
    assert [row["split"] for row in rows.values()] == ["train"] * 9 + ["validation"] * 5 + ["test"] * 4
    assert counts.dropped["articles not sampled"] == 21 + 3
    more = read(tmp_path, replace(whole, examples=Sizes(train=10, validation=None, test=1)))
    assert {id_ for id_, row in rows.items() if row["split"] == "train"} < more.keys()
    assert [id_ for id_ in read(tmp_path, whole) if id_ in rows] == list(rows)  # in the order of the files


def test_lists_of_sentences_are_one_text(tmp_path: Path) -> None:
    sentences = ["Pebbles of the valley are wet.", "A sieve sorts them well."]
    listed = article("1") | {"text": [sentences[:1], sentences[1:]], "sum": ["It is", "short. It ends."]}
    whole = article("1") | {"text": " ".join(sentences), "sum": "It is short. It ends."}
    settings = replace(ARTICLES, files={"train": ["a.jsonl"]}, shares=None)
    rows = [
        list(TASK.read(write_lines(tmp_path / "a.jsonl", [line]), settings, 42, Counts())) for line in (listed, whole)
    ]
    assert rows[0] == rows[1]
    assert (rows[0][0][1]["source"], rows[0][0][1]["target"]) == (sentences, ["It is short.", "It ends."])


def test_several_references(tmp_path: Path) -> None:
    text = "Pebbles of the valley are wet. A sieve sorts them well."
    lines = [
        article("1", text) | {"sum": ["It is short. It ends.", "On", ["A sieve", "sorts."]]},  # the second is too short
        article("2", text) | {"sum": "Only one."},
        article("3", text) | {"sum": ["a", ""]},
        article("4", text) | {"sum": []},
    ]
    settings = replace(ARTICLES, files={"test": ["a.jsonl"]}, shares=None, references="best")
    counts = Counts()
    rows = [row for _, row in TASK.read(write_lines(tmp_path / "a.jsonl", lines), settings, 42, counts)]
    assert [row["references"] for row in rows] == [[["It is short.", "It ends."], ["A sieve sorts."]], [["Only one."]]]
    assert [row["target"] for row in rows] == [row["references"][0] for row in rows]
    assert {row["scored_by"] for row in rows} == {"best"}
    assert TASK.features(settings).keys() == rows[0].keys()
    assert +counts.dropped == {
        "references that cannot be used": 1,
        "abstracts under 2 words": 1,
        "articles without an abstract": 1,
    }


def test_articles_in_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,text,sum\n1,"Pebbles of the valley are wet. A sieve, sorts.",It is short.\n')
    settings = replace(ARTICLES, files={"test": ["a.csv"]}, shares=None)
    ((_, row),) = TASK.read(tmp_path, settings, 42, Counts())
    assert row["source"] == ["Pebbles of the valley are wet.", "A sieve, sorts."]


def test_words_are_counted_in_any_script(tmp_path: Path) -> None:
    lines = [article("1", "我们提出一种新的方法。它很好。", "新方法。"), article("2", "方法。", "新方法。")]
    settings = replace(ARTICLES, files={"test": ["a.jsonl"]}, shares=None)
    counts = Counts()
    rows = list(TASK.read(write_lines(tmp_path / "a.jsonl", lines), settings, 42, counts))
    assert [row["id"] for _, row in rows] == ["1"]
    assert counts.dropped["articles under 8 words"] == 1


@pytest.mark.parametrize(("files", "shares"), [({"all": ["a.jsonl"]}, None), ({"train": ["a.jsonl"]}, ARTICLES.shares)])
def test_files_for_all_splits_and_shares_belong_together(tmp_path: Path, files: Any, shares: Any) -> None:
    with pytest.raises(ParamsError, match=r"files\.all and shares belong together"):
        read(tmp_path, replace(ARTICLES, files=files, shares=shares))


def test_real_articles(repo: Path) -> None:
    folder = repo / "../shared/data/summarization"
    if not folder.is_dir():
        pytest.skip(f"{folder}: the sample of unarXive is missing")
    columns: Any = {"id": "article_id", "title": "title", "article": "article_text", "abstract": "abstract_text"}
    settings = replace(ARTICLES, **columns, files={"all": ["article_abstract.jsonl.gz"]}, min_words=100)
    counts = Counts()
    rows = read(folder, settings, counts)
    assert counts.read["articles"] == 49
    assert +counts.dropped == {"articles under 100 words": 1, "articles that hold their abstract": 1}
    assert all(row["source"] and row["target"] and row["title"] for row in rows.values())
    assert {row["split"] for row in rows.values()} == set(SPLITS)
