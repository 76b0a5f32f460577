"""The values of params.yaml as frozen dataclasses.

No field has a default: a value that is missing from params.yaml is an error. papertrail.core.params.derived computes
values from others. So this module only decides what is accepted, and an edit cannot change a result.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from papertrail.core.params.derived import choose_seed, choose_views
from papertrail.core.params.models import Classifier, Fitted, Linear, Model, Optimisation, Pretraining
from papertrail.core.params.sources import Source
from papertrail.core.params.types import (
    Fraction,
    Name,
    NotNegative,
    Positive,
    Rate,
    Seed,
    strict,
)


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Which CPU instructions, how many threads and which floating point format compute the results."""

    level: Literal["portable", "native"]
    threads: Positive
    precision: Literal["fp32", "bf16", "fp16"]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Leakage:
    """Thresholds of the leakage checks; shares are of rows.

    `max_label_leakage` maps a check of a task to the share of labels that may be readable from the input.
    """

    shingle_letters: Positive
    similarity: Rate
    max_dropped: Fraction
    overlap: Rate
    min_letters: Positive
    max_contaminated: Fraction
    max_label_leakage: dict[str, Fraction]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Works:
    """When two titles in bibliographies are one work.

    Attributes:
        shingle_letters: Letters per shingle of a title.
        overlap: Share of the shorter title's shingles in the other, from which two titles are compared by words.
        max_years: Between two spellings.
        letters_per_typo: Letters of a word for each letter that may differ, at most two.
        min_words: Words that two titles have in common, if one has a subtitle, a venue or a name more.
    """

    shingle_letters: Positive
    overlap: Rate
    max_years: NotNegative
    letters_per_typo: Positive
    min_words: Positive


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Values that models share; a model's own block overrides them."""

    optimisation: dict[str, Any]
    classifier: dict[str, Any]
    linear: dict[str, Any]
    retriever: dict[str, Any]
    summarizer: dict[str, Any]
    extractor: dict[str, Any]
    linker: dict[str, Any]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A FAISS index of a collection; `factory` is FAISS's index factory string."""

    retriever: str
    task: str
    dataset: str
    factory: Annotated[str, Field(min_length=1)]
    train_vectors: Positive
    probes: Positive
    batch_size: Positive


Ablations = dict[Name, Annotated[list[str], Field(min_length=1)]]  # name -> inputs that the model reads


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierEvaluation:
    """How classifiers are evaluated; `input_ablations` maps a data set to the subsets of inputs to test with."""

    batch_size: Positive
    input_ablations: dict[str, Annotated[Ablations, Field(min_length=1)]]
    calibration_bins: Positive
    plot_points: Positive
    temperature: Literal["none", "validation"]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class LinearEvaluation:
    """How linear models are evaluated, beside the values of ClassifierEvaluation that they share."""

    batch_size: Positive


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieverEvaluation:
    """How retrievers are evaluated; `depth` documents are ranked per query."""

    depth: Annotated[int, Field(ge=100)]
    batch_size: Positive


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class LinkerEvaluation:
    """How linkers are evaluated; the bins and points are those of the plots of a classifier."""

    batch_size: Positive
    calibration_bins: Positive
    plot_points: Positive


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How summaries are generated; lengths in tokens. `papers` is the number of test papers to summarize, null all."""

    papers: Positive | None
    beams: Positive
    min_new_tokens: NotNegative
    max_new_tokens: Positive
    repetition_penalty: Annotated[float, Field(gt=0)]
    length_penalty: float
    early_stopping: bool
    batch_size: Positive


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractorEvaluation:
    """How extractors read texts."""

    batch_size: Positive


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How predictions are made and scored; no value here changes a model."""

    error_examples: NotNegative
    bootstrap_samples: Annotated[int, Field(ge=100)]
    permutations: Annotated[int, Field(ge=100)]
    confidence_level: Rate
    power: Rate
    classifier: ClassifierEvaluation
    linear: LinearEvaluation
    retriever: RetrieverEvaluation
    summarizer: Generation
    extractor: ExtractorEvaluation
    linker: LinkerEvaluation


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """All of params.yaml. The block of a data set is validated against the settings of its task in stage prepare."""

    seed: Seed
    runtime: Runtime
    trackers: list[Literal["tensorboard", "dvclive", "wandb"]]
    sources: dict[Name, Source]
    datasets: dict[Name, dict[str, Any]]
    leakage: Leakage
    works: Works
    pretraining: Pretraining
    defaults: Defaults
    models: dict[Name, Annotated[Model, Field(discriminator="kind")]]
    indexes: dict[Name, Index]
    evaluation: Evaluation
    seed_studies: dict[str, Annotated[list[Seed], Field(min_length=2)]]

    def inputs_by_view(self, model: Model) -> dict[str, list[str] | None]:
        """Return the views of the test split to predict: name -> inputs, None for a model without named inputs."""
        inputs = model.inputs if isinstance(model, Classifier | Linear) else None
        return choose_views(inputs, self.evaluation.classifier.input_ablations.get(model.dataset))

    def seed_of(self, training: Optimisation | Fitted) -> int:
        """Return the seed of a training: its own, or that of the pipeline; fitting draws nothing at random."""
        return choose_seed(self.seed, training.seed if isinstance(training, Optimisation) else None)
