"""Read params.yaml and validate it against the schema; every problem is in one message."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar
from unicodedata import normalize

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from papertrail.core.errors import ParamsError
from papertrail.core.params.checks import find_contradictions
from papertrail.core.params.derived import mapping, merge_defaults
from papertrail.core.params.names import suggest
from papertrail.core.params.schema import Params

PARAMS = Path("params.yaml")
RENAMED = {  # old key, `*` for any name -> new key, told to users of an older params.yaml or profile
    "runs": "models",
    "retrievers": "models",
    "summarizers": "models",
    "training": "defaults.classifier and defaults.optimisation",
    "search": "evaluation.retriever",
    "generation": "evaluation.summarizer",
    "pretraining.encoder": "pretraining.base_model",
    "models.*.data": "dataset",
    "models.*.encoder": "base_model",
    "indexes.*.data": "dataset",
    "leakage.max_readable": "leakage.max_label_leakage",
    "evaluation.replicates": "evaluation.bootstrap_samples",
    "evaluation.swaps": "evaluation.permutations",
    "evaluation.level": "evaluation.confidence_level",
    "evaluation.most_wrong": "evaluation.error_examples",
    "evaluation.views": "evaluation.classifier.input_ablations",
    "evaluation.batch_size": "evaluation.classifier.batch_size",
    "evaluation.calibration_bins": "evaluation.classifier.calibration_bins",
    "evaluation.plot_points": "evaluation.classifier.plot_points",
    "evaluation.temperature": "evaluation.classifier.temperature",
    "evaluation.retriever.fusion_constant": "defaults.retriever.fusion_constant",
}
T = TypeVar("T")


def load_params(path: Path = PARAMS) -> Params:
    """Read and validate params.yaml.

    Raises:
        ParamsError: The file is missing, is no YAML mapping or has wrong values. The message lists every problem, each
            with its dotted path, the value and what was expected.
    """
    params = validate(Params, merge_defaults(read_yaml(path)), str(path))
    if problems := list(find_contradictions(params)):
        raise ParamsError("\n".join(f"{path}: {problem}" for problem in problems))
    return params


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML 1.2 mapping as plain Python values, parsed as DVC does (PyYAML would read 2e-5 as a string).

    Text is put into Unicode's form NFC, as that of data sets is, so that labels and names of fields match it.

    Raises:
        ParamsError: The file is missing, not YAML, no mapping, or holds keys or values that JSON does not have.
    """
    try:
        raw = YAML(typ="safe", pure=True).load(normalize("NFC", path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; run from the root of the repository") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ParamsError(f"{path}: expected a mapping, got {type(raw).__name__}")
    try:
        json.dumps(raw)
    except (TypeError, ValueError) as error:  # YAML has dates, sets and bytes; `2020-01-01` is a date
        raise ParamsError(f"{path}: values must be text, numbers, lists or mappings; use quotes ({error})") from None
    if place := next(_non_text_keys(raw), None):
        raise ParamsError(f"{path}: {place}: keys must be text; use quotes")
    return raw


def validate(cls: type[T], raw: object, place: str) -> T:
    """Validate a plain value strictly against a dataclass, or against a union of several told apart by a field.

    Raises:
        ParamsError: One line per problem: `place: dotted.path: problem (got value)`.
    """
    try:
        return TypeAdapter(cls).validate_json(json.dumps(raw))
    except ValidationError as error:
        lines = dict.fromkeys(_problems(error, raw, place))  # a wrong shared value fails in every model
        raise ParamsError("\n".join(lines)) from None


def _non_text_keys(value: object, path: str = "") -> Iterator[str]:
    """Yield the place of each key that is a number, a truth value or null."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield f"{path}{key}"
            yield from _non_text_keys(inner, f"{path}{key}.")


def _problems(error: ValidationError, raw: object, place: str) -> Iterator[str]:
    """Describe each validation problem in a line."""
    missing = {str(e["loc"][-1]) for e in error.errors() if e["type"] == "missing"}
    for problem in error.errors():
        path = _place_in_file([str(part) for part in problem["loc"]], raw)
        message = problem["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
        if problem["type"] == "unexpected_keyword_argument":
            new = _new_name(path)
            message = f"renamed; use {new}" if new else f"unknown key{suggest(path[-1], sorted(missing))}"
        elif problem["type"] in ("missing", "missing_keyword_only_argument"):
            message = "missing; params.yaml holds every value, the code has no defaults"
        elif problem["type"] == "union_tag_not_found":
            path.append(problem["ctx"]["discriminator"].strip("'"))
            message = "missing; it selects the other keys of this block"
        elif problem["type"] == "union_tag_invalid":
            path.append(problem["ctx"]["discriminator"].strip("'"))
            message = f"expected one of {problem['ctx']['expected_tags']}"
            problem["input"] = problem["ctx"]["tag"]
        without_value = message.startswith(("unknown", "missing", "renamed"))
        got = "" if without_value else f" (got {json.dumps(problem['input'])[:80]})"
        if not path:  # values of a whole block that contradict each other
            yield f"{place}: {message}"
        else:
            yield f"{place}: {'.'.join(path)}: {message}{got}"


def _place_in_file(path: list[str], raw: object) -> list[str]:
    """Turn pydantic's location into a path of the file: without union tags, shared values under `defaults`."""
    if path[-1:] == ["[key]"]:
        del path[-2:]  # the key itself is shown as the value
    if not isinstance(raw, dict):
        return path
    if path[:1] == [raw.get("format")]:
        del path[0]  # the tag of a union of settings
    if path[:1] == ["models"] and len(path) > 2:
        block = mapping(mapping(raw.get("models")).get(path[1]))
        if path[2] == block.get("kind"):
            del path[2]
        shared = mapping(raw.get("defaults"))
        for section in (str(block.get("kind")), "optimisation"):
            values = mapping(shared.get(section))
            if len(path) > 2 and path[2] in values and block.get(path[2]) is values[path[2]]:
                return ["defaults", section, *path[2:]]
    if path[:1] == ["pretraining"] and len(path) > 1:
        values = mapping(mapping(raw.get("defaults")).get("optimisation"))
        if path[1] in values and mapping(raw["pretraining"]).get(path[1]) is values[path[1]]:
            return ["defaults", "optimisation", *path[1:]]
    return path


def _new_name(path: list[str]) -> str | None:
    """Return what a key of an older version is called now."""
    if path[:1] == ["models"] and len(path) == 3:
        path = ["models", "*", path[2]]
    if path[:1] == ["indexes"] and len(path) == 3:
        path = ["indexes", "*", path[2]]
    return RENAMED.get(".".join(path))
