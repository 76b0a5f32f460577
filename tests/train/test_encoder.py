"""Continued pretraining: a loss that equals the library's, measurement, lower loss, errors."""

from math import exp
from pathlib import Path
from typing import Any

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

from papertrail.core.errors import ParamsError
from papertrail.models.batching import IGNORED, Item
from papertrail.models.encoding import load_tokenizer
from papertrail.train.arguments import training_arguments
from papertrail.train.encoder import PretrainingTrainer, build_collator, fit, losses, measure
from papertrail.train.kinds import Trained
from papertrail.train.sentence_pairs import PairSource, encode_pairs
from tests.fixtures.tiny_bert import VOCABULARY, build_tokenizer, write_model, write_tiny_bert
from tests.fixtures.tiny_runs import make_documents, make_pretraining, make_settings


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_bert(tmp_path_factory.mktemp("encoder")))


@pytest.fixture(scope="module")
def tokenizer(encoder: str) -> PreTrainedTokenizerFast:
    return load_tokenizer(Path(encoder), 128)


# --- losses ---


def draw_items(tokenizer: PreTrainedTokenizerFast, count: int) -> list[Item]:
    source = PairSource([make_documents(20)], [1.0], seed=5, split="train")
    return encode_pairs(source, 0, count, tokenizer, make_pretraining())[0]


def load_network(encoder: str) -> BertForPreTraining:
    set_seed(0)
    return BertForPreTraining.from_pretrained(encoder).eval()


def test_the_loss_equals_the_library(encoder: str, tokenizer: PreTrainedTokenizerFast) -> None:
    network = load_network(encoder)
    batch = dict(build_collator(tokenizer)(draw_items(tokenizer, 9)))
    with torch.no_grad():
        mlm, nsp, logits = losses(network, batch)
        expected = network(**batch)
    masked = (batch["labels"] != IGNORED).sum()
    torch.testing.assert_close(mlm / masked + nsp / 9, expected.loss)
    torch.testing.assert_close(logits, expected.seq_relationship_logits)


def test_an_accumulated_step_is_one_batch(encoder: str, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    items, collate = draw_items(tokenizer, 16), build_collator(tokenizer)
    network = load_network(encoder)
    arguments = training_arguments(
        make_pretraining(), make_settings(tmp_path), TrainingArguments, label_names=["labels"]
    )
    trainer = PretrainingTrainer(model=network, args=arguments)

    def gradients(batches: list[list[Item]]) -> list[torch.Tensor]:
        network.zero_grad()
        collated = [dict(collate(batch)) for batch in batches]
        trainer.current_gradient_accumulation_steps = len(batches)
        for batch in collated:
            trainer.training_step(network.eval(), batch, sum(each["labels"].ne(IGNORED).sum() for each in collated))
        return [parameter.grad.clone() for parameter in network.parameters()]

    network.train = lambda mode=True: network  # no dropout, which would differ between both
    whole, parts = gradients([items]), gradients([items[:8], items[8:]])
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)
    network.zero_grad()
    network(**dict(collate(items))).loss.backward()
    for a, parameter in zip(whole, network.parameters(), strict=True):
        torch.testing.assert_close(a, parameter.grad, atol=1e-6, rtol=1e-4)


def test_measure_is_a_plain_mean(encoder: str, tokenizer: PreTrainedTokenizerFast) -> None:
    network, items = load_network(encoder), draw_items(tokenizer, 11)
    total, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for item in items:
            inputs = {key: torch.tensor([item[key]]) for key in ("input_ids", "token_type_ids", "attention_mask")}
            output = network(**inputs)
            logarithms = output.prediction_logits[0].log_softmax(dim=1)
            for position, label in enumerate(item["labels"]):
                if label != IGNORED:
                    total -= logarithms[position, label].item()
                    count += 1
            correct += int(output.seq_relationship_logits.argmax().item() == item["next_sentence_label"])
    found = measure(network.train(), items, build_collator(tokenizer), batch_size=4)
    expected = {"mlm_loss": total / count, "perplexity": exp(total / count), "nsp_accuracy": correct / 11}
    assert found == pytest.approx(expected, rel=1e-5)


# --- training ---


def run_training(checkpoints: Path, **changes: Any) -> Trained:
    """Train on 40 paragraphs per corpus."""
    set_seed(1)
    training = make_pretraining(**changes)
    splits = {
        split: [make_documents(40, seed=10 * number + i) for i in range(len(training.corpora))]
        for number, split in enumerate(("train", "validation"))
    }
    return fit(training, splits, make_settings(checkpoints))


def test_pretraining_lowers_the_loss(encoder: str, tmp_path: Path) -> None:
    trained = run_training(
        tmp_path, base_model=encoder, epochs=4, pairs_per_epoch=64, validation_pairs=32, learning_rate=0.01
    )
    metrics = trained.metrics
    assert metrics["before"]["mlm_loss"] == pytest.approx(np.log(len(VOCABULARY)), rel=0.1)  # random weights
    assert metrics["after"]["mlm_loss"] < 0.9 * metrics["before"]["mlm_loss"]
    assert metrics["after"]["perplexity"] == pytest.approx(exp(metrics["after"]["mlm_loss"]))
    assert metrics["steps"] == 4 * 64 / 8
    assert metrics["validation_pairs_cut"] == metrics["train_pairs_cut_in_first_epoch"] == 0
    assert isinstance(trained.network, BertForPreTraining)
    assert all(np.isfinite(entry["loss"]) for entry in trained.history if "loss" in entry)


def test_the_last_accumulated_step_may_have_fewer_batches(encoder: str, tmp_path: Path) -> None:
    trained = run_training(tmp_path, base_model=encoder, gradient_accumulation=2, pairs_per_epoch=40)
    assert trained.metrics["steps"] == 3  # five batches


def test_an_encoder_without_a_next_sentence_head_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    config = DistilBertConfig(
        vocab_size=len(VOCABULARY), dim=16, n_heads=2, n_layers=1, hidden_dim=32, max_position_embeddings=64
    )
    write_model(DistilBertModel(config), folder)
    build_tokenizer().save_pretrained(folder)
    with pytest.raises(ParamsError, match=r"pretraining\.base_model: DistilBertForMaskedLM has no next sentence head"):
        run_training(tmp_path, base_model=str(folder))


def test_more_tokens_than_positions_are_an_error(encoder: str, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"pretraining\.max_tokens: 129, but .* has 128 positions; lower it"):
        run_training(tmp_path, base_model=encoder, max_tokens=129)
