"""Systems of a linker: scores of the pairs of validation and test, compared with the plain functions."""

from pathlib import Path

import numpy as np
import pytest
import torch

from papertrail.core.params import load_params
from papertrail.evaluate.linker import rank_entries
from papertrail.evaluate.pairs import Pairs
from papertrail.models.linking import Fusion, bm25_similarities, cosine_similarities, group_citations
from papertrail.models.sentence_encoder import load_encoder
from papertrail.train.checkpoints import save_model
from papertrail.train.retriever import saver
from tests.fixtures.tiny_runs import make_evaluation, make_linker, make_rows, write_experiment


def test_every_system_scores_every_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = make_linker(max_tokens=8)
    params = load_params(write_experiment(tmp_path, {"linker": model}) / "params.yaml")
    tuned = load_encoder(tmp_path / "encoder", 8, "cpu")
    with torch.no_grad():
        for weights in tuned.parameters():
            weights.add_(0.1 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(1)))
    fusion = Fusion(weight=0.4, temperature=0.5)
    save_model(tmp_path / "models/linker", saver(tuned), fusion.save)
    validation, test = (make_rows("pair_classification", 12, seed) for seed in (1, 2))
    evaluation = make_evaluation()
    pairs = Pairs(
        inputs=model.inputs,
        class_names=["other", "cited"],
        validation=validation,
        test=test,
        plots=evaluation.linker,
        errors=3,
    )
    systems, truncated = rank_entries(model, tmp_path / "models/linker", pairs, params)
    citations = group_citations([*validation, *test], model.inputs)
    cosine = cosine_similarities(tuned, citations, 4)
    bm25 = bm25_similarities(citations)
    untuned = cosine_similarities(load_encoder(tmp_path / "encoder", 8, "cpu"), citations, 4)
    expected = {"model": fusion.probabilities(cosine, bm25), "encoder": cosine, "untuned": untuned, "bm25": bm25}
    assert systems.keys() == expected.keys()
    for system, values in expected.items():
        np.testing.assert_allclose(systems[system], np.concatenate(values), atol=1e-5)
    assert truncated == len({row["context"] for row in (*validation, *test)}) > 0
