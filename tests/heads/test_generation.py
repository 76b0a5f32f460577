"""Summaries by both families of language models: what is read, which tokens are learned, what is kept and written."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    set_seed,
)

from scholar.batching import PAD_MULTIPLE, Item
from scholar.errors import ParamsError
from scholar.heads.generation import (
    IGNORED,
    Collator,
    encode,
    encode_prompt,
    fit_source,
    load_model,
    load_tokenizer,
    train,
    write_summaries,
)
from scholar.params import Summarizer
from scholar.records import Row
from scholar.trainer import EpochEnd, find_checkpoint, save_model
from tests.fixtures.tiny_generators import (
    FAMILIES,
    POSITIONS,
    build_byte_tokenizer,
    build_unigram_tokenizer,
    make_generation,
    make_lora,
    make_papers,
    make_summarizer,
    write_generator,
)
from tests.fixtures.tiny_runs import make_settings, read_files

# peft 0.21 asks transformers 5 under the old name whether activations are recomputed
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

AUTO = {"llama": AutoModelForCausalLM, "t5": AutoModelForSeq2SeqLM}
TOKENIZERS = {"llama": build_byte_tokenizer(), "t5": build_unigram_tokenizer()}
PAPER = {"id": "a", "title": "tree", "source": ["we use the tree.", "see figure."], "target": ["the tree.", "so"]}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Matrices this small are slower on two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Family -> folder of a tiny model."""
    return {family: str(write_generator(family, tmp_path_factory.mktemp(family))) for family in FAMILIES}


