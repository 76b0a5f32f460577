"""The blocks of `models` and `pretraining` in params.yaml as frozen dataclasses."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from papertrail.core.params.derived import LINEAR_HEAD
from papertrail.core.params.types import (
    Dropout,
    Fraction,
    NotNegative,
    Positive,
    Rate,
    RelativePath,
    Seed,
    Tokens,
    strict,
)


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
        epochs: 0 keeps the base model as it is, without training.
        inputs: Columns of a document that the model reads, in order.
        positives_per_query: Maximum pairs of a training query; null: one for each of its positive documents.
        fusion_constant: Of reciprocal rank fusion.
        validation_documents: Maximum documents that validation queries search; null: all.
    """

    kind: Literal["retriever"]
    epochs: NotNegative
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
