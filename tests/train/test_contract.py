"""Every trainer: same seed, same bytes; a training that is interrupted and resumed ends in the same bytes too."""

from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest

from papertrail.core.params import Fitted, Model, Optimisation
from papertrail.core.plugins import plugin_names
from papertrail.models.guard import refuse_unportable
from papertrail.models.heads import HEADS
from papertrail.train import encoder
from papertrail.train.kinds import load_trainer
from tests.fixtures.interruption import Train, interrupt_and_resume, train_and_save
from tests.fixtures.tiny_encoders import write_bert
from tests.fixtures.tiny_generators import make_extractor, make_lora, make_summarizer, write_generator, write_papers
from tests.fixtures.tiny_runs import (
    INPUTS,
    make_classifier,
    make_linear,
    make_linker,
    make_pretraining,
    write_corpus,
    write_experiment,
)
from tests.fixtures.tiny_search import make_queries, make_query, make_retriever, write_search_rows

# dropout everywhere, so that random state has to be restored
CLASSIFIER: dict[str, Any] = {"epochs": 3, "batch_size": 4, "gradient_accumulation": 2, "hidden_dropout": 0.2}
WITHIN_EPOCHS: dict[str, Any] = {**CLASSIFIER, "evaluation_steps": 2, "warmup_steps": 2, "keep_checkpoints": 3}
RETRIEVER: dict[str, Any] = {"epochs": 2, "hidden_dropout": 0.2, "attention_dropout": 0.1}
SUMMARIZER: dict[str, Any] = {"epochs": 2, "batch_size": 2}
SKIPPED = [make_query(f"x{i}", f"the {i}", "tail0", "tail1") for i in range(9)]  # some pairs wait for the next epoch

CASES: dict[str, tuple[Optimisation | Fitted, int]] = {  # parameters, step of an interruption; 0: it has no steps
    "classifier": (make_classifier(dataset="sequence_classification", **CLASSIFIER, attention_dropout=0.1), 4),
    **{head: (make_classifier(head, dataset=head, **WITHIN_EPOCHS), 5) for head in INPUTS},
    "input dropout": (
        make_classifier(
            dataset="sequence_classification",
            **WITHIN_EPOCHS,
            inputs=["title", "text"],
            input_dropout={"title": 0.3, "text": 0.2},
            class_weights="balanced",
        ),
        7,
    ),
    "retriever": (make_retriever(**RETRIEVER), 8),
    "retriever with the cached loss": (make_retriever(**RETRIEVER, mini_batch_size=3), 8),
    "retriever with hard negatives": (make_retriever(**RETRIEVER, hard_negatives="encoder"), 8),
    "linker": (make_linker(dataset="pair_classification", epochs=3, batch_size=2, hidden_dropout=0.2), 4),
    "llama": (make_summarizer(**SUMMARIZER), 5),
    "llama with LoRA": (make_summarizer(**SUMMARIZER, lora=make_lora("llama", dropout=0.2)), 5),
    "t5": (make_summarizer(**SUMMARIZER, base_model="t5"), 5),
    "t5 with LoRA": (make_summarizer(**SUMMARIZER, base_model="t5", lora=make_lora("t5", dropout=0.2)), 5),
    "llama that reads central sentences": (make_summarizer(**SUMMARIZER, reads="extract", validation_papers=2), 5),
    "extractor": (make_extractor(), 0),
    "linear": (make_linear(dataset="sequence_classification"), 0),
    "pretraining": (make_pretraining(base_model="bert", epochs=3, pairs_per_epoch=24), 4),
    "pretraining on two corpora": (
        make_pretraining(
            base_model="bert",
            epochs=2,
            pairs_per_epoch=40,
            gradient_accumulation=2,
            corpora={"tiny_text": 0.8, "more_text": 0.2},
            whole_word=True,
        ),
        4,
    ),
}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with every tiny base model and data set."""
    folder = tmp_path_factory.mktemp("experiment")
    write_experiment(folder, {head: make_classifier(head, dataset=head) for head in INPUTS})
    write_search_rows(folder, train=[*make_queries(20), *SKIPPED])
    write_papers(folder)
    write_corpus(folder)
    write_corpus(folder, "more_text")
    for family in ("llama", "t5"):
        write_generator(family, folder / family)
    write_bert(folder / "bert")
    return folder


@pytest.fixture(autouse=True)
def inside(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths of rows, checkpoints and models are relative."""
    monkeypatch.chdir(experiment)


def trainer_of(training: Any) -> Train:
    if not hasattr(training, "kind"):
        return partial(encoder.pretrain, training)
    return partial(load_trainer(training.kind).train, training)


def test_the_cases_cover_every_kind_and_head() -> None:
    kinds = {type(training) for training, _ in CASES.values()}
    assert set(get_args(Model)) < kinds
    assert {training.head for training, _ in CASES.values() if hasattr(training, "head")} == set(plugin_names(HEADS))


# peft asks transformers under a deprecated name whether activations are recomputed
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
@pytest.mark.parametrize("case", CASES)
def test_same_seed_same_bytes_and_interrupted_equals_uninterrupted(case: str) -> None:
    training, step = CASES[case]
    train = trainer_of(training)
    uninterrupted = train_and_save(train, f"{case} 1")
    with refuse_unportable() as products:
        assert train_and_save(train, f"{case} 2") == uninterrupted
    assert products
    assert not step or interrupt_and_resume(train, f"{case} 3", step) == uninterrupted
    assert not any(file.endswith((".part", "README.md")) for file in uninterrupted)


def test_a_linear_model_is_the_same_bytes_again() -> None:
    train = trainer_of(make_linear(dataset="sequence_classification"))
    assert train_and_save(train, "linear 1", seed=1) == train_and_save(train, "linear 2", seed=2)


@pytest.mark.parametrize(
    ("case", "rows"),
    [
        ("token_classification", ["tiny/token_classification/train", "tiny/token_classification/validation"]),
        (
            "retriever",
            [f"semantic_search/tiny_search/{name}" for name in ("train", "validation", "collection")],
        ),
        ("extractor", ["summarization/tiny_papers/train", "summarization/tiny_papers/validation"]),
        ("linker", ["tiny/pair_classification/train", "tiny/pair_classification/validation"]),
        ("t5", ["summarization/tiny_papers/train", "summarization/tiny_papers/validation"]),
        (
            "pretraining on two corpora",
            [f"pretraining/{name}/{split}" for name in ("tiny_text", "more_text") for split in ("train", "validation")],
        ),
    ],
)
def test_input_files_are_rows_and_base_model(case: str, rows: list[str]) -> None:
    training: Any = CASES[case][0]
    input_files = load_trainer(training.kind).input_files if hasattr(training, "kind") else encoder.input_files
    base_model = [path for path in Path(training.base_model).iterdir() if path.is_file()]
    assert set(input_files(training)) == {Path("data/prepared", f"{name}.parquet") for name in rows} | set(base_model)
    assert all(path.is_file() for path in input_files(training))
