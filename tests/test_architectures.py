"""Each published family, as a tiny model of its own class with its own tokenizer, through all that a run does.

Trained, stopped in the middle and gone on with to the same bytes, loaded from the folder alone, and scored. Only the
weights are not the published ones: no hub is asked here.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModel, AutoTokenizer, TrainerCallback, set_seed

from scholar.batching import predict_logits
from scholar.encoding import encode_rows, load_tokenizer
from scholar.errors import ParamsError
from scholar.heads import generation, retrieval
from scholar.params import Evaluation, Local, Run, Source
from scholar.pretraining import pretrain
from scholar.runtime import for_reading
from scholar.scoring import Outcome, score
from scholar.sources import fetch_source
from scholar.task import load_head
from scholar.trainer import Settings, find_checkpoint, save_model
from scholar.training import build_model, finetune, layer_groups
from tests.fixtures.tiny_encoders import ENCODERS, write_t5
from tests.fixtures.tiny_generators import make_generation, make_papers, make_summarizer
from tests.fixtures.tiny_runs import (
    EVALUATION,
    FEATURES,
    INPUTS,
    RUNTIME,
    make_documents,
    make_pretraining,
    make_rows,
    make_run,
    make_settings,
    read_files,
)
from tests.fixtures.tiny_search import make_collection, make_queries, make_retriever

LAYERS = {"bert": 2, "scibert": 2, "distilbert": 3, "modernbert": 4, "minilm": 2}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Matrices this small are slower on two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A folder per family."""
    root = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)  # where downloads are kept
        return {name: str(write(root / name)) for name, write in {**ENCODERS, "t5": write_t5}.items()}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints and models are relative."""
    monkeypatch.chdir(tmp_path)


class Stop(TrainerCallback):
    """Ends a training as Ctrl-C does, at the beginning of a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called by the Trainer."""
        if state.global_step == self.step:
            raise KeyboardInterrupt


def train_twice(train: Callable[[Settings], list[Any]], step: int) -> Path:
    """Train left alone, and again stopped at a step, in the second epoch, and gone on with; both end in the same bytes.

    Args:
        train: trains by these settings; what it returns saves the model.
        step: where the second training is stopped.
    """
    set_seed(1)
    save_model(Path("models/alone"), *train(make_settings(Path("alone"))))
    set_seed(1)
    with pytest.raises(KeyboardInterrupt):
        train(replace(make_settings(Path("stopped")), trackers=[Stop(step)]))
    checkpoint = find_checkpoint(Path("stopped"))
    assert checkpoint is not None
    set_seed(2)  # what is restored is not what stands there
    save_model(Path("models/resumed"), *train(make_settings(Path("stopped"), resume_from=checkpoint)))
    alone, resumed = (read_files(Path("models", name), ".") for name in ("alone", "resumed"))
    with safe_open("models/alone/model.safetensors", "pt") as weights:
        assert not [name for name in weights.keys() if name.endswith(("gamma", "beta"))]  # noqa: SIM118
    assert resumed == alone
    return Path("models/resumed")


def evaluate(run: Run, folder: Path) -> dict[str, dict[str, Any]]:
    """The scores of a saved model, as stage evaluate makes them."""
    head = load_head(run.head)
    names = head.class_names(FEATURES[run.head])
    tokenizer = load_tokenizer(folder, run.max_tokens)
    model = for_reading(head.AUTO_MODEL.from_pretrained(folder, local_files_only=True), RUNTIME)
    rows = {split: make_rows(run.head, 12, seed) for seed, split in enumerate(("train", "validation", "test"))}
    predictions = {}
    for split in ("validation", "test"):
        items, _ = encode_rows(head, rows[split], tokenizer, run)
        logits = predict_logits(model, items, head.build_collator(tokenizer), 4)
        predictions[split] = head.decode(rows[split], items, logits, names)
    outcome = Outcome(
        run=run,
        names=names,
        shown=run.inputs,
        **rows,
        validation_predictions=predictions["validation"],
        test_predictions=predictions["test"],
        seed=1,
        evaluation=Evaluation(**EVALUATION),
    )
    return score(outcome).scores


@pytest.mark.parametrize("head_name", INPUTS)
@pytest.mark.parametrize("family", ENCODERS)
def test_a_run_on_every_family(family: str, head_name: str, published: dict[str, str]) -> None:
    run = make_run(
        head_name,
        encoder=published[family],
        epochs=2,
        layer_decay=0.95,
        hidden_dropout=0.1,
        attention_dropout=0.1,
        freeze_embeddings=True,
    )
    head = load_head(head_name)
    names = head.class_names(FEATURES[head_name])
    splits = {"train": make_rows(head_name, 16), "validation": make_rows(head_name, 12, 1)}

    def train(settings: Settings) -> list[Any]:
        trained = finetune(run, head, names, splits, settings)
        return [trained.model.save_pretrained, trained.tokenizer.save_pretrained]

    folder = train_twice(train, 3)
    primary = {"token_classification": "f1", "sequence_classification": "macro_f1", "pair_classification": "mrr@10"}
    scores = evaluate(run, folder)["model"]
    assert 0 <= scores[next(name for name in scores if name.startswith(primary[head_name][:3]))] <= 1


@pytest.mark.parametrize("family", ENCODERS)
def test_a_rate_for_each_layer_of_every_family(family: str, published: dict[str, str]) -> None:
    run = make_run(encoder=published[family], learning_rate=0.01, layer_decay=0.95, freeze_embeddings=True)
    model = build_model(load_head(run.head), ["a", "b"], run)
    assert not model.get_input_embeddings().weight.requires_grad
    rates = sorted({group["lr"] for group in layer_groups(model, run)}, reverse=True)
    # the head, then each layer; of the embeddings a norm and, where there are any, positions are still learned
    assert rates == [pytest.approx(0.01 * 0.95**depth) for depth in range(LAYERS[family] + 2)]


@pytest.mark.parametrize(("family", "positions"), [("bert", 512), ("scibert", 512), ("distilbert", 512)])
def test_positions_are_the_end_of_what_is_read(family: str, positions: int, published: dict[str, str]) -> None:
    head = load_head("sequence_classification")
    build_model(head, ["a", "b"], make_run(encoder=published[family], max_tokens=positions))
    with pytest.raises(ParamsError, match=f"max_tokens: {positions + 1}, but .* has {positions} positions"):
        build_model(head, ["a", "b"], make_run(encoder=published[family], max_tokens=positions + 1))


def test_modernbert_reads_beyond_512_tokens(published: dict[str, str]) -> None:
    run = make_run(encoder=published["modernbert"], max_tokens=1024, batch_size=2)
    head = load_head(run.head)
    rows = [{**row, "text": f"{row['text']} " + "we use the model " * 180} for row in make_rows(run.head, 4)]
    trained = finetune(run, head, ["a", "b", "c"], {"train": rows, "validation": rows}, make_settings(Path("long")))
    assert trained.metrics["train_examples_cut"] == 0
    items, _ = encode_rows(head, rows, trained.tokenizer, run)
    assert min(len(item["input_ids"]) for item in items) > 700

    collate = head.build_collator(trained.tokenizer)
    short, _ = encode_rows(head, make_rows(run.head, 1), trained.tokenizer, run)
    (alone,) = predict_logits(trained.model, short, collate, 1)
    padded = predict_logits(trained.model, [*short, items[0]], collate, 2)[0]  # beside a text fifty times as long
    torch.testing.assert_close(torch.tensor(padded), torch.tensor(alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("family", "types"), [("bert", True), ("distilbert", False), ("modernbert", False)])
def test_pairs_are_told_apart_with_and_without_token_types(family: str, types: bool, published: dict[str, str]) -> None:
    run = make_run("pair_classification", encoder=published[family])
    head = load_head(run.head)
    set_seed(1)
    model = build_model(head, ["other", "cited"], run)
    tokenizer = load_tokenizer(Path(run.encoder), run.max_tokens)
    items, _ = encode_rows(head, make_rows(run.head, 4), tokenizer, run)
    assert all(item["input_ids"].count(tokenizer.sep_token_id) == 2 for item in items)
    # DistilBERT's tokenizer is BERT's and gives them; the model does without
    plain = [{name: values for name, values in item.items() if name != "token_type_ids"} for item in items]
    collate = head.build_collator(tokenizer)
    given, without = (predict_logits(model, which, collate, 4) for which in (items, plain))
    assert any((a != b).any() for a, b in zip(given, without, strict=True)) == types


@pytest.mark.parametrize(
    ("family", "apart"), [("bert", True), ("distilbert", True), ("scibert", False), ("minilm", False)]
)
def test_cases_are_told_apart_where_the_vocabulary_does(family: str, apart: bool, published: dict[str, str]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(published[family], local_files_only=True)
    assert tokenizer.is_fast
    assert (tokenizer("The").input_ids != tokenizer("the").input_ids) == apart
    assert tokenizer.unk_token_id not in tokenizer("The tables").input_ids


def test_weights_in_several_files_are_read_as_one(published: dict[str, str], tmp_path: Path) -> None:
    run = make_run(encoder=published["bert"])
    head = load_head(run.head)
    AutoModel.from_pretrained(run.encoder).save_pretrained(tmp_path / "there", max_shard_size="8KB")
    names = sorted(path.name for path in (tmp_path / "there").iterdir())
    assert sum(name.endswith(".safetensors") for name in names) > 2
    place = Local(kind="local", folder=str(tmp_path / "there"))
    source = Source(licence="none", files=dict.fromkeys(names), unpack=None, convert=None, providers=[place])
    fetch_source(source, tmp_path / "sharded")
    set_seed(1)
    one = build_model(head, ["a", "b"], run).state_dict()
    set_seed(1)
    several = build_model(head, ["a", "b"], replace(run, encoder=str(tmp_path / "sharded"))).state_dict()
    assert all(torch.equal(weights, several[name]) for name, weights in one.items())


@pytest.mark.parametrize("family", ENCODERS)
def test_search_on_every_family(family: str, published: dict[str, str]) -> None:
    retriever = make_retriever(encoder=published[family], epochs=2, batch_size=10, hidden_dropout=0.1)
    splits = {"train": make_queries(20), "validation": make_queries(10, 1)}

    def train(settings: Settings) -> list[Any]:
        return [retrieval.saver(retrieval.train(retriever, splits, make_collection(), settings, "cpu")[0])]

    folder = train_twice(train, 3)
    vectors = retrieval.embed(retrieval.load_encoder(folder, 32, "cpu"), ["we use the model", "a"], 2)
    torch.testing.assert_close(torch.tensor(vectors).norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("family", ["bert", "scibert"])
def test_pretraining_goes_on_from_every_bert(family: str, published: dict[str, str]) -> None:
    settings_of = make_pretraining(encoder=published[family], epochs=2)
    splits = {"train": [make_documents(12)], "validation": [make_documents(6, 1)]}

    def train(settings: Settings) -> list[Any]:
        model, tokenizer, _, _ = pretrain(splits, settings_of, settings)
        return [model.save_pretrained, tokenizer.save_pretrained]

    folder = train_twice(train, 3)
    run = make_run(encoder=str(folder))
    trained = finetune(
        run,
        load_head(run.head),
        ["a", "b", "c"],
        {"train": make_rows(run.head, 8), "validation": make_rows(run.head, 4, 1)},
        make_settings(Path("next")),
    )
    assert trained.metrics["steps"] == 1


def test_t5_writes_summaries_as_published(published: dict[str, str]) -> None:
    summarizer = make_summarizer(
        encoder=published["t5"],
        prompt="summarize: {source}",
        max_input_tokens=64,
        max_target_tokens=64,
        epochs=2,
        learning_rate=0.001,
        weight_decay=0.01,
    )
    splits = {"train": make_papers(8), "validation": make_papers(4, 1)}

    def train(settings: Settings) -> list[Any]:
        model, tokenizer, _, _ = generation.train(summarizer, splits, settings, "cpu")
        return [model.save_pretrained, tokenizer.save_pretrained]

    folder = train_twice(train, 3)
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"] == [
        "T5ForConditionalGeneration"
    ]
    written = generation.write_summaries(
        generation.load_model(folder, "cpu"),
        generation.load_tokenizer(folder),
        make_papers(3, 2),
        summarizer,
        make_generation(
            beams=5,
            min_new_tokens=10,
            max_new_tokens=16,
            repetition_penalty=2.0,
            length_penalty=1.0,
            early_stopping=True,
        ),
    )
    assert all(10 <= summary.tokens <= 16 for summary in written)
    assert all(summary.text for summary in written)
