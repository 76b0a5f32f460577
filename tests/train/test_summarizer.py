"""Fine-tuning of summarizers: what is learned with and without LoRA, metrics, what is saved."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, set_seed

from papertrail.core.errors import ParamsError
from papertrail.core.params import Summarizer
from papertrail.core.records import Row
from papertrail.metrics.rouge import rouge_scores
from papertrail.models.batching import IGNORED, PAD_MULTIPLE
from papertrail.models.language_model import (
    Collator,
    draw_papers,
    encode,
    fit_source,
    load_model,
    load_tokenizer,
    write_summaries,
)
from papertrail.train.checkpoints import save_model
from papertrail.train.kinds import Trained
from papertrail.train.summarizer import fit
from tests.fixtures.tiny_encoders import write_t5
from tests.fixtures.tiny_generators import (
    FAMILIES,
    make_generation,
    make_lora,
    make_papers,
    make_summarizer,
    write_generator,
)
from tests.fixtures.tiny_runs import make_settings

# peft asks transformers under a deprecated name whether activations are recomputed
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

AUTO = {"llama": AutoModelForCausalLM, "t5": AutoModelForSeq2SeqLM}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Family -> folder of a tiny model."""
    return {family: str(write_generator(family, tmp_path_factory.mktemp(family))) for family in FAMILIES}


def run_training(model: Summarizer, checkpoints: Path, papers: list[Row] | None = None) -> Trained:
    """Train on papers; by default on those that most tests here use."""
    set_seed(1)
    splits = {"train": papers or make_papers(8), "validation": papers or make_papers(4, seed=1)}
    return fit(model, splits, make_settings(checkpoints))


def loss_of(network: torch.nn.Module, folder: str, papers: list[Row], model: Summarizer) -> float:
    """Return the loss of a batch of papers."""
    tokenizer = load_tokenizer(Path(folder))
    decoder_only = not network.config.is_encoder_decoder
    items = [encode(paper, tokenizer, model, decoder_only)[0] for paper in papers]
    collate = Collator(tokenizer, pad_to_multiple_of=PAD_MULTIPLE, label_pad_token_id=IGNORED)
    with torch.no_grad():
        return float(network.eval()(**collate(items)).loss)


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_four_papers_are_learned(family: str, lora: bool, folders: dict[str, str], tmp_path: Path) -> None:
    papers = make_papers(4)
    model = make_summarizer(
        base_model=folders[family], epochs=20, learning_rate=0.03, lora=make_lora(family) if lora else None
    )
    before = loss_of(load_model(Path(folders[family]), "cpu"), folders[family], papers, model)
    trained = run_training(model, tmp_path, papers)
    after = loss_of(trained.network, folders[family], papers, model)
    assert after < 0.8 * before
    assert trained.metrics["validation_loss"] == pytest.approx(after, rel=1e-4)  # of the best epoch


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_is_loaded_by_the_library_alone(
    family: str, lora: bool, folders: dict[str, str], tmp_path: Path
) -> None:
    model = make_summarizer(base_model=folders[family], lora=make_lora(family) if lora else None)
    trained = run_training(model, tmp_path / "checkpoints")
    saved = tmp_path / "model"
    save_model(saved, *trained.savers)
    assert not [path.name for path in saved.iterdir() if "adapter" in path.name]
    loaded = AUTO[family].from_pretrained(saved)
    base = AUTO[family].from_pretrained(folders[family])
    assert loaded.state_dict().keys() == base.state_dict().keys()
    for name, weights in loaded.state_dict().items():
        assert torch.equal(weights, trained.network.state_dict()[name]), name
    papers, generation = make_papers(3, seed=2), make_generation()
    tokenizer = AutoTokenizer.from_pretrained(saved)
    assert tokenizer.pad_token is not None
    expected = write_summaries(trained.network, trained.tokenizer, papers, model, generation)
    assert write_summaries(loaded, tokenizer, papers, model, generation) == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_lora_changes_only_its_modules(family: str, folders: dict[str, str], tmp_path: Path) -> None:
    lora = make_lora(family)
    before = load_model(Path(folders[family]), "cpu").state_dict()
    names = [name for name in before if name.split(".")[-2] in lora.modules]
    trained = run_training(make_summarizer(base_model=folders[family], lora=lora), tmp_path)
    after = trained.network.state_dict()
    assert [name for name in after if not torch.equal(after[name], before[name])] == names
    # a matrix of n x m gets one of n x rank and one of rank x m
    assert trained.metrics["parameters_trained"] == sum(lora.rank * sum(before[name].shape) for name in names)
    for name in names:
        assert torch.linalg.matrix_rank(after[name] - before[name], rtol=1e-3) <= lora.rank


