"""Conversion of older files of weights to safetensors; code in them is never run."""

import os
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification, BertConfig, BertForPreTraining

from papertrail.core.errors import SourceError
from papertrail.data.sources.torch_bin import convert_pickled
from tests.fixtures.tiny_bert import VOCABULARY, write_model


def write_pickled(folder: Path, **options: Any) -> BertForPreTraining:
    """Write a tiny BERT in the form of 2019: gamma and beta for weight and bias, tied tensors in shared memory."""
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    model = BertForPreTraining(config)
    write_model(model, folder)
    (folder / "model.safetensors").unlink()
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    weights = {}
    for name, tensor in model.state_dict().items():
        for new, former in old.items():
            name = name.replace(new, former)
        weights[name] = tensor
    torch.save(weights, folder / "pytorch_model.bin", **options)
    return model.eval()


@pytest.mark.parametrize("zipped", [True, False])  # False: the format before 2020, as of SciBERT
def test_weights_are_unchanged(zipped: bool, tmp_path: Path) -> None:
    model = write_pickled(tmp_path, _use_new_zipfile_serialization=zipped)
    convert_pickled(tmp_path / "pytorch_model.bin", tmp_path)
    first = (tmp_path / "model.safetensors").read_bytes()
    weights = torch.load(tmp_path / "pytorch_model.bin", weights_only=True)
    written = load_file(tmp_path / "model.safetensors")
    assert written.keys() == weights.keys()
    assert all(torch.equal(written[name], tensor) for name, tensor in weights.items())

    convert_pickled(tmp_path / "pytorch_model.bin", tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == first

    (tmp_path / "pytorch_model.bin").unlink()
    loaded, info = BertForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    ids = torch.arange(20)[None]
    with torch.no_grad():
        torch.testing.assert_close(loaded.eval()(ids).prediction_logits, model(ids).prediction_logits)
    _, info = AutoModelForTokenClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert set(info["missing_keys"]) == {"classifier.weight", "classifier.bias"}


class Evil:
    """An object that runs code when pickle loads it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch evil",)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_an_error_and_is_not_run(
    zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": torch.ones(2), "evil": Evil()}, "tiny.bin", _use_new_zipfile_serialization=zipped)
    with pytest.raises(SourceError) as caught:
        convert_pickled(Path("tiny.bin"), Path("model"))
    assert str(caught.value).startswith("tiny.bin: not a file of weights only, it may contain code: UnpicklingError")
    assert "weights_only" not in str(caught.value)  # no advice on how to run the code
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.bin"]


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>" * 100, bytes(5000), b"PK\x03\x04" + bytes(100)])
def test_another_file_is_an_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "tiny.bin").write_bytes(content)
    with pytest.raises(SourceError, match=r"^tiny\.bin: not a file of weights only"):
        convert_pickled(tmp_path / "tiny.bin", tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_an_error(share: float, zipped: bool, tmp_path: Path) -> None:
    write_pickled(tmp_path, _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "pytorch_model.bin").read_bytes()
    (tmp_path / "pytorch_model.bin").write_bytes(content[: int(share * len(content))])
    with pytest.raises(SourceError, match=r"^pytorch_model\.bin: not a file of weights only"):
        convert_pickled(tmp_path / "pytorch_model.bin", tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("error", [struct.error("unpack requires a buffer"), AssertionError()])
def test_errors_of_torch_for_damaged_files_are_reported(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **options: Any) -> None:
        assert options["weights_only"]
        raise error

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(SourceError, match=r"^tiny\.bin: not a file of weights only.*(struct\.)?[eE]rror"):
        convert_pickled(tmp_path / "tiny.bin", tmp_path)


SPARSE = {"weight": torch.ones(2, 2).to_sparse()}


@pytest.mark.parametrize(
    "content",
    [torch.ones(2), [torch.ones(2)], {"model": {"weight": torch.ones(2)}}, {"step": 3}, {7: torch.ones(2)}, SPARSE],
)
def test_anything_but_named_tensors_is_an_error(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "tiny.bin")
    with pytest.raises(SourceError, match=r"^tiny\.bin: expected named dense tensors, got something else"):
        convert_pickled(tmp_path / "tiny.bin", tmp_path)
