"""Fine-tuning: rates by layer, the loss, chance by (seed, epoch, example), the best epoch, and what is kept."""

import contextlib
import copy
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ModernBertConfig,
    ModernBertForTokenClassification,
    PreTrainedModel,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from scholar.batching import predict_logits
from scholar.encoding import check_columns, encode_rows, load_tokenizer
from scholar.errors import DataError, ParamsError
from scholar.params import Run
from scholar.task import load_head
from scholar.trainer import EpochEnd, find_checkpoint, save_model
from scholar.training import (
    Trained,
    balanced_weights,
    build_loss,
    build_model,
    draw_left_out,
    finetune,
    layer_groups,
)
from tests.fixtures.tiny_bert import write_model, write_tiny_bert
from tests.fixtures.tiny_runs import FEATURES, INPUTS, PURPOSES, make_rows, make_run, make_settings

SEQUENCE = "sequence_classification"


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


def train(run: Run, folder: Path, head: ModuleType | None = None, resume_from: str | None = None) -> Trained:
    """Train in this process on the rows that every test here uses."""
    set_seed(1)
    splits = {"train": make_rows(run.head, 20), "validation": make_rows(run.head, 12, seed=1)}
    names = load_head(run.head).class_names(FEATURES[run.head])
    return finetune(run, head or load_head(run.head), names, splits, make_settings(folder, resume_from=resume_from))


def scripted_head(scores: list[float], name: str = SEQUENCE) -> Any:
    """A head whose validation score goes through a list, whatever the model says; at the end it is interrupted."""
    remaining = iter(scores)

    def validation_score(*_: object) -> float:
        try:
            return next(remaining)
        except StopIteration:
            raise KeyboardInterrupt from None

    return SimpleNamespace(**{**vars(load_head(name)), "validation_score": validation_score})


# --- optimizer ---


def tiny_models(encoder: str) -> dict[str, tuple[PreTrainedModel, int]]:
    """Models of three families and how many layers each has."""
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
    model, layers = tiny_models(encoder)[family]
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = layer_groups(model, make_run(learning_rate=0.01, layer_decay=0.5, weight_decay=0.1))
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
    model, _ = tiny_models(encoder)["bert"]
    assert {group["lr"] for group in layer_groups(model, make_run(learning_rate=0.01))} == {0.01}


@pytest.mark.parametrize("family", ["bert", "distilbert", "modernbert"])
def test_dropout_of_the_run_is_that_of_the_model(family: str, encoder: str, tmp_path: Path) -> None:
    model, _ = tiny_models(encoder)[family]
    write_model(model.base_model, tmp_path)
    run = make_run(encoder=str(tmp_path), hidden_dropout=0.25, attention_dropout=0.5)
    built = build_model(load_head(SEQUENCE), PURPOSES, run)
    rates = {module.p for module in built.modules() if isinstance(module, torch.nn.Dropout)}
    assert rates <= {0.25, 0.5}
    assert 0.25 in rates
    silent = build_model(load_head(SEQUENCE), PURPOSES, make_run(encoder=str(tmp_path)))
    assert {module.p for module in silent.modules() if isinstance(module, torch.nn.Dropout)} == {0.0}


# --- loss ---


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_balanced_weights_are_those_of_scikit_learn(labels: list[int]) -> None:
    weights = balanced_weights(labels, 4)
    present = sorted(set(labels))
    expected = compute_class_weight("balanced", classes=np.array(present), y=labels)
    np.testing.assert_allclose(weights[present], expected, rtol=1e-6)
    assert weights.dtype == torch.float32
    assert all(weights[label] == 0 for label in set(range(4)) - set(present))
    assert weights[labels].mean().item() == pytest.approx(1, rel=1e-5)  # so that the learning rate means the same


