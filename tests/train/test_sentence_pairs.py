"""Sentence pairs for continued pretraining: rates of masks, drawing of pairs, truncation."""

import itertools
from math import sqrt

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from papertrail.models.batching import IGNORED
from papertrail.models.encoding import load_tokenizer
from papertrail.train.sentence_pairs import IS_NEXT, IS_RANDOM, PairSource, encode_pairs, mask_tokens
from tests.fixtures.tiny_bert import SPECIAL, VOCABULARY, write_tiny_bert
from tests.fixtures.tiny_runs import make_documents, make_pretraining

# paragraph i has the sentences "i 0", "i 1", ...
NUMBERED = [[f"{i} {j}" for j in range(2 + i % 3)] for i in range(9)]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    return load_tokenizer(write_tiny_bert(tmp_path_factory.mktemp("encoder")), 128)


def is_near(count: int, draws: int, probability: float) -> bool:
    """Return whether a count is within four standard deviations of a binomial distribution."""
    return abs(count - draws * probability) <= 4 * sqrt(draws * probability * (1 - probability))


# --- masks ---


@pytest.mark.parametrize("probability", [0.15, 0.4])
def test_masks_are_drawn_at_the_published_rates(probability: float, tokenizer: PreTrainedTokenizerFast) -> None:
    settings, rng = make_pretraining(mask_probability=probability), np.random.default_rng(0)
    ids = [tokenizer.cls_token_id, *range(60, 110), tokenizer.sep_token_id]
    words = [None, *range(50), None]
    chosen = masked = kept = 0
    for _ in range(2000):
        masked_ids, labels = mask_tokens(ids, words, tokenizer, settings, rng)
        assert len(masked_ids) == len(labels) == len(ids)
        for original, new, label in zip(ids, masked_ids, labels, strict=True):
            assert label in (IGNORED, original)
            assert label != IGNORED or new == original  # only chosen tokens change
            chosen += label != IGNORED
            masked += label != IGNORED and new == tokenizer.mask_token_id
            kept += label != IGNORED and new == original
    assert is_near(chosen, 2000 * 50, probability)
    chance = 0.1 / tokenizer.vocab_size  # a random token may be [MASK], or the original
    assert is_near(masked, chosen, 0.8 + chance)
    assert is_near(kept, chosen, 0.1 + chance)
    assert ids == [tokenizer.cls_token_id, *range(60, 110), tokenizer.sep_token_id]  # the argument does not change


def test_random_tokens_come_from_the_whole_vocabulary(tokenizer: PreTrainedTokenizerFast) -> None:
    settings, rng = make_pretraining(mask_probability=0.99), np.random.default_rng(0)
    drawn = set()
    for _ in range(200):
        masked_ids, _ = mask_tokens([60] * 100, list(range(100)), tokenizer, settings, rng)
        drawn.update(masked_ids)
    assert drawn == set(range(len(VOCABULARY)))


@pytest.mark.parametrize("whole_word", [False, True])
def test_at_least_one_token_is_chosen_and_never_a_special_one(
    whole_word: bool, tokenizer: PreTrainedTokenizerFast
) -> None:
    settings, rng = make_pretraining(mask_probability=0.001, whole_word=whole_word), np.random.default_rng(0)
    ids = tokenizer("the parser")["input_ids"]  # [CLS] the parse ##r [SEP]
    for _ in range(300):
        masked_ids, labels = mask_tokens(ids, [None, 0, 1, 1, None], tokenizer, settings, rng)
        assert any(label != IGNORED for label in labels)
        assert labels[0] == labels[-1] == IGNORED
        assert (masked_ids[0], masked_ids[-1]) == (ids[0], ids[-1])


@pytest.mark.parametrize("whole_word", [False, True])
def test_whole_words_are_masked_together(whole_word: bool, tokenizer: PreTrainedTokenizerFast) -> None:
    # word numbers count from 0 in both sentences, so a word is identified by its sentence and number
    corpus = [["trainer parser", "trainer parser"]] * 2
    source = PairSource([corpus], [1.0], seed=0, split="train")
    items, _ = encode_pairs(source, 0, 400, tokenizer, make_pretraining(whole_word=whole_word, mask_probability=0.4))
    words = [(1, 2), (3, 4), (6, 7), (8, 9)]
    assert tokenizer.tokenize("trainer parser", "trainer parser") == ["train", "##er", "parse", "##r"] * 2
    chosen = np.array([[label != IGNORED for label in item["labels"]] for item in items])  # (pairs, tokens)
    assert chosen.shape == (400, 11)
    halves = [np.mean(chosen[:, a] != chosen[:, b]) for a, b in words]
    if whole_word:
        assert halves == [0, 0, 0, 0]
        assert np.mean(chosen[:, 1] != chosen[:, 6]) > 0.3  # independent of the other sentence
    else:
        assert min(halves) > 0.3  # 2 x 0.4 x 0.6, less where no token was chosen at first
    assert not chosen[:, [0, 5, 10]].any()


