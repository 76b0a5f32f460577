"""Language models that summarize: truncation of sources, model inputs and batches, in both families."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from papertrail.core.records import Row
from papertrail.models.batching import IGNORED, PAD_MULTIPLE, Item
from papertrail.models.language_model import (
    Collator,
    encode,
    encode_prompt,
    fit_source,
    load_model,
    load_tokenizer,
)
from tests.fixtures.tiny_generators import (
    FAMILIES,
    build_byte_tokenizer,
    build_unigram_tokenizer,
    make_papers,
    make_summarizer,
)

TOKENIZERS = {"llama": build_byte_tokenizer(), "t5": build_unigram_tokenizer()}
PAPER = {"id": "a", "title": "tree", "source": ["we use the tree.", "see figure."], "target": ["the tree.", "so"]}


def load(folder: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    return load_model(Path(folder), "cpu").eval(), load_tokenizer(Path(folder))


def build_collator(tokenizer: PreTrainedTokenizerFast) -> Collator:
    return Collator(tokenizer, pad_to_multiple_of=PAD_MULTIPLE, label_pad_token_id=IGNORED)


def encode_all(papers: list[Row], family: str, tokenizer: PreTrainedTokenizerFast, **changes: Any) -> list[Item]:
    return [encode(paper, tokenizer, make_summarizer(**changes), family == "llama")[0] for paper in papers]


# --- sources ---


def test_whole_sentences_are_kept_within_the_budget() -> None:
    tokenizer = TOKENIZERS["llama"]
    sentences = ["a tree", "the table", "we use"]  # two tokens each
    lengths = [len(tokenizer(" ".join(sentences[:count])).input_ids) for count in (1, 2, 3)]
    assert lengths == [2, 4, 6]
    for budget, text, left_out in [
        (6, "a tree the table we use", 0),
        (100, "a tree the table we use", 0),
        (5, "a tree the table", 1),
        (4, "a tree the table", 1),
        (3, "a tree", 2),
    ]:
        assert fit_source(sentences, tokenizer, budget) == (text, left_out), budget


def test_sentences_after_one_that_does_not_fit_are_left_out() -> None:
    sentences = ["a tree", "the table " * 10, "we"]
    assert fit_source(sentences, TOKENIZERS["llama"], 8) == ("a tree", 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_first_sentence_that_is_too_long_is_truncated(family: str) -> None:
    text = "the table " * 10
    assert fit_source([text, "we"], TOKENIZERS[family], 8)[1] == 2
    kept = fit_source([text, "we"], TOKENIZERS[family], 8)[0]
    assert text.startswith(kept)
    assert len(TOKENIZERS[family](kept, add_special_tokens=False).input_ids) == 8


def test_a_source_without_sentences_is_empty() -> None:
    assert fit_source([], TOKENIZERS["llama"], 8) == ("", 0)


@pytest.mark.parametrize("family", FAMILIES)
@given(
    st.lists(st.text(alphabet="the a.\u00e9\u20ac\U0001f600", min_size=1), min_size=1, max_size=4), st.integers(8, 20)
)
def test_a_source_never_exceeds_its_budget(family: str, sentences: list[str], budget: int) -> None:
    text, left_out = fit_source(sentences, TOKENIZERS[family], budget)
    assert len(TOKENIZERS[family](text, add_special_tokens=False).input_ids) <= budget
    assert 0 <= left_out <= len(sentences)
    if left_out < len(sentences):
        assert text == " ".join(sentences[: len(sentences) - left_out])


# --- model inputs ---


def test_a_decoder_only_model_reads_prompt_and_target() -> None:
    tokenizer = TOKENIZERS["llama"]
    item, left_out = encode(PAPER, tokenizer, make_summarizer(), decoder_only=True)
    prompt = tokenizer("use the text we use the tree. see figure.\nresult:").input_ids
    target = [*tokenizer("the tree. so").input_ids, tokenizer.eos_token_id]
    assert item["input_ids"] == prompt + target
    assert item["labels"] == [IGNORED] * len(prompt) + target
    assert item["attention_mask"] == [1] * len(prompt + target)
    assert left_out == 0


def test_labels_of_an_encoder_decoder_are_the_target() -> None:
    tokenizer = TOKENIZERS["t5"]
    item, left_out = encode(PAPER, tokenizer, make_summarizer(), decoder_only=False)
    prompt = tokenizer("use the text we use the tree. see figure. result:").input_ids
    assert prompt[-1] == tokenizer.eos_token_id
    assert item["input_ids"] == prompt
    assert item["labels"] == tokenizer("the tree. so").input_ids
    assert item["attention_mask"] == [1] * len(prompt)
    assert left_out == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_long_target_ends_with_a_sentence(family: str) -> None:
    tokenizer = TOKENIZERS[family]
    paper = {**PAPER, "target": ["the table."] * 20}
    (item,) = encode_all([paper], family, tokenizer, max_target_tokens=10)
    labels = [label for label in item["labels"] if label != IGNORED]
    counts = range(1, 21)
    texts = [tokenizer(" ".join(["the table."] * count), add_special_tokens=False).input_ids for count in counts]
    longest = [ids for ids in texts if len(ids) < 10][-1]
    assert labels == [*longest, tokenizer.eos_token_id]


@pytest.mark.parametrize("family", FAMILIES)
def test_generation_and_training_have_the_same_prompt(family: str) -> None:
    tokenizer, model = TOKENIZERS[family], make_summarizer(max_input_tokens=8)
    paper = {**PAPER, "source": ["we use the tree.", "see the paper.", "train it."]}
    prompt, left_out = encode_prompt(paper, tokenizer, model, family == "llama")
    item, left_out_in_training = encode(paper, tokenizer, model, family == "llama")
    assert item["input_ids"][: len(prompt["input_ids"])] == prompt["input_ids"]
    assert left_out == left_out_in_training == 2


def test_braces_of_a_source_are_text() -> None:
    prompt, _ = encode_prompt({**PAPER, "source": ["see {source} {0}"]}, TOKENIZERS["llama"], make_summarizer(), True)
    assert TOKENIZERS["llama"].decode(prompt["input_ids"]) == "use the text see {source} {0}\nresult:"


# --- batches ---


def test_decoder_only_batches_are_padded_on_the_left(folders: dict[str, str]) -> None:
    tokenizer = load_tokenizer(Path(folders["llama"]))
    items = encode_all(make_papers(5), "llama", tokenizer)
    targets = [sum(label != IGNORED for label in item["labels"]) for item in items]
    lengths = [len(item["input_ids"]) for item in items]
    assert len(set(targets)) > 1 < len(set(lengths))
    batch = build_collator(tokenizer)(items)
    width = batch["input_ids"].shape[1]
    assert width % PAD_MULTIPLE == 0
    assert width - max(lengths) < PAD_MULTIPLE
    assert batch["logits_to_keep"] == batch["labels"].shape[1] == max(targets) + 1
    for row, (item, length, target) in enumerate(zip(items, lengths, targets, strict=True)):
        assert batch["input_ids"][row, width - length :].tolist() == item["input_ids"]
        assert batch["attention_mask"][row].tolist() == [0] * (width - length) + [1] * length
        assert batch["position_ids"][row, width - length :].tolist() == list(range(length))
        ignored = [IGNORED] * (batch["labels"].shape[1] - target)
        assert batch["labels"][row].tolist() == ignored + item["labels"][-target:]


def expected_loss(network: PreTrainedModel, items: list[Item]) -> float:
    """Return the mean loss over all target tokens, computed for one paper at a time without padding."""
    losses = []
    for item in items:
        ids, labels = torch.tensor([item["input_ids"]]), torch.tensor(item["labels"])
        with torch.no_grad():
            if network.config.is_encoder_decoder:
                before = torch.tensor([[network.config.decoder_start_token_id, *item["labels"][:-1]]])
                logits = network(input_ids=ids, decoder_input_ids=before).logits[0]  # (target tokens, vocabulary)
            else:
                logits, labels = network(input_ids=ids).logits[0, :-1], labels[1:]  # a position predicts the next
        losses += cross_entropy(logits, labels, reduction="none")[labels != IGNORED].tolist()
    return sum(losses) / len(losses)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_of_a_batch_is_that_of_its_single_papers(family: str, folders: dict[str, str]) -> None:
    network, tokenizer = load(folders[family])
    items = encode_all(make_papers(5), family, tokenizer)
    with torch.no_grad():
        loss = network(**build_collator(tokenizer)(items)).loss.item()
    assert loss == pytest.approx(expected_loss(network, items), rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_target_logits_do_not_depend_on_the_batch(family: str, folders: dict[str, str]) -> None:
    network, tokenizer = load(folders[family])
    short, long = sorted(encode_all(make_papers(8), family, tokenizer), key=lambda item: len(item["input_ids"]))[::7]
    alone = Collator(tokenizer, label_pad_token_id=IGNORED)([short])  # no padding
    together = build_collator(tokenizer)([short, long])
    assert alone["input_ids"].shape[1] == len(short["input_ids"]) < together["input_ids"].shape[1]
    found = []
    for batch in (alone, together):
        with torch.no_grad():
            logits = network(**batch).logits[0]
        # (target tokens, vocabulary): a position of a decoder-only model predicts the next
        labels = batch["labels"][0]
        found.append(logits[labels != IGNORED] if family == "t5" else logits[:-1][labels[1:] != IGNORED])
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-4)


def test_an_encoder_decoder_batch_has_no_positions(folders: dict[str, str]) -> None:
    network, tokenizer = load(folders["t5"])
    item = {"input_ids": [7, 8, 9, 1], "attention_mask": [1] * 4, "labels": [9, 8, 7, 1]}
    batch = build_collator(tokenizer)([item])
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    with torch.no_grad():
        assert network(**batch).loss.item() == pytest.approx(expected_loss(network, [item]), rel=1e-5)
