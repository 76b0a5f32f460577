"""Fine-tuning of language models to summarize, with LoRA or all weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft import LoraConfig, get_peft_model
from transformers import Trainer, TrainingArguments

from papertrail.core.params import Lora, Summarizer
from papertrail.core.parquet import read_rows
from papertrail.core.records import Row
from papertrail.core.runtime import device
from papertrail.data.prepared import split_file
from papertrail.models.batching import IGNORED, PAD_MULTIPLE, EpochDataset
from papertrail.models.kernels import make_portable
from papertrail.models.language_model import Collator, check_length, encode, fit_source, load_model, load_tokenizer
from papertrail.models.loading import keep_own_names
from papertrail.train.arguments import training_arguments
from papertrail.train.checkpoints import EpochEnd, Settings, run_trainer
from papertrail.train.kinds import Trained, result_of, with_base_model

SPLITS = ("train", "validation")


def input_files(model: Summarizer) -> list[Path]:
    """Return every file that the training reads."""
    return with_base_model(model.base_model, (split_file(model.task, model.dataset, split) for split in SPLITS))


def train(model: Summarizer, settings: Settings) -> Trained:
    """Train a summarizer on its data set.

    Raises:
        ParamsError: Prompt, source and target exceed the positions of the model.
    """
    splits = {split: read_rows(split_file(model.task, model.dataset, split)).to_list() for split in SPLITS}
    return fit(model, splits, settings)


def fit(model: Summarizer, splits: Mapping[str, list[Row]], settings: Settings) -> Trained:
    """Train on splits["train"]; keep the epoch with the lowest loss on splits["validation"].

    Returns:
        The result; LoRA is merged into the network.

    Raises:
        ParamsError: Prompt, source and target exceed the positions of the model.
    """
    tokenizer = load_tokenizer(Path(model.base_model))
    network: Any = load_model(Path(model.base_model), device(settings.runtime))
    keep_own_names(network)
    decoder_only = not network.config.is_encoder_decoder
    check_length(model, tokenizer, network.config, model.max_target_tokens)
    network.accepts_loss_kwargs = decoder_only  # T5 would accept the number of target tokens and ignore it
    if model.lora is not None:
        network = add_lora(network, model.lora, decoder_only)
    encoded = {split: [encode(row, tokenizer, model, decoder_only) for row in splits[split]] for split in SPLITS}
    items = {split: [item for item, _ in pairs] for split, pairs in encoded.items()}
    trainer = Trainer(
        model=network,
        args=_arguments(model, settings),
        data_collator=Collator(tokenizer, pad_to_multiple_of=PAD_MULTIPLE, label_pad_token_id=IGNORED),
        train_dataset=EpochDataset(lambda _: items["train"], settings.seed, model.batch_size),
        eval_dataset=items["validation"],
        callbacks=[EpochEnd(), *settings.trackers],
    )
    run_trainer(trainer, settings)
    targets = [fit_source(row["target"], tokenizer, model.max_target_tokens - 1) for row in splits["train"]]
    metrics = {
        **summarize(trainer),
        "parameters_trained": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "train_sentences_left_out": sum(left_out for _, left_out in encoded["train"]),
        "train_targets_cut": sum(left_out > 0 for _, left_out in targets),
    }
    network = network if model.lora is None else network.merge_and_unload()
    return result_of(trainer, network, tokenizer, metrics)


def add_lora(network: Any, lora: Lora, decoder_only: bool) -> Any:
    """Freeze a language model and add trainable LoRA matrices to some of its modules."""
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.modules,
        task_type="CAUSAL_LM" if decoder_only else "SEQ_2_SEQ_LM",
    )
    return make_portable(get_peft_model(network, config))


def _arguments(model: Summarizer, settings: Settings) -> TrainingArguments:
    return training_arguments(
        model,
        settings,
        TrainingArguments,
        train_sampling_strategy="sequential",  # EpochDataset is ordered
        per_device_eval_batch_size=model.batch_size,
        prediction_loss_only=True,
        label_names=["labels"],
        eval_strategy="epoch",
        save_total_limit=2,  # the best and the newest
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        greater_is_better=False,
    )


def summarize(trainer: Trainer) -> dict[str, float]:
    """Return the metrics of the best epoch and the length of a training."""
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    return {
        "validation_loss": min(losses),
        "best_epoch": losses.index(min(losses)) + 1,
        "epochs": len(losses),
        "steps": trainer.state.global_step,
    }
