"""The values of params.yaml as frozen dataclasses.

No field has a default: a value that is missing from params.yaml is an error. papertrail.core.params.derived computes
values from others. So this module only decides what is accepted, and an edit cannot change a result.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from papertrail.core.params.derived import LINEAR_HEAD, choose_seed, choose_views
from papertrail.core.params.sources import Source
from papertrail.core.params.types import (
    Dropout,
    Fraction,
    Name,
    NotNegative,
    Positive,
    Rate,
    RelativePath,
    Seed,
    Tokens,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimisation:
    """Settings of AdamW that every training has; a null `seed` means the seed of the pipeline."""

    seed: Seed | None
    epochs: Positive
    batch_size: Positive
    gradient_accumulation: Positive
    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_ratio: Dropout


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Pretraining(Optimisation):
    """Continued pretraining (MLM and NSP); `corpora` maps data sets of task pretraining to their share of pairs."""

    base_model: RelativePath
    corpora: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]
    pairs_per_epoch: Positive
    validation_pairs: Positive
    max_tokens: Tokens
    mask_probability: Rate
    whole_word: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A regression over features, such as vectors of a base model; it is fitted at once, without optimisation steps."""

    task: str
    dataset: str
    base_model: RelativePath
    max_tokens: Tokens
    batch_size: Positive


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(Fitted):
    """Logistic regression over features of a text; `inputs` are the columns of a row that the model reads, in order.

    Training fits every entry of `features` with every penalty and keeps the best on validation.
    """

    kind: Literal["linear"]
    inputs: Annotated[list[str], Field(min_length=1)]
    features: Annotated[list[Literal["tfidf", "embeddings", "both"]], Field(min_length=1)]
    penalties: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)]
    class_weights: Literal["none", "balanced"]

    @property
    def head(self) -> str:
        """Return the head whose rows the model reads, and whose predictions it makes."""
        return LINEAR_HEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuning(Optimisation):
    """Fine-tuning of a base model on a data set of a task."""

    task: str
    dataset: str
    base_model: RelativePath


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier(FineTuning):
    """A head on an encoder; `inputs` are the columns of a row that the model reads, in order."""

    kind: Literal["classifier"]
    head: str
    inputs: Annotated[list[str], Field(min_length=1)]
    input_dropout: dict[str, Fraction]
    max_tokens: Tokens
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    class_weights: Literal["none", "balanced"]
    label_smoothing: Dropout
    hidden_dropout: Dropout
    attention_dropout: Dropout
    attention: Literal["sdpa", "eager"]
    freeze_embeddings: bool
    early_stopping_patience: NotNegative
    evaluation_steps: Positive | None
    max_steps: Positive | None
    warmup_steps: NotNegative | None
    keep_checkpoints: Annotated[int, Field(ge=2)]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Retriever(FineTuning):
    """A bi-encoder for search, and its fusion with BM25.

    Attributes:
        inputs: Columns of a document that the model reads, in order.
        positives_per_query: Maximum pairs of a training query; null: one for each of its positive documents.
        fusion_constant: Of reciprocal rank fusion.
        validation_documents: Maximum documents that validation queries search; null: all.
    """

    kind: Literal["retriever"]
    batch_size: Annotated[int, Field(ge=2)]
    inputs: Annotated[list[Literal["title", "abstract"]], Field(min_length=1)]
    max_tokens: Tokens
    mini_batch_size: Positive | None
    hidden_dropout: Dropout
    attention_dropout: Dropout
    scale: Annotated[float, Field(gt=0)]
    positives_per_query: Positive | None
    hard_negatives: Literal["none", "bm25", "encoder"]
    hard_negative_ranks: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    fusion_constant: Positive
    validation_documents: Positive | None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Linker(FineTuning):
    """A bi-encoder that ranks the entries of a bibliography for a citation, combined with BM25.

    `inputs` are the columns of a row with the context of the citation and with the entry.
    """

    kind: Literal["linker"]
    inputs: Annotated[list[str], Field(min_length=2, max_length=2)]
    max_tokens: Tokens
    hidden_dropout: Dropout
    attention_dropout: Dropout
    scale: Annotated[float, Field(gt=0)]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Low-rank adaptation: two small matrices per named module are trained, then merged into it."""

    rank: Positive
    alpha: Positive
    dropout: Dropout
    modules: Annotated[list[str], Field(min_length=1)]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Summarizer(FineTuning):
    """A language model that writes summaries; `prompt` contains {source} where the text goes."""

    kind: Literal["summarizer"]
    prompt: Annotated[str, Field(pattern=r"\{source\}")]
    max_input_tokens: Tokens
    max_target_tokens: Tokens
    reads: Literal["first", "extract"]
    validation_papers: Positive | None
    lora: Lora | None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Extractor(Fitted):
    """A ridge regression that chooses sentences as a summary; the lists are tried on validation."""

    kind: Literal["extractor"]
    targets: Annotated[list[Literal["gain", "oracle"]], Field(min_length=1)]
    strengths: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)]
    min_words: Positive
    titles: Annotated[list[bool], Field(min_length=1)]
    lengths: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)]
    trade_offs: Annotated[list[Fraction], Field(min_length=1)]


Model = Classifier | Linear | Retriever | Linker | Summarizer | Extractor


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
