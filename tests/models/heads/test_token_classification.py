"""The token head: tags on first tokens, words without a token, truncated words, and the entity F1."""

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from papertrail.core.records import Row
from papertrail.models.batching import IGNORED, Item
from papertrail.models.encoding import load_tokenizer
from papertrail.models.heads.token_classification import class_names, decode, encode, validation_score
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import FEATURES, TAGS, make_classifier

MODEL = make_classifier("token_classification", max_tokens=64)
SHORT = make_classifier("token_classification", max_tokens=8)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    return load_tokenizer(write_tiny_bert(tmp_path_factory.mktemp("encoder")), 64)


def make_row(tokens: list[str], tags: list[str]) -> Row:
    return {"id": "1", "tokens": tokens, "ner_tags": [TAGS.index(tag) for tag in tags]}


def read_back(row: Row, item: Item, logits: np.ndarray) -> Row:
    return decode([row], [item], [logits], TAGS)[0]


def logits_of(tokens: int, best: dict[int, str]) -> np.ndarray:
    """Return logits (tokens, labels): the best tag has probability 1 / (1 + 4 e^-2); it is O by default."""
    logits = np.zeros((tokens, len(TAGS)), dtype=np.float32)
    for i in range(tokens):
        logits[i, TAGS.index(best.get(i, "O"))] = 2.0
    return logits


def test_class_names_are_the_tags() -> None:
    assert class_names(FEATURES["token_classification"]) == TAGS


def test_only_first_tokens_have_a_label(tokenizer: PreTrainedTokenizerFast) -> None:
    item, truncated = encode(
        make_row(["training", "in", "figure", "12"], ["O", "O", "B-FIGURE", "I-FIGURE"]), tokenizer, MODEL
    )
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
    assert not truncated


def test_truncated_words_are_outside_with_probability_zero(tokenizer: PreTrainedTokenizerFast) -> None:
    row = make_row(["in", "figure", "12", "see", "table", "3", "of", "graph"], ["O"] * 8)
    item, truncated = encode(row, tokenizer, SHORT)
    assert truncated
    assert tokenizer.convert_ids_to_tokens(item["input_ids"])[1:-1] == ["in", "figure", "1", "##2", "see", "table"]
    prediction = read_back(row, item, logits_of(8, {2: "B-FIGURE", 3: "I-FIGURE", 4: "B-TABLE", 6: "B-TABLE"}))
    assert prediction["predicted_tags"] == ["O", "B-FIGURE", "I-FIGURE", "O", "B-TABLE", "O", "O", "O"]
    outside, inside = (
        np.exp(2) / (np.exp(2) + 4),
        1 / (np.exp(2) + 4),
    )  # probability of O where it is best, and where it is not
    expected = [1 - outside, 1 - inside, 1 - inside, 1 - outside, 1 - inside, 0, 0, 0]
    np.testing.assert_allclose(prediction["mention_probabilities"], expected, rtol=1e-6)


def test_decode_ignores_the_padding_of_the_logits(tokenizer: PreTrainedTokenizerFast) -> None:
    row = make_row(["see", "table", "3"], ["O", "B-TABLE", "I-TABLE"])
    item, _ = encode(row, tokenizer, MODEL)
    logits = logits_of(5, {2: "B-TABLE", 3: "I-TABLE"})
    padded = np.concatenate([logits, np.full((7, len(TAGS)), -100, dtype=np.float32)])
    assert read_back(row, item, padded) == read_back(row, item, logits)
    assert read_back(row, item, padded)["predicted_tags"] == row_tags(row)


def row_tags(row: Row) -> list[str]:
    return [TAGS[tag] for tag in row["ner_tags"]]


@pytest.mark.parametrize("invisible", ["\u200b", "\u0301", "\uf8eb", "\x7f"])  # dropped by BERT's normalisation
def test_words_without_a_token_do_not_shift_later_words(invisible: str, tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.tokenize(invisible) == []
    tokens = [invisible, "see", invisible, "table", invisible, "3", invisible]
    row = make_row(tokens, ["O", "O", "O", "B-TABLE", "I-TABLE", "I-TABLE", "O"])
    item, truncated = encode(row, tokenizer, MODEL)
    assert not truncated
    firsts = [i for i, label in enumerate(item["labels"]) if label != IGNORED]
    labels = [item["labels"][i] for i in firsts]
    assert labels == row["ner_tags"][: len(labels)]  # at most the last word is missing
    perfect = logits_of(len(item["labels"]), {i: TAGS[label] for i, label in zip(firsts, labels, strict=True)})
    assert read_back(row, item, perfect)["predicted_tags"] == row_tags(row)


def test_invisible_words_alone_are_outside(tokenizer: PreTrainedTokenizerFast) -> None:
    row = make_row(["\u200b", "\u200b"], ["O", "O"])
    item, _ = encode(row, tokenizer, MODEL)
    prediction = read_back(row, item, logits_of(len(item["labels"]), {}))
    assert prediction["predicted_tags"] == ["O", "O"]
    assert len(prediction["mention_probabilities"]) == 2


def test_validation_score_counts_whole_mentions() -> None:
    predictions = [
        {"tags": ["B-FIGURE", "I-FIGURE", "O"], "predicted_tags": ["B-FIGURE", "I-FIGURE", "O"]},
        {
            "tags": ["O", "B-TABLE", "I-TABLE"],
            "predicted_tags": ["O", "B-TABLE", "O"],
        },  # a partial mention does not count
        {"tags": ["B-TABLE", "O", "O"], "predicted_tags": ["O", "O", "O"]},
    ]
    assert validation_score([], predictions, TAGS) == pytest.approx(2 * 1 / (2 + 3))  # 1 correct, 2 predicted, 3 actual
    no_mention = [{"tags": ["O"], "predicted_tags": ["O"]}]
    assert validation_score([], no_mention, TAGS) == 0.0
