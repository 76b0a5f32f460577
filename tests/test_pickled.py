"""Older files of weights: what is in them comes out as safetensors, and code in them is never run."""

import os
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification, BertConfig, BertForPreTraining

from scholar.errors import SourceError
from scholar.pickled import convert_pickled
from tests.fixtures.tiny_bert import VOCABULARY, write_model


def write_pickled(folder: Path, **options: Any) -> BertForPreTraining:
    """A tiny BERT as those of 2019 were published: gamma and beta for weight and bias, ties as one piece of memory."""
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


@pytest.mark.parametrize("zipped", [True, False])  # False: the form of files of before 2020, as SciBERT's
def test_weights_come_out_as_they_were(zipped: bool, tmp_path: Path) -> None:
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
    loaded, told = BertForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not told["missing_keys"]
    ids = torch.arange(20)[None]
    with torch.no_grad():
        torch.testing.assert_close(loaded.eval()(ids).prediction_logits, model(ids).prediction_logits)
    _, told = AutoModelForTokenClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert set(told["missing_keys"]) == {"classifier.weight", "classifier.bias"}


class Evil:
    """What runs code when it is read by pickle."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch evil",)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_the_file_is_refused_and_not_run(zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": torch.ones(2), "evil": Evil()}, "tiny.bin", _use_new_zipfile_serialization=zipped)
    with pytest.raises(SourceError) as caught:
        convert_pickled(Path("tiny.bin"), Path("model"))
    assert str(caught.value).startswith("tiny.bin: no file of weights alone, it may hold code: UnpicklingError")
    assert "weights_only" not in str(caught.value)  # no advice on how to run it
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.bin"]


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>" * 100, bytes(5000), b"PK\x03\x04" + bytes(100)])
def test_a_file_that_is_none_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "tiny.bin").write_bytes(content)
    with pytest.raises(SourceError, match=r"^tiny\.bin: no file of weights alone"):
        convert_pickled(tmp_path / "tiny.bin", tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_a_file_that_was_cut_off_is_refused(share: float, zipped: bool, tmp_path: Path) -> None:
    write_pickled(tmp_path, _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "pytorch_model.bin").read_bytes()
    (tmp_path / "pytorch_model.bin").write_bytes(content[: int(share * len(content))])
    with pytest.raises(SourceError, match=r"^pytorch_model\.bin: no file of weights alone"):
        convert_pickled(tmp_path / "pytorch_model.bin", tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("error", [struct.error("unpack requires a buffer"), AssertionError()])
def test_what_torch_raises_of_a_damaged_file_is_told(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **options: Any) -> None:
        assert options["weights_only"]
        raise error

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(SourceError, match=r"^tiny\.bin: no file of weights alone.*(struct\.)?[eE]rror"):
        convert_pickled(tmp_path / "tiny.bin", tmp_path)


SPARSE = {"weight": torch.ones(2, 2).to_sparse()}


@pytest.mark.parametrize(
    "content",
    [torch.ones(2), [torch.ones(2)], {"model": {"weight": torch.ones(2)}}, {"step": 3}, {7: torch.ones(2)}, SPARSE],
)
def test_anything_but_named_tensors_is_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "tiny.bin")
    with pytest.raises(SourceError, match=r"^tiny\.bin: named dense tensors were expected, got something else"):
        convert_pickled(tmp_path / "tiny.bin", tmp_path)
