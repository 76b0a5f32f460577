"""Masks and sentence pairs: their rates, what they are drawn from, and a loss that equals the library's own."""

import itertools
from collections.abc import Iterator
from math import exp, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    BertForPreTraining,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedTokenizerFast,
    TrainingArguments,
    set_seed,
)

from scholar.batching import Item
from scholar.encoding import load_tokenizer
from scholar.errors import ParamsError
from scholar.params import Pretraining
from scholar.pretraining import (
    IGNORED,
    IS_NEXT,
    IS_RANDOM,
    PairSource,
    PretrainingTrainer,
    build_collator,
    encode_pairs,
    losses,
    mask_tokens,
    measure,
    pretrain,
)
from scholar.trainer import training_arguments
from tests.fixtures.tiny_bert import SPECIAL, VOCABULARY, build_tokenizer, write_model, write_tiny_bert
from tests.fixtures.tiny_runs import make_documents, make_pretraining, make_settings

# paragraph i holds the sentences "i 0", "i 1", ...
NUMBERED = [[f"{i} {j}" for j in range(2 + i % 3)] for i in range(9)]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Matrices this small are slower on two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_bert(tmp_path_factory.mktemp("encoder")))


@pytest.fixture(scope="module")
def tokenizer(encoder: str) -> PreTrainedTokenizerFast:
    return load_tokenizer(Path(encoder), 128)


def is_near(count: int, draws: int, probability: float) -> bool:
    """Within four standard deviations of a binomial distribution."""
    return abs(count - draws * probability) <= 4 * sqrt(draws * probability * (1 - probability))


# --- masks ---


@pytest.mark.parametrize("probability", [0.15, 0.4])
def test_masks_are_drawn_at_the_published_rates(probability: float, tokenizer: PreTrainedTokenizerFast) -> None:
    settings, rng = make_pretraining(mask_probability=probability), np.random.default_rng(0)
    ids = [tokenizer.cls_token_id, *range(60, 110), tokenizer.sep_token_id]
    words = [None, *range(50), None]
    chosen = masked = kept = 0
    for _ in range(2000):
        hidden, labels = mask_tokens(ids, words, tokenizer, settings, rng)
        assert len(hidden) == len(labels) == len(ids)
        for original, now, label in zip(ids, hidden, labels, strict=True):
            assert label in (IGNORED, original)
            assert label != IGNORED or now == original  # only chosen tokens change
            chosen += label != IGNORED
            masked += label != IGNORED and now == tokenizer.mask_token_id
            kept += label != IGNORED and now == original
    assert is_near(chosen, 2000 * 50, probability)
    chance = 0.1 / tokenizer.vocab_size  # a random token may be [MASK], or the original
    assert is_near(masked, chosen, 0.8 + chance)
    assert is_near(kept, chosen, 0.1 + chance)
    assert ids == [tokenizer.cls_token_id, *range(60, 110), tokenizer.sep_token_id]  # the argument stays


def test_random_tokens_come_from_the_whole_vocabulary(tokenizer: PreTrainedTokenizerFast) -> None:
    settings, rng = make_pretraining(mask_probability=0.99), np.random.default_rng(0)
    drawn = set()
    for _ in range(200):
        hidden, _ = mask_tokens([60] * 100, list(range(100)), tokenizer, settings, rng)
        drawn.update(hidden)
    assert drawn == set(range(len(VOCABULARY)))


@pytest.mark.parametrize("whole_word", [False, True])
def test_at_least_one_token_is_chosen_and_never_a_special_one(
    whole_word: bool, tokenizer: PreTrainedTokenizerFast
) -> None:
    settings, rng = make_pretraining(mask_probability=0.001, whole_word=whole_word), np.random.default_rng(0)
    ids = tokenizer("the parser")["input_ids"]  # [CLS] the parse ##r [SEP]
    for _ in range(300):
        hidden, labels = mask_tokens(ids, [None, 0, 1, 1, None], tokenizer, settings, rng)
        assert any(label != IGNORED for label in labels)
        assert labels[0] == labels[-1] == IGNORED
        assert (hidden[0], hidden[-1]) == (ids[0], ids[-1])


