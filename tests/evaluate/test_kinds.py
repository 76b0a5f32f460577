"""Every model kind has an evaluator, and every head a scorer."""

from typing import get_args

import pytest

from papertrail.core.errors import ParamsError
from papertrail.core.params import Model
from papertrail.core.plugins import plugin_names
from papertrail.evaluate.classifier import SCORERS
from papertrail.evaluate.kinds import load_evaluator
from papertrail.models.heads import HEADS

KINDS = [get_args(model.__annotations__["kind"])[0] for model in get_args(Model)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_model_kind_has_an_evaluator(kind: str) -> None:
    assert callable(load_evaluator(kind).evaluate)


def test_every_head_has_a_scorer() -> None:
    assert SCORERS.keys() == set(plugin_names(HEADS))


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ParamsError, match="unknown model kind 'clasifier'; did you mean 'classifier'"):
        load_evaluator("clasifier")
