"""Positions of a model, and names of saved weights."""

from pathlib import Path

import pytest
from safetensors import safe_open
from transformers import AutoModelForSequenceClassification, BertConfig, T5Config

from papertrail.core.errors import ParamsError
from papertrail.models.loading import check_positions, keep_own_names
from tests.fixtures.tiny_encoders import write_bert


def test_more_tokens_than_positions_are_an_error() -> None:
    config = BertConfig(max_position_embeddings=128)
    check_positions("models: max_tokens", 128, "encoder", config)
    with pytest.raises(ParamsError) as error:
        check_positions("models: max_tokens", 129, "encoder", config)
    assert str(error.value) == "params.yaml: models: max_tokens: 129, but encoder has 128 positions; lower it"
    check_positions("models: max_tokens", 100_000, "encoder", T5Config())  # relative positions


def test_weights_are_saved_under_current_names(tmp_path: Path) -> None:
    network = AutoModelForSequenceClassification.from_pretrained(write_bert(tmp_path / "older"))
    keep_own_names(network)
    network.save_pretrained(tmp_path / "saved")
    with safe_open(tmp_path / "saved/model.safetensors", "pt") as weights:
        assert set(weights.keys()) == set(network.state_dict())
