"""Fine-tuning of classifiers: input dropout, the best epoch, early stopping, metrics, what is saved."""

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, set_seed

from papertrail.core.errors import DataError, ParamsError
from papertrail.core.params import Classifier
from papertrail.models.batching import predict_logits
from papertrail.models.encoding import encode_rows
from papertrail.models.heads import load_head
from papertrail.train.checkpoints import find_checkpoint, save_model
from papertrail.train.classifier import build_model, draw_left_out, fit, train
from papertrail.train.kinds import Trained
from tests.fixtures.tiny_bert import write_tiny_bert
from tests.fixtures.tiny_runs import FEATURES, INPUTS, PURPOSES, make_classifier, make_rows, make_settings, write_splits

SEQUENCE = "sequence_classification"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_bert(tmp_path_factory.mktemp("encoder")))


def run_training(model: Classifier, folder: Path, resume_from: str | None = None) -> Trained:
    """Train on the rows that every test here uses."""
    set_seed(1)
    splits = {"train": make_rows(model.head, 20), "validation": make_rows(model.head, 12, seed=1)}
    names = load_head(model.head).class_names(FEATURES[model.head])
    return fit(model, names, splits, make_settings(folder, resume_from=resume_from))


def assert_same_weights(first: Trained, second: Trained) -> None:
    for (name, a), (_, b) in zip(first.network.state_dict().items(), second.network.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


@pytest.fixture
def script_scores(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], ModuleType]:
    """Return a function that fixes the validation scores of the sequence head; after them, training is interrupted."""

    def script(scores: list[float]) -> ModuleType:
        remaining = iter(scores)

        def validation_score(*_: object) -> float:
            try:
                return next(remaining)
            except StopIteration:
                raise KeyboardInterrupt from None

        head = load_head(SEQUENCE)
        monkeypatch.setattr(head, "validation_score", validation_score)
        return head

    return script


# --- input dropout ---


def test_input_dropout_is_drawn_by_seed_epoch_and_id() -> None:
    dropout = {"abstract": 0.2, "title": 0.5}
    keys = list(itertools.product(range(2), range(5), map(str, range(1000))))
    drawn = {key: draw_left_out(dropout, *key) for key in keys}
    assert drawn == {key: draw_left_out(dropout, *key) for key in reversed(keys)}
    for name, probability in dropout.items():
        share = np.mean([name in left_out for left_out in drawn.values()])
        assert share == pytest.approx(probability, abs=0.02)  # four standard deviations of 10,000 draws
    both = np.mean([len(left_out) == 2 for left_out in drawn.values()])
    assert both == pytest.approx(0.1, abs=0.015)  # inputs are independent
    epochs = [[drawn[0, epoch, str(i)] for i in range(1000)] for epoch in range(5)]
    assert all(a != b for a, b in itertools.combinations(epochs, 2))
    assert [drawn[0, 0, str(i)] for i in range(1000)] != [drawn[1, 0, str(i)] for i in range(1000)]


@pytest.mark.parametrize(("probability", "expected"), [(0.0, frozenset()), (1.0, frozenset({"abstract"}))])
def test_input_dropout_of_zero_and_one(probability: float, expected: frozenset[str]) -> None:
    assert {draw_left_out({"abstract": probability}, 0, 0, str(i)) for i in range(100)} == {expected}


# --- training ---


def test_rows_are_read_from_the_prepared_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny_bert(Path("encoder"))
    write_splits(Path(), "tiny", "tiny", SEQUENCE)
    trained = train(make_classifier(), make_settings(Path("checkpoints")))
    assert trained.metrics["steps"] == 3  # 24 rows in batches of 8
    assert trained.network.config.id2label == dict(enumerate(PURPOSES))
    with pytest.raises(DataError, match="data set tiny has no column 'abstract' for head sequence_classification"):
        train(make_classifier(inputs=["abstract"]), make_settings(Path("checkpoints")))


