"""Tags on first pieces, mentions as seqeval reads them, and words without a piece."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities
from transformers import PreTrainedTokenizerFast

from scholar.batching import Item
from scholar.encoding import load_tokenizer
from scholar.heads.token_classification import IGNORED, class_names, decode, encode, repair, validation_score
from scholar.records import Row
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import FEATURES, TAGS, make_run

tag_lists = st.lists(st.sampled_from(TAGS), max_size=12)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    return load_tokenizer(write_tiny_bert(tmp_path_factory.mktemp("encoder")), 64)


def make_row(tokens: list[str], tags: list[str]) -> Row:
    return {"id": "1", "tokens": tokens, "ner_tags": [TAGS.index(tag) for tag in tags]}


def read_back(row: Row, item: Item, logits: np.ndarray) -> Row:
    return decode([row], [item], [logits], TAGS)[0]


def logits_of(tokens: int, best: dict[int, str]) -> np.ndarray:
    """(tokens, labels): O everywhere, but a tag with probability 1 / (1 + 4 e^-2) at some places."""
    logits = np.zeros((tokens, len(TAGS)), dtype=np.float32)
    for i in range(tokens):
        logits[i, TAGS.index(best.get(i, "O"))] = 2.0
    return logits


def test_class_names_are_the_tags() -> None:
    assert class_names(FEATURES["token_classification"]) == TAGS


def test_only_first_pieces_carry_a_label(tokenizer: PreTrainedTokenizerFast) -> None:
    item, cut = encode(make_row(["training", "in", "figure", "12"], ["O", "O", "B-FIGURE", "I-FIGURE"]), tokenizer, RUN)
    pieces = tokenizer.convert_ids_to_tokens(item["input_ids"])
    assert list(zip(pieces, item["labels"], strict=True)) == [
        ("[CLS]", IGNORED),
        ("train", 0),
        ("##ing", IGNORED),
        ("in", 0),
        ("figure", 1),
        ("1", 2),
        ("##2", IGNORED),
        ("[SEP]", IGNORED),
    ]
    assert not cut


RUN = make_run("token_classification", max_tokens=64)
SHORT = make_run("token_classification", max_tokens=8)


def test_cut_words_are_outside_with_probability_zero(tokenizer: PreTrainedTokenizerFast) -> None:
    row = make_row(["in", "figure", "12", "see", "table", "3", "of", "graph"], ["O"] * 8)
    item, cut = encode(row, tokenizer, SHORT)
    assert cut
    assert tokenizer.convert_ids_to_tokens(item["input_ids"])[1:-1] == ["in", "figure", "1", "##2", "see", "table"]
    prediction = read_back(row, item, logits_of(8, {2: "B-FIGURE", 3: "I-FIGURE", 4: "B-TABLE", 6: "B-TABLE"}))
    assert prediction["predicted_tags"] == ["O", "B-FIGURE", "I-FIGURE", "O", "B-TABLE", "O", "O", "O"]
    outside, inside = np.exp(2) / (np.exp(2) + 4), 1 / (np.exp(2) + 4)  # of O: where it is best, where another is
    expected = [1 - outside, 1 - inside, 1 - inside, 1 - outside, 1 - inside, 0, 0, 0]
    np.testing.assert_allclose(prediction["mention_probabilities"], expected, rtol=1e-6)


def test_decode_ignores_the_padding_of_the_logits(tokenizer: PreTrainedTokenizerFast) -> None:
    row = make_row(["see", "table", "3"], ["O", "B-TABLE", "I-TABLE"])
    item, _ = encode(row, tokenizer, RUN)
    logits = logits_of(5, {2: "B-TABLE", 3: "I-TABLE"})
    padded = np.concatenate([logits, np.full((7, len(TAGS)), -100, dtype=np.float32)])
    assert read_back(row, item, padded) == read_back(row, item, logits)
    assert read_back(row, item, padded)["predicted_tags"] == row_tags(row)


def row_tags(row: Row) -> list[str]:
    return [TAGS[tag] for tag in row["ner_tags"]]


@pytest.mark.parametrize("invisible", ["\u200b", "\u0301", "\uf8eb", "\x7f"])  # dropped by BERT's normalisation
def test_words_without_a_piece_do_not_shift_those_behind_them(
    invisible: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    assert tokenizer.tokenize(invisible) == []
    tokens = [invisible, "see", invisible, "table", invisible, "3", invisible]
    row = make_row(tokens, ["O", "O", "O", "B-TABLE", "I-TABLE", "I-TABLE", "O"])
    item, cut = encode(row, tokenizer, RUN)
    assert not cut
    firsts = [i for i, label in enumerate(item["labels"]) if label != IGNORED]
    given = [item["labels"][i] for i in firsts]
    assert given == row["ner_tags"][: len(given)]  # each word has its own tag; at most the last is missing
    perfect = logits_of(len(item["labels"]), {i: TAGS[label] for i, label in zip(firsts, given, strict=True)})
    assert read_back(row, item, perfect)["predicted_tags"] == row_tags(row)


def test_a_row_of_nothing_but_invisible_words_is_outside(tokenizer: PreTrainedTokenizerFast) -> None:
    row = make_row(["\u200b", "\u200b"], ["O", "O"])
    item, _ = encode(row, tokenizer, RUN)
    prediction = read_back(row, item, logits_of(len(item["labels"]), {}))
    assert prediction["predicted_tags"] == ["O", "O"]
    assert len(prediction["mention_probabilities"]) == 2


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("I-FIGURE I-FIGURE", "B-FIGURE I-FIGURE"),
        ("O I-TABLE O", "O B-TABLE O"),
        ("B-FIGURE I-TABLE I-TABLE", "B-FIGURE B-TABLE I-TABLE"),
        ("B-FIGURE O I-FIGURE", "B-FIGURE O B-FIGURE"),
        ("B-FIGURE I-FIGURE B-FIGURE I-FIGURE", "B-FIGURE I-FIGURE B-FIGURE I-FIGURE"),
        ("", ""),
    ],
)
def test_repair_by_hand(tags: str, expected: str) -> None:
    assert repair(tags.split()) == expected.split()


@given(tag_lists)
def test_repair_keeps_the_mentions_that_conlleval_sees(tags: list[str]) -> None:
    fixed = repair(tags)
    assert get_entities(fixed) == get_entities(tags)  # seqeval's default mode simulates conlleval
    strict = [(e.tag, e.start, e.end - 1) for e in Entities([fixed], IOB2).entities[0]]
    assert strict == get_entities(tags)  # and strict IOB2 sees the same ones
    assert repair(fixed) == fixed
    assert [tag == "O" for tag in fixed] == [tag == "O" for tag in tags]


@given(st.lists(st.tuples(st.sampled_from(["O", "FIGURE", "TABLE"]), st.integers(1, 3)), max_size=8))
def test_spans_to_tags_to_spans_is_the_identity(pieces: list[tuple[str, int]]) -> None:
    tags, spans = [], []
    for kind, length in pieces:
        if kind == "O":
            tags += ["O"] * length
        else:
            spans.append((kind, len(tags), len(tags) + length))
            tags += [f"B-{kind}"] + [f"I-{kind}"] * (length - 1)
    assert repair(tags) == tags
    assert [(e.tag, e.start, e.end) for e in Entities([tags], IOB2).entities[0]] == spans


def test_validation_score_counts_whole_mentions() -> None:
    predictions = [
        {"tags": ["B-FIGURE", "I-FIGURE", "O"], "predicted_tags": ["B-FIGURE", "I-FIGURE", "O"]},
        {"tags": ["O", "B-TABLE", "I-TABLE"], "predicted_tags": ["O", "B-TABLE", "O"]},  # half a mention is none
        {"tags": ["B-TABLE", "O", "O"], "predicted_tags": ["O", "O", "O"]},
    ]
    assert validation_score([], predictions, TAGS) == pytest.approx(2 * 1 / (2 + 3))  # 1 right, 2 predicted, 3 actual
    silent = [{"tags": ["O"], "predicted_tags": ["O"]}]
    assert validation_score([], silent, TAGS) == 0.0
