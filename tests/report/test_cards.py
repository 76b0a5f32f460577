"""The licence of a model is that of the weights that training started from."""

from dataclasses import replace
from pathlib import Path

import pytest

from papertrail.core.params import load_params
from papertrail.report.cards import licence_of


@pytest.mark.parametrize(
    ("base_model", "licence"),
    [
        ("data/raw/minilm", "Apache-2.0"),
        ("models/pretrained", "Apache-2.0"),
        ("models/search-base", "Apache-2.0"),  # a model of params.yaml
        ("models/other", "unknown"),
    ],
)
def test_training_keeps_the_licence(repo: Path, base_model: str, licence: str) -> None:
    params = load_params(repo / "params.yaml")
    assert licence_of(base_model, params) == licence
    model = replace(params.models["search-base"], base_model=base_model)
    again = replace(params, models={**params.models, "again": model})
    assert licence_of("models/again", again) == licence