@pytest.mark.parametrize("family", FAMILIES)
def test_without_lora_all_weights_are_trained(family: str, folders: dict[str, str], tmp_path: Path) -> None:
    before = load_model(Path(folders[family]), "cpu")
    trained = run_training(make_summarizer(base_model=folders[family]), tmp_path)
    assert trained.metrics["parameters_trained"] == before.num_parameters()
    after = trained.network.named_parameters()
    assert [name for name, weights in after if torch.equal(weights, before.get_parameter(name))] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_an_accumulated_step_is_one_batch(family: str, tmp_path: Path) -> None:
    papers = make_papers(4)
    if family == "t5":  # its loss is the mean of a batch, which is that of the step for targets of equal length
        papers = [{**paper, "target": papers[0]["target"]} for paper in papers]
    folder = str(write_generator(family, tmp_path / "base", dropout=0.0))
    steps, weights = [], []
    for size in (4, 1):
        model = make_summarizer(
            base_model=folder, batch_size=size, gradient_accumulation=4 // size, learning_rate=0.001, warmup_ratio=0.0
        )
        trained = run_training(model, tmp_path / str(size), papers)
        assert trained.metrics["steps"] == 1
        steps.append({name: trained.history[0][name] for name in ("loss", "grad_norm")})
        weights.append(torch.cat([parameter.flatten() for parameter in trained.network.parameters()]))
    assert steps[0] == pytest.approx(steps[1], rel=1e-3)
    torch.testing.assert_close(*weights, atol=1e-4, rtol=1e-3)


def test_metrics_count_what_was_left_out(folders: dict[str, str], tmp_path: Path) -> None:
    tokenizer = load_tokenizer(Path(folders["llama"]))
    papers = make_papers(8)
    lengths = sorted(len(tokenizer(" ".join(paper["target"])).input_ids) + 1 for paper in papers)  # with the end token
    longest = lengths[4]  # fits exactly
    model = make_summarizer(base_model=folders["llama"], max_input_tokens=20, max_target_tokens=longest)
    metrics = run_training(model, tmp_path, papers).metrics
    left_out = sum(fit_source(paper["source"], tokenizer, 20)[1] for paper in papers)
    assert metrics["train_sentences_left_out"] == left_out > 0
    assert metrics["train_targets_cut"] == sum(length > longest for length in lengths) > 0
    assert (metrics["epochs"], metrics["best_epoch"], metrics["steps"]) == (1, 1, 2)


def test_the_validation_score_is_that_of_greedy_summaries_of_drawn_papers(
    folders: dict[str, str], tmp_path: Path
) -> None:
    papers = make_papers(8)
    model = make_summarizer(base_model=folders["llama"], validation_papers=3)
    trained = run_training(model, tmp_path, papers)
    drawn = draw_papers(papers, 3, seed=1)  # that of make_settings
    summaries = write_summaries(
        trained.network, trained.tokenizer, drawn, model, make_generation(max_new_tokens=model.max_target_tokens)
    )
    scores = [rouge_scores(row["target"], s.text)["rougeL"] for row, s in zip(drawn, summaries, strict=True)]
    assert trained.metrics["validation_papers"] == 3
    assert trained.metrics["validation_score"] == pytest.approx(sum(scores) / 3)
    assert trained.metrics["validation_loss"] == pytest.approx(
        loss_of(trained.network, folders["llama"], drawn, model), rel=1e-4
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_one_paper_of_one_sentence_is_enough(family: str, folders: dict[str, str], tmp_path: Path) -> None:
    paper = {"id": "a", "title": "a", "source": ["we parse open text by tree"], "target": ["we parse"]}
    model = make_summarizer(base_model=folders[family], batch_size=1)
    trained = run_training(model, tmp_path, [paper])
    assert trained.metrics["train_sentences_left_out"] == trained.metrics["train_targets_cut"] == 0
    generation = make_generation(min_new_tokens=2)
    (summary,) = write_summaries(trained.network, trained.tokenizer, [paper], model, generation)
    assert 2 <= summary.tokens <= 12


def test_t5_trains_and_generates_with_published_settings(tmp_path: Path) -> None:
    model = make_summarizer(
        base_model=str(write_t5(tmp_path / "t5")),
        prompt="summarize: {source}",
        max_input_tokens=64,
        max_target_tokens=64,
        epochs=2,
        learning_rate=0.001,
        weight_decay=0.01,
    )
    saved = tmp_path / "model"
    save_model(saved, *run_training(model, tmp_path / "checkpoints").savers)
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["T5ForConditionalGeneration"]
    generation = make_generation(
        beams=5, min_new_tokens=10, max_new_tokens=16, repetition_penalty=2.0, early_stopping=True
    )
    network, tokenizer = load_model(saved, "cpu"), load_tokenizer(saved)
    summaries = write_summaries(network, tokenizer, make_papers(3, 2), model, generation)
    assert all(10 <= summary.tokens <= 16 for summary in summaries)
    assert all(summary.text for summary in summaries)


def test_more_tokens_than_positions_are_an_error(folders: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"models: prompt, max_input_tokens and new tokens: \d+, but .* positions"):
        run_training(make_summarizer(base_model=folders["llama"], max_input_tokens=150), tmp_path)
