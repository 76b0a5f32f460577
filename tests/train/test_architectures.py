"""Published encoder families as tiny random models in the file layout of their repositories, through every training."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModel, AutoTokenizer, set_seed

from papertrail.core.errors import ParamsError
from papertrail.core.params import Local, Source
from papertrail.data.sources.fetch import fetch_source
from papertrail.models.batching import predict_logits
from papertrail.models.encoding import encode_rows, load_tokenizer
from papertrail.models.heads import load_head
from papertrail.models.sentence_encoder import embed, load_encoder
from papertrail.train import classifier, encoder, retriever
from papertrail.train.classifier import build_model
from papertrail.train.optimisation import layer_groups
from tests.fixtures.interruption import Train, interrupt_and_resume, train_and_save
from tests.fixtures.tiny_encoders import ENCODERS
from tests.fixtures.tiny_runs import (
    FEATURES,
    INPUTS,
    make_classifier,
    make_documents,
    make_pretraining,
    make_rows,
    make_settings,
)
from tests.fixtures.tiny_search import make_collection, make_queries, make_retriever

LAYERS = {"bert": 2, "scibert": 2, "distilbert": 3, "modernbert": 4, "minilm": 2}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Family -> folder of a tiny model."""
    root = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)  # the download cache is relative
        return {name: str(write(root / name)) for name, write in ENCODERS.items()}


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints and models are relative."""
    monkeypatch.chdir(tmp_path)


def check_resuming(train: Train, step: int) -> Path:
    """Check that an interrupted training ends in the bytes of an uninterrupted one; return the folder of the model."""
    assert interrupt_and_resume(train, "resumed", step) == train_and_save(train, "uninterrupted")
    with safe_open("models/resumed/model.safetensors", "pt") as weights:
        assert not [name for name in weights.keys() if name.endswith(("gamma", "beta"))]  # noqa: SIM118
    return Path("models/resumed")


@pytest.mark.parametrize("head_name", INPUTS)
@pytest.mark.parametrize("family", ENCODERS)
def test_a_classifier_on_every_family(family: str, head_name: str, published: dict[str, str]) -> None:
    model = make_classifier(
        head_name,
        base_model=published[family],
        epochs=2,
        layer_decay=0.95,
        hidden_dropout=0.1,
        attention_dropout=0.1,
        freeze_embeddings=True,
    )
    head = load_head(head_name)
    names = head.class_names(FEATURES[head_name])
    splits = {"train": make_rows(head_name, 16), "validation": make_rows(head_name, 12, 1)}
    folder = check_resuming(partial(classifier.fit, model, names, splits), 3)

    rows = make_rows(head_name, 12, 2)
    network, tokenizer = head.AUTO_MODEL.from_pretrained(folder), load_tokenizer(folder, model.max_tokens)
    items, _ = encode_rows(head, rows, tokenizer, model)
    logits = predict_logits(network, items, head.build_collator(tokenizer), 4)
    assert 0 <= head.validation_score(rows, head.decode(rows, items, logits, names), names) <= 1


@pytest.mark.parametrize("family", ENCODERS)
def test_each_layer_of_every_family_has_a_rate(family: str, published: dict[str, str]) -> None:
    model = make_classifier(base_model=published[family], learning_rate=0.01, layer_decay=0.95, freeze_embeddings=True)
    network = build_model(load_head(model.head), ["a", "b"], model)
    assert not network.get_input_embeddings().weight.requires_grad
    rates = sorted({group["lr"] for group in layer_groups(network, model)}, reverse=True)
    # head, layers, and embeddings, whose normalisation and positions are trained
    assert rates == [pytest.approx(0.01 * 0.95**depth) for depth in range(LAYERS[family] + 2)]


@pytest.mark.parametrize(("family", "positions"), [("bert", 512), ("scibert", 512), ("distilbert", 512)])
def test_positions_limit_max_tokens(family: str, positions: int, published: dict[str, str]) -> None:
    head = load_head("sequence_classification")
    build_model(head, ["a", "b"], make_classifier(base_model=published[family], max_tokens=positions))
    with pytest.raises(ParamsError, match=f"max_tokens: {positions + 1}, but .* has {positions} positions"):
        build_model(head, ["a", "b"], make_classifier(base_model=published[family], max_tokens=positions + 1))


def test_modernbert_reads_beyond_512_tokens(published: dict[str, str]) -> None:
    model = make_classifier(base_model=published["modernbert"], max_tokens=1024, batch_size=2)
    head = load_head(model.head)
    rows = [{**row, "text": f"{row['text']} " + "we use the model " * 180} for row in make_rows(model.head, 4)]
    trained = classifier.fit(model, ["a", "b", "c"], {"train": rows, "validation": rows}, make_settings(Path("long")))
    assert trained.metrics["train_examples_cut"] == 0
    items, _ = encode_rows(head, rows, trained.tokenizer, model)
    assert min(len(item["input_ids"]) for item in items) > 700

    collate = head.build_collator(trained.tokenizer)
    short, _ = encode_rows(head, make_rows(model.head, 1), trained.tokenizer, model)
    (alone,) = predict_logits(trained.network, short, collate, 1)
    padded = predict_logits(trained.network, [*short, items[0]], collate, 2)[0]  # with a text fifty times as long
    torch.testing.assert_close(torch.tensor(padded), torch.tensor(alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("family", "types"), [("bert", True), ("distilbert", False), ("modernbert", False)])
def test_token_types_are_used_if_the_family_has_them(family: str, types: bool, published: dict[str, str]) -> None:
    model = make_classifier("pair_classification", base_model=published[family])
    head = load_head(model.head)
    set_seed(1)
    network = build_model(head, ["other", "cited"], model)
    tokenizer = load_tokenizer(Path(model.base_model), model.max_tokens)
    items, _ = encode_rows(head, make_rows(model.head, 4), tokenizer, model)
    assert all(item["input_ids"].count(tokenizer.sep_token_id) == 2 for item in items)
    # the tokenizer of DistilBERT returns token types, which the model ignores
    plain = [{name: values for name, values in item.items() if name != "token_type_ids"} for item in items]
    collate = head.build_collator(tokenizer)
    with_types, without = (predict_logits(network, each, collate, 4) for each in (items, plain))
    assert any((a != b).any() for a, b in zip(with_types, without, strict=True)) == types


@pytest.mark.parametrize(
    ("family", "cased"), [("bert", True), ("distilbert", True), ("scibert", False), ("minilm", False)]
)
def test_cased_vocabularies_distinguish_case(family: str, cased: bool, published: dict[str, str]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(published[family], local_files_only=True)
    assert tokenizer.is_fast
    assert (tokenizer("The").input_ids != tokenizer("the").input_ids) == cased
    assert tokenizer.unk_token_id not in tokenizer("The tables").input_ids


def test_sharded_weights_are_loaded(published: dict[str, str], tmp_path: Path) -> None:
    model = make_classifier(base_model=published["bert"])
    head = load_head(model.head)
    AutoModel.from_pretrained(model.base_model).save_pretrained(tmp_path / "published", max_shard_size="8KB")
    names = sorted(path.name for path in (tmp_path / "published").iterdir())
    assert sum(name.endswith(".safetensors") for name in names) > 2
    provider = Local(kind="local", folder=str(tmp_path / "published"))
    source = Source(licence="none", files=dict.fromkeys(names), unpack=None, convert=None, providers=[provider])
    fetch_source(source, tmp_path / "sharded")
    set_seed(1)
    single = build_model(head, ["a", "b"], model).state_dict()
    set_seed(1)
    sharded = build_model(head, ["a", "b"], replace(model, base_model=str(tmp_path / "sharded"))).state_dict()
    assert all(torch.equal(weights, sharded[name]) for name, weights in single.items())


@pytest.mark.parametrize("family", ENCODERS)
def test_a_retriever_on_every_family(family: str, published: dict[str, str]) -> None:
    model = make_retriever(base_model=published[family], epochs=2, batch_size=10, hidden_dropout=0.1)
    splits = {"train": make_queries(20), "validation": make_queries(10, 1)}

    folder = check_resuming(lambda settings: retriever.fit(model, splits, make_collection(), settings), 3)
    vectors = embed(load_encoder(folder, 32, "cpu"), ["we use the model", "a"], 2)
    torch.testing.assert_close(torch.tensor(vectors).norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("family", ["bert", "scibert"])
def test_a_pretrained_bert_is_a_base_model(family: str, published: dict[str, str]) -> None:
    training = make_pretraining(base_model=published[family], epochs=2)
    splits = {"train": [make_documents(12)], "validation": [make_documents(6, 1)]}
    folder = check_resuming(partial(encoder.fit, training, splits), 3)
    model = make_classifier(base_model=str(folder))
    rows = {"train": make_rows(model.head, 8), "validation": make_rows(model.head, 4, 1)}
    trained = classifier.fit(model, ["a", "b", "c"], rows, make_settings(Path("next")))
    assert trained.metrics["steps"] == 1