# --- pairs ---


def test_half_of_the_pairs_are_consecutive() -> None:
    source = PairSource([NUMBERED], [1.0], seed=0, split="train")
    following = 0
    for index in range(4000):
        first, second, label, _ = source.pair(0, index)
        (document, position), (other, next_) = (map(int, sentence.split()) for sentence in (first, second))
        if label == IS_NEXT:
            assert (other, next_) == (document, position + 1)
        else:
            assert label == IS_RANDOM
            assert other != document
        following += label == IS_NEXT
    assert is_near(following, 4000, 0.5)


def test_the_label_of_a_following_sentence_is_zero() -> None:
    assert (IS_NEXT, IS_RANDOM) == (0, 1)  # BertForPreTraining: 0 is a continuation, 1 is random


def test_every_sentence_and_every_other_paragraph_is_drawn() -> None:
    source = PairSource([NUMBERED], [1.0], seed=0, split="train")
    pairs = [source.pair(0, index)[:3] for index in range(6000)]
    followed = {pair[:2] for pair in pairs if pair[2] == IS_NEXT}
    assert followed == {(a, b) for document in NUMBERED for a, b in itertools.pairwise(document)}
    assert {second for _, second, label in pairs if label == IS_RANDOM} == set(itertools.chain(*NUMBERED))


def test_pairs_are_a_function_of_seed_split_epoch_and_index() -> None:
    def draw(seed: int, split: str, epoch: int, index: int) -> tuple[object, ...]:
        *pair, rng = PairSource([NUMBERED, NUMBERED[:4]], [0.5, 0.5], seed, split).pair(epoch, index)
        return (*pair, rng.random())

    keys = list(itertools.product((0, 1), ("train", "validation"), range(3), range(40)))
    drawn = {key: draw(*key) for key in keys}
    np.random.rand()
    torch.rand(1)
    assert {key: draw(*key) for key in reversed(keys)} == drawn
    assert len({values[-1] for values in drawn.values()}) == len(keys)


def test_corpora_are_mixed_by_weight() -> None:
    corpora = [[[f"{name} 1", f"{name} 2"]] * 3 for name in ("open", "graph")]
    for weights in ([0.82, 0.18], [82.0, 18.0]):
        source = PairSource(corpora, weights, seed=3, split="train")
        pairs = [source.pair(0, index) for index in range(4000)]
        assert is_near(sum(first.startswith("open") for first, *_ in pairs), 4000, 0.82)
        assert all(first.split()[0] == second.split()[0] for first, second, *_ in pairs)  # pairs do not mix corpora


def test_a_single_paragraph_has_only_consecutive_pairs() -> None:
    source = PairSource([NUMBERED[:1]], [1.0], seed=0, split="train")
    assert {source.pair(0, index)[:3] for index in range(50)} == {("0 0", "0 1", IS_NEXT)}


def test_truncated_pairs_are_counted(tokenizer: PreTrainedTokenizerFast) -> None:
    source = PairSource([make_documents(10)], [1.0], seed=0, split="train")
    long, none = encode_pairs(source, 0, 50, tokenizer, make_pretraining(max_tokens=128))
    short, truncated = encode_pairs(source, 0, 50, tokenizer, make_pretraining(max_tokens=12))
    lengths = [len(item["input_ids"]) for item in long]
    assert none == 0
    assert truncated == sum(length > 12 for length in lengths) > 0
    assert [len(item["input_ids"]) for item in short] == [min(length, 12) for length in lengths]
    assert [item["next_sentence_label"] for item in short] == [item["next_sentence_label"] for item in long]


def test_special_tokens_are_those_of_the_fixture(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.convert_ids_to_tokens(sorted(tokenizer.all_special_ids)) == list(SPECIAL)