@pytest.mark.parametrize("shape", [(6, 5), (6, 7, 5)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_the_mean_of_torch(shape: tuple[int, ...], smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator)
    labels = torch.randint(0, 5, shape[:-1], generator=generator)
    labels[0] = -100
    outputs = SimpleNamespace(logits=logits)
    loss = build_loss(make_run(label_smoothing=smoothing), None)
    flat, given_labels = logits.reshape(-1, 5), labels.reshape(-1)
    expected = torch.nn.functional.cross_entropy(flat, given_labels, label_smoothing=smoothing)
    torch.testing.assert_close(loss(outputs, labels), expected)

    count = 3 * labels.ne(-100).sum()  # of a step of three such batches
    torch.testing.assert_close(loss(outputs, labels, num_items_in_batch=count), expected / 3)
    weights = torch.tensor([1.0, 2.0, 0.5, 1.0, 0.0])
    each = torch.nn.functional.cross_entropy(
        flat, given_labels, weight=weights, label_smoothing=smoothing, reduction="none"
    )
    weighted = build_loss(make_run(label_smoothing=smoothing), weights)(outputs, labels)
    torch.testing.assert_close(weighted, each.sum() / labels.ne(-100).sum())


@pytest.mark.parametrize("head_name", [SEQUENCE, "token_classification"])
def test_two_batches_of_eight_are_one_of_sixteen(head_name: str, encoder: str, tmp_path: Path) -> None:
    # tokens: the batches differ in how many are labelled, so that a mean of means would show
    learned = []
    for batch_size, accumulation in ((16, 1), (8, 2), (4, 4)):
        run = make_run(
            head_name,
            encoder=encoder,
            batch_size=batch_size,
            gradient_accumulation=accumulation,
            learning_rate=0.001,
            warmup_ratio=0.0,
        )
        set_seed(1)
        names = load_head(head_name).class_names(FEATURES[head_name])
        rows = make_rows(head_name, 16)
        settings = make_settings(tmp_path / f"{batch_size}")
        trained = finetune(run, load_head(head_name), names, {"train": rows, "validation": rows}, settings)
        assert trained.metrics["steps"] == 1
        first = next(entry for entry in trained.history if "grad_norm" in entry)
        learned.append((first["loss"], first["grad_norm"]))
    np.testing.assert_allclose(learned, [learned[0]] * 3, rtol=1e-5)


@pytest.mark.parametrize("head_name", INPUTS)
def test_accumulated_gradients_are_those_of_one_batch(head_name: str, encoder: str) -> None:
    run, head = make_run(head_name, encoder=encoder), load_head(head_name)
    set_seed(1)
    model = build_model(head, head.class_names(FEATURES[head_name]), run)
    tokenizer = load_tokenizer(Path(encoder), run.max_tokens)
    items, _ = encode_rows(head, make_rows(head_name, 16), tokenizer, run)
    loss, collate = build_loss(run, None), head.build_collator(tokenizer)

    def gradients(batches: list[list[Any]]) -> list[torch.Tensor]:
        model.zero_grad()
        collated = [collate(copy.deepcopy(batch)) for batch in batches]
        count = sum(batch["labels"].ne(-100).sum() for batch in collated)
        for batch in collated:
            labels = batch.pop("labels")
            loss(model(**batch), labels, num_items_in_batch=count).backward()
        return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]

    for whole, parts in zip(gradients([items]), gradients([items[:8], items[8:]]), strict=True):
        torch.testing.assert_close(whole, parts, atol=1e-6, rtol=1e-5)


# --- chance ---


def test_input_dropout_is_drawn_by_seed_epoch_and_id() -> None:
    dropout = {"abstract": 0.2, "title": 0.5}
    keys = list(itertools.product(range(2), range(5), map(str, range(1000))))
    drawn = {key: draw_left_out(dropout, *key) for key in keys}
    assert drawn == {key: draw_left_out(dropout, *key) for key in reversed(keys)}
    for name, probability in dropout.items():
        share = np.mean([name in left_out for left_out in drawn.values()])
        assert share == pytest.approx(probability, abs=0.02)  # four standard deviations of 10,000 draws
    both = np.mean([len(left_out) == 2 for left_out in drawn.values()])
    assert both == pytest.approx(0.1, abs=0.015)  # the inputs do not depend on each other
    epochs = [[drawn[0, epoch, str(i)] for i in range(1000)] for epoch in range(5)]
    assert all(a != b for a, b in itertools.combinations(epochs, 2))
    assert [drawn[0, 0, str(i)] for i in range(1000)] != [drawn[1, 0, str(i)] for i in range(1000)]


@pytest.mark.parametrize(("probability", "expected"), [(0.0, frozenset()), (1.0, frozenset({"abstract"}))])
def test_input_dropout_at_its_ends(probability: float, expected: frozenset[str]) -> None:
    assert {draw_left_out({"abstract": probability}, 0, 0, str(i)) for i in range(100)} == {expected}


def test_the_same_seed_trains_the_same_weights(encoder: str, tmp_path: Path) -> None:
    run = make_run(encoder=encoder, epochs=2, hidden_dropout=0.3, inputs=["title", "text"], input_dropout={"text": 0.3})
    first = train(run, tmp_path / "first")
    torch.rand(5)
    second = train(run, tmp_path / "second")
    for (name, a), (_, b) in zip(first.model.state_dict().items(), second.model.state_dict().items(), strict=True):
        assert torch.equal(a, b), name
    assert first.metrics == second.metrics


# --- what is learned and kept ---


@pytest.mark.parametrize("head_name", INPUTS)
def test_each_head_learns_eight_examples_by_heart(head_name: str, encoder: str, tmp_path: Path) -> None:
    head, rows = load_head(head_name), make_rows(head_name, 8)
    run = make_run(head_name, encoder=encoder, epochs=20, batch_size=4, learning_rate=0.01)
    names = head.class_names(FEATURES[head_name])
    set_seed(1)
    trained = finetune(run, head, names, {"train": rows, "validation": rows}, make_settings(tmp_path / "checkpoints"))
    assert trained.metrics["validation_score"] == 1.0

    folder = tmp_path / "model"
    save_model(folder, trained.model.save_pretrained, trained.tokenizer.save_pretrained)
    set_seed(99)  # a new head drawn now would be another
    model = head.AUTO_MODEL.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.id2label == dict(enumerate(names))
    assert model.config.label2id == {name: i for i, name in enumerate(names)}
    assert tokenizer.model_max_length == run.max_tokens
    items, _ = encode_rows(head, rows, tokenizer, run)
    collate = head.build_collator(tokenizer)
    kept, loaded = (predict_logits(which, items, collate, batch_size=4) for which in (trained.model, model))
    for a, b in zip(kept, loaded, strict=True):
        np.testing.assert_array_equal(a, b)
    assert head.validation_score(rows, head.decode(rows, items, loaded, names), names) == 1.0


@pytest.mark.parametrize(
    ("scores", "best"), [([0.1, 0.9, 0.5], 2), ([0.9, 0.5, 0.1], 1), ([0.1, 0.5, 0.9], 3), ([0.5, 0.5, 0.5], 1)]
)
def test_the_weights_of_the_best_epoch_are_kept(
    scores: list[float], best: int, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(encoder=encoder, epochs=3)
    head = scripted_head(scores)
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(head, "validation_score", spy(head.validation_score, lambda: seen.append(weights_now())))
    models: list[PreTrainedModel] = []
    original = head.AUTO_MODEL.from_pretrained

    def load(*arguments: Any, **settings: Any) -> PreTrainedModel:
        models.append(original(*arguments, **settings))
        return models[-1]

    def weights_now() -> torch.Tensor:
        return models[-1].classifier.weight.detach().clone()

    head.AUTO_MODEL = SimpleNamespace(from_pretrained=load)
    trained = train(run, tmp_path, head)
    assert trained.metrics["best_epoch"] == best
    assert trained.metrics["validation_score"] == max(scores)
    assert trained.metrics["epochs"] == 3
    assert torch.equal(trained.model.classifier.weight, seen[best - 1])
    assert len({tuple(weights.flatten().tolist()) for weights in seen}) == 3


def spy(function: Callable[..., float], before: Callable[[], None]) -> Callable[..., float]:
    def spied(*arguments: Any) -> float:
        before()
        return function(*arguments)

    return spied


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
    patience: int, scores: list[float], epochs: int, encoder: str, tmp_path: Path
) -> None:
    run = make_run(encoder=encoder, epochs=5, early_stopping_patience=patience)
    trained = train(run, tmp_path, scripted_head(scores))
    assert trained.metrics["epochs"] == epochs
    assert trained.metrics["best_epoch"] == scores.index(max(scores)) + 1


@pytest.mark.parametrize("epochs_before", [1, 3, 4])
def test_an_interrupted_training_stops_where_it_would_have(epochs_before: int, encoder: str, tmp_path: Path) -> None:
    scores = [0.8, 0.9, 0.1, 0.2, 0.95, 1.0]  # stops after the fourth epoch
    run = make_run(encoder=encoder, epochs=6, early_stopping_patience=2, hidden_dropout=0.2)
    whole = train(run, tmp_path / "whole", scripted_head(scores))
    with contextlib.suppress(KeyboardInterrupt):  # after the fourth there is only the model left to save
        train(run, tmp_path / "cut", scripted_head(scores[:epochs_before]))
    newest = find_checkpoint(tmp_path / "cut")
    assert newest is not None
    resumed = train(run, tmp_path / "cut", scripted_head(scores[epochs_before:]), resume_from=newest)
    assert resumed.metrics == whole.metrics
    assert whole.metrics["epochs"] == 4
    for (name, a), (_, b) in zip(whole.model.state_dict().items(), resumed.model.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


STEPPED = {
    "epochs": 3,
    "batch_size": 2,
    "gradient_accumulation": 2,
    "evaluation_steps": 3,
    "warmup_steps": 2,
    "keep_checkpoints": 3,
    "hidden_dropout": 0.2,
    "attention_dropout": 0.1,
}


@pytest.mark.parametrize("head_name", INPUTS)
@pytest.mark.parametrize(("cut", "newest"), [(5, 3), (8, 6), (11, 9), (14, 12)])  # of five steps an epoch
def test_a_training_cut_in_the_midst_of_an_epoch_ends_in_the_same_bytes(
    head_name: str, cut: int, newest: int, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropout: dict[str, Any] = {"inputs": ["title", "text"], "input_dropout": {"text": 0.3}}
    run = make_run(head_name, encoder=encoder, **STEPPED, **(dropout if head_name == SEQUENCE else {}))

    def interrupt(_: EpochEnd, args: TrainingArguments, state: TrainerState, *__: Any, **___: Any) -> None:
        if state.global_step == cut:
            raise KeyboardInterrupt

    whole = train(run, tmp_path / "whole")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(EpochEnd, "on_step_begin", interrupt)
        train(run, tmp_path / "cut")
    found = find_checkpoint(tmp_path / "cut")
    assert found == str(tmp_path / "cut" / f"checkpoint-{newest}")
    torch.rand(7)
    resumed = train(run, tmp_path / "cut", resume_from=found)
    for folder, trained in (("a", whole), ("b", resumed)):
        trained.model.save_pretrained(tmp_path / folder)
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()
    assert resumed.metrics == whole.metrics
    assert [entry for entry in resumed.history if "loss" in entry] == [e for e in whole.history if "loss" in e]


def test_steps_decide_when_to_evaluate_and_to_end(encoder: str, tmp_path: Path) -> None:
    scores = [0.1, 0.9, 0.3, 0.4]
    run = make_run(encoder=encoder, **{**STEPPED, "max_steps": 10, "epochs": 1})
    trained = train(run, tmp_path, scripted_head(scores))
    evaluated = [(entry["step"], entry["eval_score"]) for entry in trained.history if "eval_score" in entry]
    assert evaluated == [(3, 0.1), (6, 0.9), (9, 0.3), (10, 0.4)]  # the last step, too
    assert trained.metrics["steps"] == 10
    assert trained.metrics["best_epoch"] == pytest.approx(6 / 5)
    assert trained.metrics["epochs"] == 2
    rates = {entry["step"]: entry["learning_rate"] for entry in trained.history if "loss" in entry}
    assert rates[3] == pytest.approx(run.learning_rate)  # the third step is the first after two of warm-up
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-6", "checkpoint-9"]


def test_a_training_that_ended_early_between_epochs_is_not_gone_on_with(encoder: str, tmp_path: Path) -> None:
    scores = [0.8, 0.9, 0.1]
    run = make_run(encoder=encoder, **STEPPED, early_stopping_patience=1)
    whole = train(run, tmp_path, scripted_head(scores))
    newest = find_checkpoint(tmp_path)
    assert newest == str(tmp_path / "checkpoint-9")
    again = train(run, tmp_path, scripted_head([]), resume_from=newest)
    assert again.metrics == whole.metrics
    for (name, a), (_, b) in zip(whole.model.state_dict().items(), again.model.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


def test_metrics_count_what_was_cut(encoder: str, tmp_path: Path) -> None:
    run = make_run(encoder=encoder, max_tokens=10)
    trained = train(run, tmp_path)
    for split, rows in (("train", make_rows(SEQUENCE, 20)), ("validation", make_rows(SEQUENCE, 12, seed=1))):
        lengths = [len(trained.tokenizer(row["text"])["input_ids"]) for row in rows]
        assert trained.metrics[f"{split}_examples_cut"] == sum(length > 10 for length in lengths) > 0
    assert trained.metrics["steps"] == 3  # 20 rows in batches of 8


# --- what is refused ---


def test_more_tokens_than_positions_are_refused(encoder: str) -> None:
    with pytest.raises(ParamsError, match=r"max_tokens: 129, but .* has 128 positions; lower it"):
        build_model(load_head(SEQUENCE), PURPOSES, make_run(encoder=encoder, max_tokens=129))
    assert build_model(load_head(SEQUENCE), PURPOSES, make_run(encoder=encoder, max_tokens=128))


@pytest.mark.parametrize(
    ("head_name", "run_changes", "columns", "missing"),
    [
        (SEQUENCE, {}, ["id", "text"], "label"),
        (SEQUENCE, {"inputs": ["title", "abstract"]}, ["id", "label", "title"], "abstract"),
        (SEQUENCE, {"input_dropout": {"abstract": 0.2}}, ["id", "label", "text"], "abstract"),
        ("token_classification", {}, ["id", "tokens", "label"], "ner_tags"),
        ("pair_classification", {}, ["id", "context", "candidate", "label", "query"], "sampled"),
    ],
)
def test_a_missing_column_is_told(
    head_name: str, run_changes: dict[str, Any], columns: list[str], missing: str
) -> None:
    run = make_run(head_name, **run_changes)
    with pytest.raises(DataError, match=f"data set tiny has no column '{missing}' for head {head_name}"):
        check_columns(load_head(head_name), run, columns)
    check_columns(load_head(head_name), run, [*columns, missing])


def test_frozen_embeddings_are_not_stepped(encoder: str) -> None:
    head = load_head("sequence_classification")
    model = build_model(head, ["a", "b", "c"], make_run(encoder=encoder, freeze_embeddings=True))
    stepped = {
        id(parameter) for group in layer_groups(model, make_run(encoder=encoder)) for parameter in group["params"]
    }
    frozen = [name for name, parameter in model.named_parameters() if id(parameter) not in stepped]
    assert frozen == ["bert.embeddings.word_embeddings.weight"]
