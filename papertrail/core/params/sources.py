"""Sources of raw files in params.yaml: files, their hashes and providers; and what data sets take from them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from papertrail.core.params.derived import PerSplit
from papertrail.core.params.types import Positive, RelativePath, Sha256, strict


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A hash-pinned wheel of the Python Package Index; `folder` is a folder in it, null means the wheel itself."""

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
    """Files pinned by the sha256 of their content, with providers that are tried in order.

    A sha256 may be null if the hub has it on record or the file is local; the hash that was found is then logged.
    """

    licence: str
    files: Annotated[dict[RelativePath, Sha256 | None], Field(min_length=1)]
    unpack: RelativePath | None
    convert: Annotated[RelativePath, Field(pattern=r"\.(gguf|bin)$")] | None
    providers: Annotated[list[Annotated[Wheel | Hub | Url | Local, Field(discriminator="kind")]], Field(min_length=1)]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes(PerSplit):
    """Number of examples to sample per split; null keeps all."""

    train: Positive | None
    validation: Positive | None
    test: Positive | None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Files(PerSplit):
    """The file of each split, relative to the folder of the source."""

    train: RelativePath
    validation: RelativePath
    test: RelativePath


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class OptionalFiles(PerSplit):
    """The file of each split, relative to the folder of the source; null for a split that there is not."""

    train: RelativePath | None
    validation: RelativePath | None
    test: RelativePath | None
