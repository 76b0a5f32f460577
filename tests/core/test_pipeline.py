"""dvc.yaml as data: stage instances with their `${}` expanded."""

from pathlib import Path
from typing import Any

import pytest

from papertrail.core.errors import ParamsError
from papertrail.core.params import read_yaml
from papertrail.core.pipeline import expand, stage_instances

PIPELINE: dict[str, Any] = {
    "stages": {
        "one": {"cmd": "run one", "deps": ["${base.folder}"], "outs": ["a", {"b": {"cache": False}}]},
        "many": {
            "foreach": "${items}",
            "do": {
                "cmd": "run ${key}",
                "params": ["seed", "items.${key}"],
                "deps": ["data/${item.kind}/${key}"],
                "metrics": [{"m/${key}.json": {"cache": False}}],
            },
        },
    }
}
PARAMS = {"base": {"folder": "data/raw"}, "items": {"x": {"kind": "a"}, "y": {"kind": "b"}}}


def test_every_instance_has_its_values() -> None:
    assert stage_instances(PIPELINE, PARAMS) == {
        "one": {"cmd": "run one", "params": [], "deps": ["data/raw"], "outs": ["a", "b"], "metrics": []},
        "many@x": {
            "cmd": "run x",
            "params": ["seed", "items.x"],
            "deps": ["data/a/x"],
            "outs": [],
            "metrics": ["m/x.json"],
        },
        "many@y": {
            "cmd": "run y",
            "params": ["seed", "items.y"],
            "deps": ["data/b/y"],
            "outs": [],
            "metrics": ["m/y.json"],
        },
    }


@pytest.mark.parametrize("text", ["${base.file}", "${none}", "${base.folder.deeper}"])
def test_a_missing_value_is_an_error(text: str) -> None:
    with pytest.raises(ParamsError, match=rf"dvc\.yaml: '{text[2:-1]}' is not in params\.yaml"):
        expand(text, PARAMS)


def test_names_are_those_of_dvc(repo: Path) -> None:
    instances = stage_instances(read_yaml(repo / "dvc.yaml"), read_yaml(repo / "params.yaml"))
    assert instances["finetune@ner-base"]["cmd"] == "python -m stages.finetune ner-base"
    assert "data/raw/minilm" in instances["pretrain"]["deps"]
    assert not [text for stage in instances.values() for text in (stage["cmd"], *stage["deps"]) if "${" in text]
