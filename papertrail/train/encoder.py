"""Continued pretraining of an encoder: masked language modelling (MLM) and next sentence prediction (NSP).

Pairs and masks are functions of (seed, split, epoch, index).

Source: Devlin et al. 2019, BERT.
"""

from math import exp
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForPreTraining,
    DataCollatorForTokenClassification,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from papertrail.core.errors import ParamsError
from papertrail.core.params import Pretraining
from papertrail.core.parquet import read_rows
from papertrail.data.prepared import split_file
from papertrail.models.batching import IGNORED, PAD_MULTIPLE, EpochDataset, Item
from papertrail.models.encoding import load_tokenizer
from papertrail.models.kernels import make_portable
from papertrail.models.loading import check_positions, keep_own_names
from papertrail.train.arguments import training_arguments
from papertrail.train.checkpoints import EpochEnd, Settings, run_trainer
from papertrail.train.kinds import Trained, result_of, with_base_model
from papertrail.train.sentence_pairs import Documents, PairSource, encode_pairs

TASK = "pretraining"  # of the corpora
SPLITS = ("train", "validation")


def input_files(training: Pretraining) -> list[Path]:
    """Return every file that the training reads."""
    files = (split_file(TASK, corpus, split) for split in SPLITS for corpus in training.corpora)
    return with_base_model(training.base_model, files)


def pretrain(training: Pretraining, settings: Settings) -> Trained:
    """Continue pretraining on the corpora.

    Raises:
        ParamsError: The encoder has no next sentence head, or fewer positions than max_tokens.
    """
    corpora = sorted(training.corpora)
    splits = {split: [read_rows(split_file(TASK, name, split))["sentences"][:] for name in corpora] for split in SPLITS}
    return fit(training, splits, settings)


def fit(training: Pretraining, splits: dict[str, list[Documents]], settings: Settings) -> Trained:
    """Train on splits["train"]; measure before and after on splits["validation"].

    Args:
        training: Parameters of the training.
        splits: Split -> documents of each corpus, in the order of corpus names.
        settings: Runtime, seed and checkpoints.

    Raises:
        ParamsError: The encoder has no next sentence head, or fewer positions than max_tokens.
    """
    tokenizer = load_tokenizer(Path(training.base_model), training.max_tokens)
    network = load_model(training)
    weights = [weight for _, weight in sorted(training.corpora.items())]
    train, validation = (PairSource(splits[split], weights, settings.seed, split) for split in SPLITS)
    items, truncated = encode_pairs(validation, 0, training.validation_pairs, tokenizer, training)
    collate = build_collator(tokenizer)
    before = measure(network, items, collate, training.batch_size)
    trainer = PretrainingTrainer(
        model=network,
        args=_arguments(training, settings),
        data_collator=collate,
        train_dataset=EpochDataset(
            lambda epoch: encode_pairs(train, epoch, training.pairs_per_epoch, tokenizer, training)[0],
            settings.seed,
            training.batch_size,
        ),
        callbacks=[EpochEnd(), *settings.trackers],
    )
    run_trainer(trainer, settings)
    after = measure(network, items, collate, training.batch_size)
    metrics = {
        "before": before,
        "after": after,
        "validation_pairs_cut": truncated,
        "train_pairs_cut_in_first_epoch": encode_pairs(train, 0, training.pairs_per_epoch, tokenizer, training)[1],
        "steps": trainer.state.global_step,
    }
    return result_of(trainer, network, tokenizer, metrics)


def load_model(training: Pretraining) -> Any:
    """Load the base model with its pretraining heads.

    Raises:
        ParamsError: The encoder has no next sentence head, or fewer positions than max_tokens.
    """
    network: Any = AutoModelForPreTraining.from_pretrained(training.base_model, local_files_only=True)
    if not hasattr(getattr(network, "cls", None), "seq_relationship"):
        raise ParamsError(
            f"params.yaml: pretraining.base_model: {type(network).__name__} has no next sentence head; "
            "use an encoder of the BERT family"
        )
    keep_own_names(make_portable(network))
    check_positions("pretraining.max_tokens", training.max_tokens, training.base_model, network.config)
    return network


def _arguments(training: Pretraining, settings: Settings) -> TrainingArguments:
    return training_arguments(
        training,
        settings,
        TrainingArguments,
        train_sampling_strategy="sequential",  # EpochDataset is ordered
        save_total_limit=1,
        label_names=["labels"],
    )


def build_collator(tokenizer: PreTrainedTokenizerFast) -> DataCollatorForTokenClassification:
    """Return a collator that pads to (batch, longest pair of the batch rounded up to PAD_MULTIPLE)."""
    return DataCollatorForTokenClassification(tokenizer, pad_to_multiple_of=PAD_MULTIPLE, label_pad_token_id=IGNORED)


class PretrainingTrainer(Trainer):
    """A Trainer with the joint loss: mean over masked tokens plus mean over pairs."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Return the loss of a batch; num_items_in_batch is the number of masked tokens in its accumulated step."""
        mlm_loss, nsp_loss, _ = losses(model, inputs)
        pairs = len(inputs["next_sentence_label"]) * self.current_gradient_accumulation_steps
        loss: torch.Tensor = mlm_loss / num_items_in_batch + nsp_loss / pairs
        return loss


def losses(network: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the MLM loss summed over masked tokens, the NSP loss summed over pairs, and NSP logits (batch, 2).

    Vocabulary scores are computed for masked tokens only, a seventh of the work of the library's forward pass.
    """
    labels, next_labels = inputs["labels"], inputs["next_sentence_label"]  # (batch, tokens), (batch,)
    encoder_inputs = {key: value for key, value in inputs.items() if key not in ("labels", "next_sentence_label")}
    output = network.base_model(**encoder_inputs)
    masked = labels != IGNORED
    mlm_logits = network.cls.predictions(output.last_hidden_state[masked])  # (masked tokens, vocabulary)
    nsp_logits = network.cls.seq_relationship(output.pooler_output)  # (batch, 2)
    mlm_loss = cross_entropy(mlm_logits.float(), labels[masked], reduction="sum")
    return mlm_loss, cross_entropy(nsp_logits.float(), next_labels, reduction="sum"), nsp_logits


@torch.inference_mode()
def measure(network: Any, items: list[Item], collate: Any, batch_size: int) -> dict[str, float]:
    """Return the MLM loss (nats per masked token), its perplexity, and the NSP accuracy."""
    network.eval()
    mlm = correct = masked = 0.0
    ordered = sorted(items, key=lambda item: len(item["input_ids"]))
    for start in range(0, len(ordered), batch_size):
        inputs = {k: v.to(network.device) for k, v in collate(ordered[start : start + batch_size]).items()}
        mlm_loss, _, nsp_logits = losses(network, inputs)
        mlm += mlm_loss.item()
        masked += (inputs["labels"] != IGNORED).sum().item()
        correct += (nsp_logits.argmax(dim=1) == inputs["next_sentence_label"]).sum().item()
    return {"mlm_loss": mlm / masked, "perplexity": exp(mlm / masked), "nsp_accuracy": correct / len(items)}
