"""The encoder of queries has the vectors of sentence-transformers, without importing it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from papertrail.core.errors import ParamsError
from papertrail.models.query_encoder import QueryEncoder, load_query_encoder
from papertrail.models.sentence_encoder import POOLING, count_truncated, embed, load_encoder
from tests.fixtures.commands import run_python
from tests.fixtures.tiny_bert import write_tiny_bert

TEXTS = ["word alignment", "", "a graph of words and the table of a tree " * 9, "  speech ", "é", "a", "the query"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved sentence encoder."""
    load_encoder(Path(write_tiny_bert(tmp_path)), 16, "cpu").save_pretrained(
        str(tmp_path / "saved"), create_model_card=False
    )
    return tmp_path / "saved"


def set_pooling(folder: Path, mode: str) -> None:
    file = folder / POOLING / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pooling_mode": mode}))


@pytest.mark.parametrize("mode", ["mean", "cls"])
def test_vectors_are_those_of_the_library(folder: Path, mode: str) -> None:
    set_pooling(folder, mode)
    light, full = load_query_encoder(folder, 16, "cpu"), load_encoder(folder, 16, "cpu")
    assert isinstance(light, QueryEncoder)
    for batch_size in (1, 3, 32):
        np.testing.assert_array_equal(embed(light, TEXTS, batch_size), embed(full, TEXTS, batch_size))
    assert count_truncated(light, TEXTS) == count_truncated(full, TEXTS) == 1


def test_another_pooling_is_left_to_the_library(folder: Path) -> None:
    set_pooling(folder, "max")
    encoder: Any = load_query_encoder(folder, 16, "cpu")
    assert not isinstance(encoder, QueryEncoder)
    np.testing.assert_array_equal(embed(encoder, TEXTS, 4), embed(load_encoder(folder, 16, "cpu"), TEXTS, 4))


def test_an_encoder_with_a_dense_layer_is_refused(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ParamsError, match="has a module Dense"):
        load_query_encoder(folder, 16, "cpu")


def test_the_training_stack_is_not_imported(folder: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from papertrail.models.query_encoder import load_query_encoder
from papertrail.models.sentence_encoder import embed
import papertrail.models.index, papertrail.inference.predict
embed(load_query_encoder(Path({str(folder)!r}), 16, "cpu"), ["a query"], 4)
print(*sorted(sys.modules.keys() & {{"sentence_transformers", "sklearn", "datasets", "transformers.trainer"}}))
"""
    done = run_python(folder.parent, "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