@pytest.mark.parametrize("head_name", INPUTS)
def test_each_head_fits_eight_examples(head_name: str, encoder: str, tmp_path: Path) -> None:
    head, rows = load_head(head_name), make_rows(head_name, 8)
    model = make_classifier(head_name, base_model=encoder, epochs=20, batch_size=4, learning_rate=0.01)
    names = head.class_names(FEATURES[head_name])
    set_seed(1)
    trained = fit(model, names, {"train": rows, "validation": rows}, make_settings(tmp_path / "checkpoints"))
    assert trained.metrics["validation_score"] == 1.0

    folder = tmp_path / "model"
    save_model(folder, *trained.savers)
    set_seed(99)  # a new head would be different
    loaded = head.AUTO_MODEL.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert loaded.config.id2label == dict(enumerate(names))
    assert loaded.config.label2id == {name: i for i, name in enumerate(names)}
    assert tokenizer.model_max_length == model.max_tokens
    items, _ = encode_rows(head, rows, tokenizer, model)
    collate = head.build_collator(tokenizer)
    expected, logits = (predict_logits(network, items, collate, 4) for network in (trained.network, loaded))
    for a, b in zip(expected, logits, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # the library alone pads nothing
    assert head.validation_score(rows, head.decode(rows, items, logits, names), names) == 1.0


@pytest.mark.parametrize("head_name", [SEQUENCE, "token_classification"])
def test_two_batches_of_eight_are_one_of_sixteen(head_name: str, encoder: str, tmp_path: Path) -> None:
    # batches of sentences differ in the number of labelled tokens, so a mean of batch means would be different
    learned = []
    for batch_size, accumulation in ((16, 1), (8, 2), (4, 4)):
        model = make_classifier(
            head_name,
            base_model=encoder,
            batch_size=batch_size,
            gradient_accumulation=accumulation,
            learning_rate=0.001,
            warmup_ratio=0.0,
        )
        set_seed(1)
        names = load_head(head_name).class_names(FEATURES[head_name])
        rows = make_rows(head_name, 16)
        settings = make_settings(tmp_path / f"{batch_size}")
        trained = fit(model, names, {"train": rows, "validation": rows}, settings)
        assert trained.metrics["steps"] == 1
        first = next(entry for entry in trained.history if "grad_norm" in entry)
        learned.append((first["loss"], first["grad_norm"]))
    np.testing.assert_allclose(learned, [learned[0]] * 3, rtol=1e-5)


@pytest.mark.parametrize(
    ("scores", "best"), [([0.1, 0.9, 0.5], 2), ([0.9, 0.5, 0.1], 1), ([0.1, 0.5, 0.9], 3), ([0.5, 0.5, 0.5], 1)]
)
def test_the_weights_of_the_best_epoch_are_kept(
    scores: list[float], best: int, encoder: str, tmp_path: Path, script_scores: Callable[[list[float]], ModuleType]
) -> None:
    model = make_classifier(base_model=encoder, epochs=3, keep_checkpoints=3)
    head = script_scores(scores)
    trained = run_training(model, tmp_path)
    assert trained.metrics["best_epoch"] == best
    assert trained.metrics["validation_score"] == max(scores)
    assert trained.metrics["epochs"] == 3
    weights = [  # of each epoch; three steps per epoch
        head.AUTO_MODEL.from_pretrained(tmp_path / f"checkpoint-{3 * epoch}").classifier.weight for epoch in (1, 2, 3)
    ]
    assert [torch.equal(trained.network.classifier.weight, each) for each in weights] == [
        epoch == best for epoch in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("patience", "scores", "epochs"),
    [
        (0, [0.9, 0.1, 0.1, 0.1, 0.1], 5),
        (1, [0.1, 0.9, 0.9], 3),
        (2, [0.9, 0.1, 0.95, 0.5, 0.6], 5),
        (2, [0.9, 0.1, 0.2], 3),
    ],
)
def test_early_stopping_waits_for_patience(
    patience: int, scores: list[float], epochs: int, encoder: str, tmp_path: Path, script_scores: Any
) -> None:
    script_scores(scores)
    trained = run_training(make_classifier(base_model=encoder, epochs=5, early_stopping_patience=patience), tmp_path)
    assert trained.metrics["epochs"] == epochs
    assert trained.metrics["best_epoch"] == scores.index(max(scores)) + 1


@pytest.mark.parametrize("epochs_before", [1, 3, 4])
def test_a_resumed_training_stops_early_at_the_same_epoch(
    epochs_before: int, encoder: str, tmp_path: Path, script_scores: Any
) -> None:
    scores = [0.8, 0.9, 0.1, 0.2, 0.95, 1.0]  # stops after the fourth epoch
    model = make_classifier(base_model=encoder, epochs=6, early_stopping_patience=2, hidden_dropout=0.2)
    script_scores(scores)
    uninterrupted = run_training(model, tmp_path / "uninterrupted")
    script_scores(scores[:epochs_before])
    with contextlib.suppress(KeyboardInterrupt):  # after the fourth epoch, the training has ended
        run_training(model, tmp_path / "interrupted")
    checkpoint = find_checkpoint(tmp_path / "interrupted")
    assert checkpoint is not None
    script_scores(scores[epochs_before:])
    resumed = run_training(model, tmp_path / "interrupted", resume_from=checkpoint)
    assert resumed.metrics == uninterrupted.metrics
    assert uninterrupted.metrics["epochs"] == 4
    assert_same_weights(uninterrupted, resumed)


BY_STEPS: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 2,
    "gradient_accumulation": 2,
    "evaluation_steps": 3,
    "warmup_steps": 2,
    "keep_checkpoints": 3,
}


