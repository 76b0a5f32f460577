"""Optimisation of classifiers: learning rates per layer, class weights and the loss."""

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from papertrail.core.params import Classifier
from papertrail.models.batching import IGNORED


def layer_groups(network: PreTrainedModel, model: Classifier) -> list[dict[str, Any]]:
    """Return parameter groups of the optimizer, by layer and weight decay.

    The head learns at learning_rate, each layer at layer_decay times the rate of the layer above. Layers are numbered
    in parameter names (`layer.3.`, `layers.3.`); embeddings are below layer 0. Vectors (biases and normalisation
    weights) have no weight decay.

    Source: Howard and Ruder 2018 (discriminative fine-tuning).
    """
    depth_of: dict[str, int] = {}
    for name, _ in network.named_parameters():
        number = re.search(r"\blayers?\.(\d+)\.", name)
        in_encoder = name.startswith(f"{network.base_model_prefix}.")
        depth_of[name] = int(number[1]) + 1 if number else 0 if in_encoder and "embedding" in name else sys.maxsize
    top = max((depth for depth in depth_of.values() if depth != sys.maxsize), default=0) + 1
    groups: dict[tuple[int, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((min(depth_of[name], top), parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": model.learning_rate * model.layer_decay ** (top - depth),
            "weight_decay": model.weight_decay if decays else 0.0,
        }
        for (depth, decays), parameters in sorted(groups.items(), key=lambda group: group[0])
    ]


def balanced_weights(labels: list[int], classes: int) -> torch.Tensor:
    """Return a weight per class, (classes,): rows / (classes present x rows of the class), 0 for absent classes.

    Their mean over all rows is 1.
    """
    counts = np.bincount(labels, minlength=classes)
    shares = np.count_nonzero(counts) * np.maximum(counts, 1)
    return torch.tensor(np.where(counts > 0, len(labels) / shares, 0.0), dtype=torch.float32)


def build_loss(model: Classifier, weights: torch.Tensor | None) -> Callable[..., torch.Tensor]:
    """Return the cross entropy, averaged over the labelled positions of a whole accumulated step.

    Args:
        model: Its label smoothing.
        weights: (classes,) class weights, or None.
    """

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None) -> torch.Tensor:
        logits = outputs.logits.flatten(0, -2).float()  # (batch, labels) or (batch, tokens, labels)
        weight = None if weights is None else weights.to(logits.device)
        total = cross_entropy(
            logits, labels.flatten(), weight=weight, reduction="sum", label_smoothing=model.label_smoothing
        )
        return total / (labels.ne(IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)

    return loss
