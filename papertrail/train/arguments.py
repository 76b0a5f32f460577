"""Arguments of the Trainer and of encoders, from parameters."""

import sys
from typing import Any, TypeVar

from transformers import PreTrainedConfig, TrainingArguments

from papertrail.core.params import Classifier, Linker, Optimisation, Retriever
from papertrail.core.runtime import device
from papertrail.train.checkpoints import Settings

Arguments = TypeVar("Arguments", bound=TrainingArguments)

DROPOUT = {  # parameter -> names in configs of encoders
    "hidden_dropout": (
        "hidden_dropout_prob",
        "dropout",
        "embedding_dropout",
        "mlp_dropout",
        "classifier_dropout",
        "seq_classif_dropout",
    ),
    "attention_dropout": ("attention_probs_dropout_prob", "attention_dropout"),
}


def training_arguments(training: Optimisation, settings: Settings, kind: type[Arguments], **more: Any) -> Arguments:
    """Return the arguments of the Trainer.

    Checkpoints are saved at the end of each epoch, or every `evaluation_steps` of a classifier.

    Args:
        training: Parameters of the training.
        settings: Runtime, seed and folder for checkpoints.
        kind: Class of the arguments.
        more: Further arguments of this kind of training.
    """
    steps, max_steps, warmup_steps = None, None, None
    if isinstance(training, Classifier):
        steps, max_steps, warmup_steps = training.evaluation_steps, training.max_steps, training.warmup_steps
    return kind(
        output_dir=str(settings.checkpoints),
        num_train_epochs=training.epochs,
        max_steps=max_steps or -1,  # -1: all steps of the epochs
        per_device_train_batch_size=training.batch_size,
        gradient_accumulation_steps=training.gradient_accumulation,
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
        lr_scheduler_type="linear",
        warmup_steps=training.warmup_ratio if warmup_steps is None else warmup_steps,  # below 1: share of all steps
        max_grad_norm=1.0,
        remove_unused_columns=False,
        save_strategy="steps" if steps else "epoch",
        save_steps=steps or 1,
        restore_callback_states_from_checkpoint=True,  # the patience counter of early stopping
        logging_steps=steps or 5,
        logging_nan_inf_filter=False,
        report_to="none",
        seed=settings.seed,
        use_cpu=device(settings.runtime) == "cpu",  # otherwise the library refuses bf16 without a GPU
        bf16=settings.runtime.precision == "bf16",
        fp16=settings.runtime.precision == "fp16",
        dataloader_pin_memory=False,
        disable_tqdm=not sys.stderr.isatty(),
        **more,
    )


def dropout_of(config: PreTrainedConfig, model: Classifier | Retriever | Linker) -> dict[str, float]:
    """Return the dropout of a model under the names that the config of its encoder has."""
    return {
        name: getattr(model, parameter)
        for parameter, names in DROPOUT.items()
        for name in names
        if getattr(config, name, None) is not None
    }