def test_evaluation_steps_max_steps_and_warmup_steps(encoder: str, tmp_path: Path, script_scores: Any) -> None:
    script_scores([0.1, 0.9, 0.3, 0.4])
    model = make_classifier(base_model=encoder, **{**BY_STEPS, "max_steps": 10, "epochs": 1})
    trained = run_training(model, tmp_path)
    evaluated = [(entry["step"], entry["eval_score"]) for entry in trained.history if "eval_score" in entry]
    assert evaluated == [(3, 0.1), (6, 0.9), (9, 0.3), (10, 0.4)]  # also at the last step
    assert trained.metrics["steps"] == 10
    assert trained.metrics["best_epoch"] == pytest.approx(6 / 5)
    assert trained.metrics["epochs"] == 2
    rates = {entry["step"]: entry["learning_rate"] for entry in trained.history if "loss" in entry}
    assert rates[3] == pytest.approx(model.learning_rate)  # the third step is the first after two of warm-up
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-6", "checkpoint-9"]


def test_a_training_that_ended_early_is_not_continued(encoder: str, tmp_path: Path, script_scores: Any) -> None:
    script_scores([0.8, 0.9, 0.1])
    model = make_classifier(base_model=encoder, **BY_STEPS, early_stopping_patience=1)
    ended = run_training(model, tmp_path)
    checkpoint = find_checkpoint(tmp_path)
    assert checkpoint == str(tmp_path / "checkpoint-9")
    script_scores([])
    again = run_training(model, tmp_path, resume_from=checkpoint)
    assert again.metrics == ended.metrics
    assert_same_weights(ended, again)


def test_metrics_count_truncated_examples(encoder: str, tmp_path: Path) -> None:
    trained = run_training(make_classifier(base_model=encoder, max_tokens=10), tmp_path)
    for split, rows in (("train", make_rows(SEQUENCE, 20)), ("validation", make_rows(SEQUENCE, 12, seed=1))):
        lengths = [len(trained.tokenizer(row["text"])["input_ids"]) for row in rows]
        assert trained.metrics[f"{split}_examples_cut"] == sum(length > 10 for length in lengths) > 0
    assert trained.metrics["steps"] == 3  # 20 rows in batches of 8


# --- the network ---


def test_more_tokens_than_positions_are_an_error(encoder: str) -> None:
    model = make_classifier(base_model=encoder, max_tokens=128)
    assert build_model(load_head(SEQUENCE), PURPOSES, model)
    with pytest.raises(ParamsError, match=r"models: max_tokens: 129, but .* has 128 positions; lower it"):
        build_model(load_head(SEQUENCE), PURPOSES, replace(model, max_tokens=129))
