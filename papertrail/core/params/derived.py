"""Values that are derived from params.yaml: shared values in each model, seeds, views, values per split.

Unlike the other modules of this package, this one counts as code of every stage: an edit here can change a result.
"""

from collections.abc import Mapping
from typing import Any

WITHOUT_STEPS = {"linear", "extractor"}  # kinds that are fitted at once: no value of `defaults.optimisation` applies
LINEAR_HEAD = "sequence_classification"  # head whose rows a linear model reads, and whose predictions it makes


def merge_defaults(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of params.yaml with the values of `defaults` in each model and in `pretraining`.

    A model's own value overrides that of its kind, which overrides that of `defaults.optimisation`. The latter is left
    out for kinds without optimisation steps.
    """
    shared = raw.get("defaults")
    if not isinstance(shared, dict):
        return raw
    optimisation = mapping(shared.get("optimisation"))
    merged = dict(raw)
    if isinstance(raw.get("pretraining"), dict):
        merged["pretraining"] = {**optimisation, **raw["pretraining"]}
    if isinstance(raw.get("models"), dict):
        merged["models"] = {
            name: {**_shared_values(shared, str(block.get("kind"))), **block} if isinstance(block, dict) else block
            for name, block in raw["models"].items()
        }
    return merged


def _shared_values(shared: Mapping[str, Any], kind: str) -> dict[str, Any]:
    optimisation = {} if kind in WITHOUT_STEPS else mapping(shared.get("optimisation"))
    return {**optimisation, **mapping(shared.get(kind))}


def mapping(value: object) -> dict[str, Any]:
    """Return a mapping unchanged, and an empty one for any other value."""
    return value if isinstance(value, dict) else {}


class PerSplit:
    """Values with one field per split."""

    __slots__ = ()

    def of(self, split: str) -> Any:
        """Return the value of a split: train, validation or test."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]  # type: ignore[attr-defined]


def choose_seed(pipeline: int, training: int | None) -> int:
    """Return the seed of a training: its own, or that of the pipeline."""
    return pipeline if training is None else training


def choose_views(inputs: list[str] | None, ablations: Mapping[str, list[str]] | None) -> dict[str, list[str] | None]:
    """Return the views of the test split: name -> inputs that the model reads, sorted by name.

    Args:
        inputs: All inputs of the model; None for a model without named inputs.
        ablations: Input ablations of its data set; None means one view, "test", with all inputs.
    """
    return dict(sorted(({"test": inputs} if ablations is None else ablations).items()))
