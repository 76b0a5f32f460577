"""params.yaml: schema, loading and consistency checks.

The only reader of params.yaml. Import names from here.
"""

from papertrail.core.params.derived import merge_defaults
from papertrail.core.params.loading import PARAMS, load_params, read_yaml, validate
from papertrail.core.params.names import choose
from papertrail.core.params.schema import (
    Classifier,
    ClassifierEvaluation,
    Defaults,
    Evaluation,
    Generation,
    Index,
    Leakage,
    Lora,
    Model,
    Optimisation,
    Params,
    Pretraining,
    Retriever,
    RetrieverEvaluation,
    Runtime,
    Summarizer,
)
from papertrail.core.params.sources import Files, Hub, Local, Sizes, Source, Url, Wheel
from papertrail.core.params.types import (
    Fraction,
    Name,
    NotNegative,
    Pattern,
    Patterns,
    Positive,
    Rate,
    RelativePath,
    Seed,
    Sha256,
    strict,
)

__all__ = [
    "PARAMS",
    "Classifier",
    "ClassifierEvaluation",
    "Defaults",
    "Evaluation",
    "Files",
    "Fraction",
    "Generation",
    "Hub",
    "Index",
    "Leakage",
    "Local",
    "Lora",
    "Model",
    "Name",
    "NotNegative",
    "Optimisation",
    "Params",
    "Pattern",
    "Patterns",
    "Positive",
    "Pretraining",
    "Rate",
    "RelativePath",
    "Retriever",
    "RetrieverEvaluation",
    "Runtime",
    "Seed",
    "Sha256",
    "Sizes",
    "Source",
    "Summarizer",
    "Url",
    "Wheel",
    "choose",
    "load_params",
    "merge_defaults",
    "read_yaml",
    "strict",
    "validate",
]