@pytest.mark.parametrize("whole_word", [False, True])
def test_whole_words_are_hidden_together(whole_word: bool, tokenizer: PreTrainedTokenizerFast) -> None:
    # the same words on both sides, which count from 0 on each: a word is its side and its number
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
        assert np.mean(chosen[:, 1] != chosen[:, 6]) > 0.3  # the same word of the other sentence goes its own way
    else:
        assert min(halves) > 0.3  # 2 x 0.4 x 0.6, less where nothing was chosen at first
    assert not chosen[:, [0, 5, 10]].any()


# --- pairs ---


def test_half_of_the_pairs_follow_each_other() -> None:
    source = PairSource([NUMBERED], [1.0], seed=0, split="train")
    following = 0
    for index in range(4000):
        first, second, label, _ = source.pair(0, index)
        (document, position), (other, place) = (map(int, sentence.split()) for sentence in (first, second))
        if label == IS_NEXT:
            assert (other, place) == (document, position + 1)
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


def test_pairs_depend_on_seed_split_epoch_and_index_alone() -> None:
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


def test_a_single_paragraph_has_only_following_sentences() -> None:
    source = PairSource([NUMBERED[:1]], [1.0], seed=0, split="train")
    assert {source.pair(0, index)[:3] for index in range(50)} == {("0 0", "0 1", IS_NEXT)}


def test_encoded_pairs_are_counted_when_cut(tokenizer: PreTrainedTokenizerFast) -> None:
    source = PairSource([make_documents(10)], [1.0], seed=0, split="train")
    long, none = encode_pairs(source, 0, 50, tokenizer, make_pretraining(max_tokens=128))
    short, cut = encode_pairs(source, 0, 50, tokenizer, make_pretraining(max_tokens=12))
    lengths = [len(item["input_ids"]) for item in long]
    assert none == 0
    assert cut == sum(length > 12 for length in lengths) > 0
    assert [len(item["input_ids"]) for item in short] == [min(length, 12) for length in lengths]
    assert [item["next_sentence_label"] for item in short] == [item["next_sentence_label"] for item in long]


# --- losses ---


def draw_items(tokenizer: PreTrainedTokenizerFast, count: int) -> list[Item]:
    source = PairSource([make_documents(20)], [1.0], seed=5, split="train")
    return encode_pairs(source, 0, count, tokenizer, make_pretraining())[0]


def load_model(encoder: str) -> BertForPreTraining:
    set_seed(0)
    return BertForPreTraining.from_pretrained(encoder).eval()


def test_the_loss_is_that_of_the_library(encoder: str, tokenizer: PreTrainedTokenizerFast) -> None:
    model = load_model(encoder)
    batch = dict(build_collator(tokenizer)(draw_items(tokenizer, 9)))
    with torch.no_grad():
        mlm, nsp, logits = losses(model, batch)
        expected = model(**batch)
    masked = (batch["labels"] != IGNORED).sum()
    torch.testing.assert_close(mlm / masked + nsp / 9, expected.loss)
    torch.testing.assert_close(logits, expected.seq_relationship_logits)


def test_an_accumulated_step_is_one_batch(encoder: str, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    items, collate = draw_items(tokenizer, 16), build_collator(tokenizer)
    model = load_model(encoder)
    arguments = training_arguments(
        make_pretraining(), make_settings(tmp_path), TrainingArguments, label_names=["labels"]
    )
    trainer = PretrainingTrainer(model=model, args=arguments)

    def gradients(batches: list[list[Item]]) -> list[torch.Tensor]:
        model.zero_grad()
        collated = [dict(collate(batch)) for batch in batches]
        trainer.current_gradient_accumulation_steps = len(batches)
        for batch in collated:
            trainer.training_step(model.eval(), batch, sum(each["labels"].ne(IGNORED).sum() for each in collated))
        return [parameter.grad.clone() for parameter in model.parameters()]

    model.train = lambda mode=True: model  # no dropout: it would differ between the two
    whole, parts = gradients([items]), gradients([items[:8], items[8:]])
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)
    model.zero_grad()
    model(**dict(collate(items))).loss.backward()
    for a, parameter in zip(whole, model.parameters(), strict=True):
        torch.testing.assert_close(a, parameter.grad, atol=1e-6, rtol=1e-4)


