"""dvc.yaml as data: every stage instance with its `${}` expanded."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from papertrail.core.errors import ParamsError

PIPELINE = Path("dvc.yaml")
LISTS = ("params", "deps", "outs", "metrics")
PLACE = re.compile(r"\$\{(.+?)\}")


def stage_instances(pipeline: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the stage instances of a pipeline, named as DVC names them, such as `finetune@ner-base`.

    Args:
        pipeline: Content of dvc.yaml.
        params: Content of params.yaml, without merged defaults.

    Returns:
        Name -> `cmd` and the lists of paths `params`, `deps`, `outs` and `metrics`.

    Raises:
        ParamsError: A place `${...}` has no value in params.yaml.
    """
    instances = {}
    for stage, body in pipeline["stages"].items():
        for name, inner, values in _instances(stage, body, params):
            lists = {key: [expand(_path(entry), values) for entry in inner.get(key, [])] for key in LISTS}
            instances[name] = {"cmd": expand(inner["cmd"], values), **lists}
    return instances


def expand(text: str, values: Mapping[str, Any]) -> str:
    """Return a text with each `${a.b}` replaced by the value at that dotted path.

    Raises:
        ParamsError: There is no such value.
    """
    return PLACE.sub(lambda place: str(look_up(values, place[1])), text)


def look_up(values: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path.

    Raises:
        ParamsError: There is no such value.
    """
    value: Any = values
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise ParamsError(f"{PIPELINE}: '{path}' is not in params.yaml; correct the path or add the value")
        value = value[name]
    return value


def _instances(
    stage: str, body: Mapping[str, Any], params: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield (name, body, values for `${}`) of a stage, or of each instance of a `foreach` over a mapping."""
    if "foreach" not in body:
        yield stage, body, params
        return
    for key, item in look_up(params, body["foreach"][2:-1]).items():
        yield f"{stage}@{key}", body["do"], {**params, "key": key, "item": item}


def _path(entry: str | Mapping[str, Any]) -> str:
    """Return the path of an entry; one with options, such as `cache: false`, is a mapping with one key."""
    return entry if isinstance(entry, str) else next(iter(entry))