def load(folder: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    return load_model(Path(folder), "cpu").eval(), load_tokenizer(Path(folder))


def build_collator(tokenizer: PreTrainedTokenizerFast) -> Collator:
    return Collator(tokenizer, pad_to_multiple_of=PAD_MULTIPLE, label_pad_token_id=IGNORED)


def encode_all(papers: list[Row], family: str, tokenizer: PreTrainedTokenizerFast, **changes: Any) -> list[Item]:
    return [encode(paper, tokenizer, make_summarizer(**changes), family == "llama")[0] for paper in papers]


def run_training(
    summarizer: Summarizer, folder: Path, papers: list[Row] | None = None, resume_from: str | None = None
) -> tuple[Any, PreTrainedTokenizerFast, dict[str, float]]:
    set_seed(1)
    splits = {"train": papers or make_papers(8), "validation": papers or make_papers(4, seed=1)}
    settings = make_settings(folder, resume_from=resume_from)
    model, tokenizer, _, metrics = train(summarizer, splits, settings, "cpu")
    return model, tokenizer, metrics


# --- the source ---


def test_whole_sentences_are_kept_within_the_budget() -> None:
    tokenizer = TOKENIZERS["llama"]
    sentences = [
        "a tree",
        "the table",
        "we use",
    ]  # a, tree; the, table; we, use: each two tokens but for the first byte
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


def test_what_follows_a_sentence_that_does_not_fit_is_left_out_too() -> None:
    sentences = ["a tree", "the table " * 10, "we"]
    assert fit_source(sentences, TOKENIZERS["llama"], 8) == ("a tree", 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_first_sentence_that_is_too_long_is_cut_at_a_token(family: str) -> None:
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


# --- what is learned ---


def test_a_decoder_only_model_learns_the_target_after_the_prompt() -> None:
    tokenizer = TOKENIZERS["llama"]
    item, left_out = encode(PAPER, tokenizer, make_summarizer(), joined=True)
    prompt = tokenizer("use the text we use the tree. see figure.\nresult:").input_ids
    target = [*tokenizer("the tree. so").input_ids, tokenizer.eos_token_id]
    assert item["input_ids"] == prompt + target
    assert item["labels"] == [IGNORED] * len(prompt) + target
    assert item["attention_mask"] == [1] * len(prompt + target)
    assert left_out == 0


def test_an_encoder_decoder_learns_the_target_alone() -> None:
    tokenizer = TOKENIZERS["t5"]
    item, left_out = encode(PAPER, tokenizer, make_summarizer(), joined=False)
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
def test_the_prompt_to_write_from_is_the_one_that_was_learned(family: str) -> None:
    tokenizer, summarizer = TOKENIZERS[family], make_summarizer(max_input_tokens=8)
    paper = {**PAPER, "source": ["we use the tree.", "see the paper.", "train it."]}
    prompt, left_out = encode_prompt(paper, tokenizer, summarizer, family == "llama")
    item, also_left_out = encode(paper, tokenizer, summarizer, family == "llama")
    assert item["input_ids"][: len(prompt["input_ids"])] == prompt["input_ids"]
    assert left_out == also_left_out == 2


def test_braces_of_a_source_are_text() -> None:
    prompt, _ = encode_prompt({**PAPER, "source": ["see {source} {0}"]}, TOKENIZERS["llama"], make_summarizer(), True)
    assert TOKENIZERS["llama"].decode(prompt["input_ids"]) == "use the text see {source} {0}\nresult:"


# --- batches ---


def test_joined_batches_end_together(encoders: dict[str, str]) -> None:
    tokenizer = load_tokenizer(Path(encoders["llama"]))
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


def hand_loss(model: PreTrainedModel, items: list[Item]) -> float:
    """The mean over all target tokens of what a model says of each paper alone, with no padding at all."""
    losses = []
    for item in items:
        ids, labels = torch.tensor([item["input_ids"]]), torch.tensor(item["labels"])
        with torch.no_grad():
            if model.config.is_encoder_decoder:
                before = torch.tensor([[model.config.decoder_start_token_id, *item["labels"][:-1]]])
                logits = model(input_ids=ids, decoder_input_ids=before).logits[0]  # (target tokens, vocabulary)
            else:
                logits, labels = model(input_ids=ids).logits[0, :-1], labels[1:]  # told by the position before
        losses += cross_entropy(logits, labels, reduction="none")[labels != IGNORED].tolist()
    return sum(losses) / len(losses)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_of_a_batch_is_that_of_its_papers_alone(family: str, encoders: dict[str, str]) -> None:
    model, tokenizer = load(encoders[family])
    items = encode_all(make_papers(5), family, tokenizer)
    with torch.no_grad():
        loss = model(**build_collator(tokenizer)(items)).loss.item()
    assert loss == pytest.approx(hand_loss(model, items), rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_paper_has_the_same_target_logits_in_any_company(family: str, encoders: dict[str, str]) -> None:
    model, tokenizer = load(encoders[family])
    short, long = sorted(encode_all(make_papers(8), family, tokenizer), key=lambda item: len(item["input_ids"]))[::7]
    alone = Collator(tokenizer, label_pad_token_id=IGNORED)([short])  # no padding at all
    together = build_collator(tokenizer)([short, long])
    assert alone["input_ids"].shape[1] == len(short["input_ids"]) < together["input_ids"].shape[1]
    found = []
    for batch in (alone, together):
        with torch.no_grad():
            logits = model(**batch).logits[0]
        # (target tokens, vocabulary): a decoder-only model tells a token one position earlier
        labels = batch["labels"][0]
        found.append(logits[labels != IGNORED] if family == "t5" else logits[:-1][labels[1:] != IGNORED])
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-4)


def test_a_source_as_long_as_its_target_stays_with_the_encoder(encoders: dict[str, str]) -> None:
    model, tokenizer = load(encoders["t5"])
    item = {"input_ids": [7, 8, 9, 1], "attention_mask": [1] * 4, "labels": [9, 8, 7, 1]}
    batch = build_collator(tokenizer)([item])
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    with torch.no_grad():
        assert model(**batch).loss.item() == pytest.approx(hand_loss(model, [item]), rel=1e-5)


# --- training ---


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_four_papers_are_learned(family: str, lora: bool, encoders: dict[str, str], tmp_path: Path) -> None:
    papers = make_papers(4)
    summarizer = make_summarizer(
        encoder=encoders[family], epochs=20, learning_rate=0.03, lora=make_lora(family) if lora else None
    )
    before, tokenizer = load(encoders[family])
    items = encode_all(papers, family, tokenizer)
    model, _, metrics = run_training(summarizer, tmp_path, papers)
    assert hand_loss(model.eval(), items) < 0.8 * hand_loss(before, items)
    assert metrics["validation_loss"] == pytest.approx(hand_loss(model, items), rel=1e-4)  # what is kept is the best


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_saved_loads_by_itself(family: str, lora: bool, encoders: dict[str, str], tmp_path: Path) -> None:
    summarizer = make_summarizer(encoder=encoders[family], lora=make_lora(family) if lora else None)
    model, tokenizer, _ = run_training(summarizer, tmp_path / "checkpoints")
    folder = tmp_path / "model"
    save_model(folder, model.save_pretrained, tokenizer.save_pretrained)
    assert not [path.name for path in folder.iterdir() if "adapter" in path.name]
    loaded = AUTO[family].from_pretrained(folder)
    untuned = AUTO[family].from_pretrained(encoders[family])
    assert loaded.state_dict().keys() == untuned.state_dict().keys()
    for name, weights in loaded.state_dict().items():
        assert torch.equal(weights, model.state_dict()[name]), name
    papers, generation = make_papers(3, seed=2), make_generation()
    own = AutoTokenizer.from_pretrained(folder)
    assert own.pad_token is not None
    assert write_summaries(loaded, own, papers, summarizer, generation) == write_summaries(
        model, tokenizer, papers, summarizer, generation
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_lora_changes_only_the_modules_that_are_named(family: str, encoders: dict[str, str], tmp_path: Path) -> None:
    lora = make_lora(family)
    before, _ = load(encoders[family])
    weights = before.state_dict()
    named = [name for name in weights if name.split(".")[-2] in lora.modules]
    tuned, _, metrics = run_training(make_summarizer(encoder=encoders[family], lora=lora), tmp_path)
    changed = [name for name, now in tuned.state_dict().items() if not torch.equal(now, weights[name])]
    assert changed == named
    # beside a matrix of n x m stand one of n x rank and one of rank x m
    assert metrics["parameters_trained"] == sum(lora.rank * sum(weights[name].shape) for name in named)
    for name in named:
        difference = tuned.state_dict()[name] - weights[name]
        assert torch.linalg.matrix_rank(difference, rtol=1e-3) <= lora.rank


@pytest.mark.parametrize("family", FAMILIES)
def test_without_lora_all_weights_are_trained(family: str, encoders: dict[str, str], tmp_path: Path) -> None:
    before, _ = load(encoders[family])
    tuned, _, metrics = run_training(make_summarizer(encoder=encoders[family]), tmp_path)
    assert metrics["parameters_trained"] == before.num_parameters()
    same = [name for name, now in tuned.named_parameters() if torch.equal(now, before.get_parameter(name))]
    assert same == []


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_of_parts_is_one_of_the_whole(family: str, tmp_path: Path) -> None:
    papers = make_papers(4)
    if family == "t5":  # its loss is a mean of each batch, which is that of the step if targets are as long
        papers = [{**paper, "target": papers[0]["target"]} for paper in papers]
    encoder = str(write_generator(family, tmp_path / "encoder", dropout=0.0))
    steps, learned = [], []
    for size in (4, 1):
        summarizer = make_summarizer(
            encoder=encoder, batch_size=size, gradient_accumulation=4 // size, learning_rate=0.001, warmup_ratio=0.0
        )
        splits = {"train": papers, "validation": papers}
        model, _, history, metrics = train(summarizer, splits, make_settings(tmp_path / str(size)), "cpu")
        assert metrics["steps"] == 1
        steps.append({name: history[0][name] for name in ("loss", "grad_norm")})
        learned.append(torch.cat([weights.flatten() for weights in model.parameters()]))
    assert steps[0] == pytest.approx(steps[1], rel=1e-3)
    torch.testing.assert_close(*learned, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("family", "lora"), [("llama", False), ("llama", True), ("t5", False), ("t5", True)])
def test_an_interrupted_training_ends_in_the_same_bytes(
    family: str, lora: bool, encoders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # both drop units: random state has to be restored
    summarizer = make_summarizer(
        encoder=encoders[family], epochs=2, batch_size=2, lora=make_lora(family, dropout=0.2) if lora else None
    )

    def trained(name: str, resume_from: str | None = None) -> dict[str, bytes]:
        model, tokenizer, metrics = run_training(summarizer, tmp_path / "checkpoints" / name, None, resume_from)
        save_model(tmp_path / name / "model", model.save_pretrained, tokenizer.save_pretrained)
        return {**read_files(tmp_path / name, "model"), "metrics": json.dumps(metrics).encode()}

    def interrupt(self: EpochEnd, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 5:  # 8 papers are 4 steps an epoch: in the second
            raise KeyboardInterrupt

    whole = trained("whole")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(EpochEnd, "on_step_begin", interrupt)
        trained("cut")
    newest = find_checkpoint(tmp_path / "checkpoints" / "cut")
    assert newest is not None
    assert newest.endswith("checkpoint-4")
    assert trained("cut", newest) == whole


def test_metrics_count_what_was_left_out(encoders: dict[str, str], tmp_path: Path) -> None:
    tokenizer = TOKENIZERS["llama"]
    papers = make_papers(8)
    lengths = sorted(len(tokenizer(" ".join(paper["target"])).input_ids) + 1 for paper in papers)  # with the end token
    longest = lengths[4]  # fits exactly
    summarizer = make_summarizer(encoder=encoders["llama"], max_input_tokens=20, max_target_tokens=longest)
    _, _, metrics = run_training(summarizer, tmp_path, papers)
    left_out = sum(fit_source(paper["source"], tokenizer, 20)[1] for paper in papers)
    assert metrics["train_sentences_left_out"] == left_out > 0
    assert metrics["train_targets_cut"] == sum(length > longest for length in lengths) > 0
    assert (metrics["epochs"], metrics["best_epoch"], metrics["steps"]) == (1, 1, 2)


# --- what is written ---


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_writes_what_each_paper_has_alone(family: str, beams: int, encoders: dict[str, str]) -> None:
    model, tokenizer = load(encoders[family])
    long, short, middle = make_papers(30)[:3]
    papers = [{**long, "source": long["source"] * 3}, {**short, "source": ["we"]}, middle, *make_papers(4, seed=1)]
    summarizer = make_summarizer(encoder=encoders[family], max_input_tokens=60)
    written = {
        size: write_summaries(model, tokenizer, papers, summarizer, make_generation(beams=beams, batch_size=size))
        for size in (1, 3, 20)
    }
    assert written[3] == written[20] == written[1]
    alone = [write_summaries(model, tokenizer, [paper], summarizer, make_generation(beams=beams)) for paper in papers]
    assert [summaries[0] for summaries in alone] == written[3]  # the order given, whatever the lengths
    assert len({summary.text for summary in written[1]}) > 2


def teach_end(model: Any, tokenizer: PreTrainedTokenizerFast, step: int) -> None:
    """Make a model end each text after `step` tokens, were it free to."""
    forward, calls = model.forward, iter(range(1000))

    def ending(*arguments: Any, **inputs: Any) -> Any:
        output = forward(*arguments, **inputs)
        if next(calls) >= step:
            output.logits[..., tokenizer.eos_token_id] = 100.0
        return output

    model.forward = ending


@pytest.mark.parametrize(("least", "most", "expected"), [(0, 12, 3), (5, 12, 5), (3, 3, 3), (0, 2, 2), (0, 1, 1)])
@pytest.mark.parametrize("family", FAMILIES)
def test_lengths_are_held_and_counted_without_the_end(
    family: str, least: int, most: int, expected: int, encoders: dict[str, str]
) -> None:
    model, tokenizer = load(encoders[family])
    teach_end(model, tokenizer, 3)
    generation = make_generation(min_new_tokens=least, max_new_tokens=most, repetition_penalty=1.1)
    written = write_summaries(model, tokenizer, make_papers(3), make_summarizer(encoder=encoders[family]), generation)
    assert [summary.tokens for summary in written] == [expected] * 3
    assert not any(tokenizer.eos_token in summary.text for summary in written)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_writing_takes_the_likeliest_token(family: str, encoders: dict[str, str]) -> None:
    model, tokenizer = load(encoders[family])
    summarizer = make_summarizer(encoder=encoders[family])
    prompt = encode_prompt(PAPER, tokenizer, summarizer, family == "llama")[0]["input_ids"]
    ids: list[int] = []
    while len(ids) < 6 and tokenizer.eos_token_id not in ids:
        with torch.no_grad():
            if family == "llama":
                logits = model(input_ids=torch.tensor([prompt + ids])).logits
            else:
                start = [model.config.decoder_start_token_id]
                logits = model(input_ids=torch.tensor([prompt]), decoder_input_ids=torch.tensor([start + ids])).logits
        ids.append(int(logits[0, -1].argmax()))
    expected = " ".join(tokenizer.decode(ids, skip_special_tokens=True).split())
    (written,) = write_summaries(model, tokenizer, [PAPER], summarizer, make_generation(max_new_tokens=6))
    assert written.text == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_no_papers_are_no_summaries(family: str, encoders: dict[str, str]) -> None:
    model, tokenizer = load(encoders[family])
    assert write_summaries(model, tokenizer, [], make_summarizer(encoder=encoders[family]), make_generation()) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_a_paper_of_six_words_is_summarized(family: str, encoders: dict[str, str], tmp_path: Path) -> None:
    paper = {"id": "a", "title": "a", "source": ["we parse open text by tree"], "target": ["we parse"]}
    summarizer = make_summarizer(encoder=encoders[family], batch_size=1)
    model, tokenizer, metrics = run_training(summarizer, tmp_path, [paper])
    assert metrics["train_sentences_left_out"] == metrics["train_targets_cut"] == 0
    (summary,) = write_summaries(model, tokenizer, [paper], summarizer, make_generation(min_new_tokens=2))
    assert 2 <= summary.tokens <= 12


# --- what is refused ---


def test_more_tokens_than_positions_are_refused(encoders: dict[str, str], tmp_path: Path) -> None:
    model, tokenizer = load(encoders["llama"])
    around = len(tokenizer("use the text \nresult:").input_ids)
    most = POSITIONS - around - 16
    papers = make_papers(2)
    fits, exceeds = (make_summarizer(encoder=encoders["llama"], max_input_tokens=tokens) for tokens in (most, most + 1))
    told = rf"summarizers: prompt, max_input_tokens.*: {POSITIONS + 1}, but .* has {POSITIONS} positions; lower it"
    with pytest.raises(ParamsError, match=told):
        run_training(exceeds, tmp_path, papers)
    with pytest.raises(ParamsError, match=told):
        write_summaries(model, tokenizer, papers, exceeds, make_generation(max_new_tokens=16))
    with pytest.raises(ParamsError, match=told):
        write_summaries(model, tokenizer, papers, fits, make_generation(max_new_tokens=17))
    full = [{**papers[0], "source": ["tree " * 200]}]
    (summary,) = write_summaries(
        model, tokenizer, full, fits, make_generation(min_new_tokens=16, max_new_tokens=16, batch_size=1)
    )
    assert summary.tokens == 16


def test_relative_positions_have_no_end(encoders: dict[str, str]) -> None:
    model, tokenizer = load(encoders["t5"])
    summarizer = make_summarizer(encoder=encoders["t5"], max_input_tokens=5000)
    paper = {**PAPER, "source": ["tree " * 800]}
    (summary,) = write_summaries(model, tokenizer, [paper], summarizer, make_generation(max_new_tokens=2))
    assert summary.tokens <= 2