def test_measure_is_a_plain_mean(encoder: str, tokenizer: PreTrainedTokenizerFast) -> None:
    model, items = load_model(encoder), draw_items(tokenizer, 11)
    total, right, count = 0.0, 0, 0
    with torch.no_grad():
        for item in items:
            inputs = {key: torch.tensor([item[key]]) for key in ("input_ids", "token_type_ids", "attention_mask")}
            output = model(**inputs)
            logarithms = output.prediction_logits[0].log_softmax(dim=1)
            for place, label in enumerate(item["labels"]):
                if label != IGNORED:
                    total -= logarithms[place, label].item()
                    count += 1
            right += int(output.seq_relationship_logits.argmax().item() == item["next_sentence_label"])
    found = measure(model.train(), items, build_collator(tokenizer), batch_size=4)
    expected = {"mlm_loss": total / count, "perplexity": exp(total / count), "nsp_accuracy": right / 11}
    assert found == pytest.approx(expected, rel=1e-5)


# --- the whole ---


def run_pretraining(folder: Path, **changes: object) -> tuple[BertForPreTraining, dict[str, dict[str, float]]]:
    set_seed(1)
    corpora = changes.get("corpora", {"tiny_text": 1.0})
    splits = {
        split: [make_documents(40, seed=10 * number + i) for i in range(len(corpora))]
        for number, split in enumerate(("train", "validation"))
    }
    settings: Pretraining = make_pretraining(**changes)
    model, _, history, metrics = pretrain(splits, settings, make_settings(folder))
    assert all(np.isfinite(entry["loss"]) for entry in history if "loss" in entry)
    return model, metrics


def test_pretraining_lowers_the_loss(encoder: str, tmp_path: Path) -> None:
    model, metrics = run_pretraining(
        tmp_path, encoder=encoder, epochs=4, pairs_per_epoch=64, validation_pairs=32, learning_rate=0.01
    )
    assert metrics["before"]["mlm_loss"] == pytest.approx(np.log(len(VOCABULARY)), rel=0.1)  # it knows nothing
    assert metrics["after"]["mlm_loss"] < 0.9 * metrics["before"]["mlm_loss"]
    assert metrics["after"]["perplexity"] == pytest.approx(exp(metrics["after"]["mlm_loss"]))
    assert metrics["steps"] == 4 * 64 / 8
    assert metrics["validation_pairs_cut"] == metrics["train_pairs_cut_in_first_epoch"] == 0
    assert isinstance(model, BertForPreTraining)


def test_corpora_whole_words_and_accumulation_work_together(encoder: str, tmp_path: Path) -> None:
    changes = {
        "encoder": encoder,
        "corpora": {"first": 0.82, "second": 0.18},
        "whole_word": True,
        "gradient_accumulation": 2,
        "pairs_per_epoch": 40,  # five batches: the last step has one
    }
    models, metrics = zip(*(run_pretraining(tmp_path / name, **changes) for name in "ab"), strict=True)
    assert metrics[0] == metrics[1]
    assert metrics[0]["steps"] == 3
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(a, b)


def test_an_encoder_without_a_next_sentence_head_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    config = DistilBertConfig(
        vocab_size=len(VOCABULARY), dim=16, n_heads=2, n_layers=1, hidden_dim=32, max_position_embeddings=64
    )
    write_model(DistilBertModel(config), folder)
    build_tokenizer().save_pretrained(folder)
    with pytest.raises(ParamsError, match=r"pretraining\.encoder: DistilBertForMaskedLM has no next sentence head"):
        run_pretraining(tmp_path, encoder=str(folder))


def test_more_tokens_than_positions_are_refused(encoder: str, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"pretraining\.max_tokens: 129, but .* has 128 positions; lower it"):
        run_pretraining(tmp_path, encoder=encoder, max_tokens=129)


def test_special_tokens_are_those_of_the_fixture(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.convert_ids_to_tokens(sorted(tokenizer.all_special_ids)) == list(SPECIAL)
