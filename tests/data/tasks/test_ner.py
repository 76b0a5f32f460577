"""Entity mentions: tags, offsets, sentence boundaries, samples, and CoNLL columns."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from papertrail.core.errors import DataError, ParamsError
from papertrail.core.params import Files, Sizes
from papertrail.core.records import SPLITS, Counts, Row
from papertrail.data.prepare import write_splits
from papertrail.data.tasks.ner import TASK, Columns, Papers, features
from papertrail.data.text import sentence_bounds
from tests.fixtures.aclsum import Json, change_json, paper, paper_file, paragraph, write_aclsum, write_papers

ALL = Sizes(train=None, validation=None, test=None)
SETTINGS = Papers(
    task="ner",
    source="aclsum",
    format="s2orc",
    types=["CITATION", "FIGURE", "TABLE"],
    min_words=1,
    train_mention_share=None,
    examples=ALL,
)
TARGETS = {"CITATION": "BIBREF0", "FIGURE": "FIGREF0", "TABLE": "TABREF0"}
WORKS = [("A work", 2001, "ACL")]

words = st.one_of(
    st.sampled_from(
        ["We", "show", "it.", "See", "(Adler", "et", "al.,", "2019)", "[3]", "Fig.", "2", "why?", "Dr.", "..."]
    ),
    st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=4),
)


@st.composite
def paragraphs(draw: st.DrawFn) -> tuple[Json, list[tuple[int, int, str]]]:
    """Draw a paragraph with mentions; return it with the [start, end) and the type of each mention."""
    pieces: list[Any] = []
    spans = []
    length = 0
    for kind in draw(st.lists(st.sampled_from([None, None, "CITATION", "FIGURE", "TABLE"]), min_size=1, max_size=9)):
        text = " ".join(draw(st.lists(words, min_size=1, max_size=4)))
        if kind is not None:
            spans.append((length, length + len(text), kind))
        pieces += [text if kind is None else (text, TARGETS[kind]), " "]
        length += len(text) + 1
    return paragraph(*pieces), spans


def read_body(folder: Path, body: list[Json], settings: Papers = SETTINGS) -> list[Row]:
    """Return the sentences of a single paper of the training split."""
    write_papers(folder, {"train": [paper("P1", body, WORKS)]})
    return [row for _, row in TASK.read(folder, settings, 42, Counts())]


def test_a_paragraph_by_hand(tmp_path: Path) -> None:
    body = [
        paragraph(
            *["As ", ("Figure 1", "FIGREF0"), " shows, (", ("Adler, 2001", "BIBREF0"), ("[2]", None), ") hold. See "],
            *[("Table 1", "TABREF0"), " in Section ", ("4", "SECTION"), "."],
        )
    ]
    first, second = read_body(tmp_path, body)
    assert first == {
        "id": "P1/0/0",
        "paper": "P1",
        "tokens": ["As", "Figure", "1", "shows", ",", "(", "Adler", ",", "2001", "[", "2", "]", ")", "hold", "."],
        "starts": [0, 3, 10, 12, 17, 19, 20, 25, 27, 31, 32, 33, 34, 36, 40],
        "ner_tags": [
            *["O", "B-FIGURE", "I-FIGURE", "O", "O", "O"],
            *["B-CITATION", "I-CITATION", "I-CITATION", "B-CITATION", "I-CITATION", "I-CITATION", "O", "O", "O"],
        ],
    }
    assert second["tokens"] == ["See", "Table", "1", "in", "Section", "4", "."]
    assert second["ner_tags"] == ["O", "B-TABLE", "I-TABLE", "O", "O", "O", "O"]
    assert second["starts"][:3] == [0, 4, 10]


def test_a_span_that_ends_inside_a_word_tags_the_word(tmp_path: Path) -> None:
    (row,) = read_body(tmp_path, [paragraph("So ", ("Adl", "BIBREF0"), "er said")])
    assert row["ner_tags"] == ["O", "B-CITATION", "O"]


@given(paragraphs())
def test_spans_are_recovered_from_tags(drawn: tuple[Json, list[tuple[int, int, str]]]) -> None:
    body, spans = drawn
    with tempfile.TemporaryDirectory() as folder:
        rows = read_body(Path(folder), [body])
    found = []
    bounds = list(sentence_bounds(body["text"], [span[:2] for span in spans]))
    by_id = {row["id"]: row for row in rows}
    for number, (first, last) in enumerate(bounds):
        row = by_id.get(f"P1/0/{number}")  # a blank sentence has no row
        if row is None:
            assert not body["text"][first:last].strip()
            continue
        starts = [first + start for start in row["starts"]]
        assert [body["text"][s : s + len(t)] for s, t in zip(starts, row["tokens"], strict=True)] == row["tokens"]
        assert "".join(row["tokens"]) == "".join(body["text"][first:last].split())
        for kind, begin, end in get_entities(row["ner_tags"]):
            found.append((starts[begin], starts[end] + len(row["tokens"][end]), kind))
    assert found == spans


def test_short_sentences_are_dropped_and_counted(tmp_path: Path) -> None:
    body = [paragraph("Only four words here. Two words. Here are six words in all.")]
    write_papers(tmp_path, {"train": [paper("P1", body, [])]})
    counts = Counts()
    rows = [row for _, row in TASK.read(tmp_path, replace(SETTINGS, min_words=4), 42, counts)]
    assert [row["id"] for row in rows] == ["P1/0/0", "P1/0/2"]
    assert counts.dropped["sentences under 4 words"] == 1
    assert counts.read["sentences"] == 3


@pytest.mark.parametrize(("share", "mentioning"), [(0.0, 0), (0.3, 3), (1.0, 10)])
def test_share_of_training_sentences_with_a_mention(tmp_path: Path, share: float, mentioning: int) -> None:
    write_aclsum(tmp_path, train=6)
    sampled = replace(SETTINGS, examples=Sizes(train=10, validation=6, test=6))
    unweighted = list(TASK.read(tmp_path, sampled, 42, Counts()))
    counts = Counts()
    rows = list(TASK.read(tmp_path, replace(sampled, train_mention_share=share), 42, counts))
    train = [row for split, row in rows if split == "train"]
    assert len(train) == 10
    assert sum(set(row["ner_tags"]) != {"O"} for row in train) == mentioning
    assert [pair for pair in rows if pair[0] != "train"] == [pair for pair in unweighted if pair[0] != "train"]
    assert counts.dropped["sentences not sampled"] == counts.read["sentences"] - len(rows)


def test_mentions_of_other_types_are_plain_text(tmp_path: Path) -> None:
    body = [paragraph(("Figure 1", "FIGREF0"), " is by ", ("Adler", "BIBREF0"), ".")]
    settings = replace(SETTINGS, types=["CITATION"])
    (row,) = read_body(tmp_path, body, settings)
    assert row["ner_tags"] == ["O", "O", "O", "O", "B-CITATION", "O"]
    assert features(settings)["ner_tags"].feature.names == ["O", "B-CITATION", "I-CITATION"]


def test_misspelt_type(aclsum: Path) -> None:
    with pytest.raises(ParamsError, match="'CITATIONS'; did you mean 'CITATION'"):
        list(TASK.read(aclsum, replace(SETTINGS, types=["CITATIONS"]), 42, Counts()))


def test_references_to_other_things_are_plain_text(aclsum: Path) -> None:
    def change(raw: Json) -> None:
        raw["pdf_parse"]["ref_entries"]["SECREF0"] = {"text": "Section 4"}
        raw["pdf_parse"]["body_text"][3]["ref_spans"][0]["ref_id"] = "SECREF0"

    before = list(TASK.read(aclsum, SETTINGS, 42, Counts()))
    change_json(paper_file(aclsum, "train"), change)
    assert list(TASK.read(aclsum, SETTINGS, 42, Counts())) == before


def write_conll(folder: Path, **texts: str) -> Columns:
    """Write a file of columns per split, by default of one sentence; return their settings."""
    for split in ("train", "validation", "test"):
        (folder / f"{split}.txt").write_text(texts.get(split, "Salt NN B-CHEMICAL\nworks VB O\n"), encoding="utf-8")
    return Columns(
        task="ner",
        source="conll",
        format="conll",
        files=Files(train="train.txt", validation="validation.txt", test="test.txt"),
        tagging="iob2",
        types=["CHEMICAL", "DISEASE"],
        labels_by="human",
        min_words=1,
        train_mention_share=None,
        examples=ALL,
    )


def test_columns(tmp_path: Path) -> None:
    text = (
        "-DOCSTART- O\n\nTable O\nsalt B-CHEMICAL\nhelps O\n\n-DOCSTART- O\n\nRed O\nfever B-DISEASE\nache I-DISEASE\n"
    )
    settings = write_conll(tmp_path, train=text)
    rows = [row for split, row in TASK.read(tmp_path, settings, 42, Counts()) if split == "train"]
    assert rows == [
        {
            "id": "train/0",
            "paper": "train/1",
            "tokens": ["Table", "salt", "helps"],
            "starts": [0, 6, 11],
            "ner_tags": ["O", "B-CHEMICAL", "O"],
        },
        {
            "id": "train/1",
            "paper": "train/2",
            "tokens": ["Red", "fever", "ache"],
            "starts": [0, 4, 10],
            "ner_tags": ["O", "B-DISEASE", "I-DISEASE"],
        },
    ]


def test_columns_with_an_unknown_type(tmp_path: Path) -> None:
    settings = write_conll(tmp_path, test="a O\n\nb B-GENE\n")
    with pytest.raises(DataError, match=r"test\.txt:3: type 'GENE' is not in types \['CHEMICAL', 'DISEASE'\]"):
        list(TASK.read(tmp_path, settings, 42, Counts()))


def test_columns_of_another_scheme(tmp_path: Path) -> None:
    settings = write_conll(tmp_path, train="Salt I-CHEMICAL\nfever I-DISEASE\nache I-DISEASE\n")
    counts = Counts()
    rows = [row for _, row in TASK.read(tmp_path, replace(settings, tagging="iob1"), 42, counts)]
    assert rows[0]["ner_tags"] == ["B-CHEMICAL", "B-DISEASE", "I-DISEASE"]
    assert counts.read["tags rewritten to IOB2"] == 2


def test_a_document_has_the_same_id_in_every_split(tmp_path: Path) -> None:
    document = "-DOCSTART- (11)\n\nSalt O\n"
    settings = write_conll(tmp_path, train=f"{document}\n-DOCSTART- (12)\n\nhelps O\n", test=document)
    rows = [(split, row["paper"]) for split, row in TASK.read(tmp_path, settings, 42, Counts())]
    assert rows == [("train", "11"), ("train", "12"), ("validation", "validation/sentence/0"), ("test", "11")]
    files = {split: tmp_path / f"{split}.parquet" for split in SPLITS}
    with pytest.raises(DataError, match=r"paper '11' is in train .* and test"):
        write_splits("x", TASK, TASK.features(settings), TASK.read(tmp_path, settings, 42, Counts()), files)


def test_a_sentence_without_a_document_is_a_paper(tmp_path: Path) -> None:
    settings = write_conll(tmp_path, train="-DOCSTART- O\n\na O\n\nb O\n", test="a O\n\nb O\n\n-DOCSTART- O\n\nc O\n")
    papers = [row["paper"] for split, row in TASK.read(tmp_path, settings, 42, Counts()) if split != "validation"]
    assert papers == ["train/1", "train/1", "test/sentence/0", "test/sentence/1", "test/1"]
