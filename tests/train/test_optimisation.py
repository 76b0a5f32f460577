"""Optimisation of classifiers: learning rates per layer, dropout, class weights and the loss."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from transformers import (
    AutoModelForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ModernBertConfig,
    ModernBertForTokenClassification,
    PreTrainedModel,
    set_seed,
)

from papertrail.models.encoding import encode_rows, load_tokenizer
from papertrail.models.heads import load_head
from papertrail.train.classifier import build_model
from papertrail.train.optimisation import balanced_weights, build_loss, layer_groups
from tests.fixtures.tiny_bert import write_model, write_tiny_bert
from tests.fixtures.tiny_runs import FEATURES, INPUTS, PURPOSES, make_classifier, make_rows

SEQUENCE = "sequence_classification"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_bert(tmp_path_factory.mktemp("encoder")))


# --- learning rates and dropout ---


def tiny_models(encoder: str) -> dict[str, tuple[PreTrainedModel, int]]:
    """Return a model of each family and its number of layers."""
    distil = DistilBertConfig(vocab_size=50, dim=16, n_heads=2, n_layers=3, hidden_dim=32, max_position_embeddings=32)
    modern = ModernBertConfig(
        vocab_size=50,
        hidden_size=16,
        num_attention_heads=2,
        num_hidden_layers=4,
        intermediate_size=32,
        max_position_embeddings=32,
        **{f"{name}_token_id": number for number, name in enumerate(("pad", "cls", "bos", "sep", "eos"))},
    )
    return {
        "bert": (AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=3), 2),
        "distilbert": (DistilBertForSequenceClassification(distil), 3),
        "modernbert": (ModernBertForTokenClassification(modern), 4),
    }


@pytest.mark.parametrize("family", ["bert", "distilbert", "modernbert"])
def test_layer_groups_hold_every_parameter_once_at_its_rate(family: str, encoder: str) -> None:
    network, layers = tiny_models(encoder)[family]
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = layer_groups(network, make_classifier(learning_rate=0.01, layer_decay=0.5, weight_decay=0.1))
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(names)

    rates: dict[str, set[float]] = {"head": set(), "embeddings": set()}
    for group in groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            number = next((part for part in name.split(".") if part.isdigit() and "layer" in name), None)
            place = "embeddings" if "embeddings" in name else "head" if number is None else number
            rates.setdefault(place, set()).add(group["lr"])
            assert group["weight_decay"] == (0.1 if parameter.ndim == 2 else 0.0), name
            if name.endswith("bias") or "norm" in name.lower():
                assert group["weight_decay"] == 0.0, name
    expected = {"head": 0.01, **{str(i): 0.01 * 0.5 ** (layers - i) for i in range(layers)}}
    expected["embeddings"] = 0.01 * 0.5 ** (layers + 1)
    assert {place: list(found) for place, found in rates.items()} == {
        place: [pytest.approx(rate)] for place, rate in expected.items()
    }


def test_layer_decay_of_one_is_one_rate(encoder: str) -> None:
    network, _ = tiny_models(encoder)["bert"]
    assert {group["lr"] for group in layer_groups(network, make_classifier(learning_rate=0.01))} == {0.01}


@pytest.mark.parametrize("family", ["bert", "distilbert", "modernbert"])
def test_dropout_of_the_parameters_is_that_of_the_network(family: str, encoder: str, tmp_path: Path) -> None:
    network, _ = tiny_models(encoder)[family]
    write_model(network.base_model, tmp_path)
    model = make_classifier(base_model=str(tmp_path), hidden_dropout=0.25, attention_dropout=0.5)
    built = build_model(load_head(SEQUENCE), PURPOSES, model)
    rates = {module.p for module in built.modules() if isinstance(module, torch.nn.Dropout)}
    assert rates <= {0.25, 0.5}
    assert 0.25 in rates
    without = build_model(load_head(SEQUENCE), PURPOSES, make_classifier(base_model=str(tmp_path)))
    assert {module.p for module in without.modules() if isinstance(module, torch.nn.Dropout)} == {0.0}


def test_frozen_embeddings_are_not_optimised(encoder: str) -> None:
    head = load_head("sequence_classification")
    model = make_classifier(base_model=encoder, freeze_embeddings=True)
    network = build_model(head, ["a", "b", "c"], model)
    optimised = {id(parameter) for group in layer_groups(network, model) for parameter in group["params"]}
    frozen = [name for name, parameter in network.named_parameters() if id(parameter) not in optimised]
    assert frozen == ["bert.embeddings.word_embeddings.weight"]


# --- loss ---


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_balanced_weights_are_those_of_scikit_learn(labels: list[int]) -> None:
    weights = balanced_weights(labels, 4)
    present = sorted(set(labels))
    expected = compute_class_weight("balanced", classes=np.array(present), y=labels)
    np.testing.assert_allclose(weights[present], expected, rtol=1e-6)
    assert weights.dtype == torch.float32
    assert all(weights[label] == 0 for label in set(range(4)) - set(present))
    assert weights[labels].mean().item() == pytest.approx(1, rel=1e-5)  # so that the learning rate has the same effect


@pytest.mark.parametrize("shape", [(6, 5), (6, 7, 5)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_the_mean_of_torch(shape: tuple[int, ...], smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator)
    labels = torch.randint(0, 5, shape[:-1], generator=generator)
    labels[0] = -100
    outputs = SimpleNamespace(logits=logits)
    loss = build_loss(make_classifier(label_smoothing=smoothing), None)
    flat_logits, flat_labels = logits.reshape(-1, 5), labels.reshape(-1)
    expected = torch.nn.functional.cross_entropy(flat_logits, flat_labels, label_smoothing=smoothing)
    torch.testing.assert_close(loss(outputs, labels), expected)

    count = 3 * labels.ne(-100).sum()  # of a step of three such batches
    torch.testing.assert_close(loss(outputs, labels, num_items_in_batch=count), expected / 3)
    weights = torch.tensor([1.0, 2.0, 0.5, 1.0, 0.0])
    each = torch.nn.functional.cross_entropy(
        flat_logits, flat_labels, weight=weights, label_smoothing=smoothing, reduction="none"
    )
    weighted = build_loss(make_classifier(label_smoothing=smoothing), weights)(outputs, labels)
    torch.testing.assert_close(weighted, each.sum() / labels.ne(-100).sum())


@pytest.mark.parametrize("head_name", INPUTS)
def test_accumulated_gradients_are_those_of_one_batch(head_name: str, encoder: str) -> None:
    model, head = make_classifier(head_name, base_model=encoder), load_head(head_name)
    set_seed(1)
    network = build_model(head, head.class_names(FEATURES[head_name]), model)
    tokenizer = load_tokenizer(Path(encoder), model.max_tokens)
    items, _ = encode_rows(head, make_rows(head_name, 16), tokenizer, model)
    loss, collate = build_loss(model, None), head.build_collator(tokenizer)

    def gradients(batches: list[list[Any]]) -> list[torch.Tensor]:
        network.zero_grad()
        collated = [collate(copy.deepcopy(batch)) for batch in batches]
        count = sum(batch["labels"].ne(-100).sum() for batch in collated)
        for batch in collated:
            labels = batch.pop("labels")
            loss(network(**batch), labels, num_items_in_batch=count).backward()
        return [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]

    for whole, parts in zip(gradients([items]), gradients([items[:8], items[8:]]), strict=True):
        torch.testing.assert_close(whole, parts, atol=1e-6, rtol=1e-5)
