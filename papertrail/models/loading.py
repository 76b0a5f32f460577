"""Checks and corrections when a pretrained model is loaded."""

from typing import Any

from transformers import PreTrainedConfig

from papertrail.core.errors import ParamsError


def check_positions(place: str, tokens: int, base_model: str, config: PreTrainedConfig) -> None:
    """Check that a model has enough positions.

    Args:
        place: Dotted name of the parameter, for the message.
        tokens: Its value, or the number of tokens that follows from it.
        base_model: Folder of the model, for the message.
        config: Its config; relative positions, such as T5's, have no limit.

    Raises:
        ParamsError: `tokens` exceeds the positions of the model.
    """
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and tokens > positions:
        raise ParamsError(f"params.yaml: {place}: {tokens}, but {base_model} has {positions} positions; lower it")


def keep_own_names(network: Any) -> None:
    """Make a model save its weights under its current parameter names, not under those of the file it was loaded from.

    transformers would write older names back (BERT's `LayerNorm.gamma`), also into checkpoints. The Trainer loads a
    checkpoint by current names and ignores all others, so the best epoch and a resumed training would lose the trained
    normalisation weights.
    """
    network._weight_conversions = []  # as after loading a file with current names
