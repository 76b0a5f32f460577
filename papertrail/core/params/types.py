"""Constrained types of parameter values."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, with_config

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Tokens = Annotated[int, Field(ge=8)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
strict = with_config(ConfigDict(extra="forbid", strict=True))


def _check_inside(path: str) -> str:
    if not path or path.startswith("/") or ".." in path.split("/"):
        raise ValueError("expected a relative path without '..'")
    return path


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise ValueError(
            "expected a name of letters (a-z), digits, '_', '.' and '-' that starts with a letter or a digit"
        )
    return name


def _check_pattern(value: Any) -> Any:
    try:
        re.compile(value if isinstance(value, str) else "|".join(value))
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return value


RelativePath = Annotated[str, AfterValidator(_check_inside)]
Name = Annotated[str, AfterValidator(_check_name)]  # becomes part of paths and commands
Pattern = Annotated[str, AfterValidator(_check_pattern)]
Patterns = Annotated[list[str], Field(min_length=1), AfterValidator(_check_pattern)]  # alternatives
