"""Labels compared with the plain library, and the metrics that decide them."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from papertrail.core.artifacts import write_json
from papertrail.core.errors import DataError
from papertrail.inference.labels import label_inputs
from papertrail.inference.load import Model, load
from papertrail.models.heads import join_inputs
from papertrail.train.checkpoints import save_model
from papertrail.train.linear import fit
from tests.fixtures.tiny_models import rewrite_params, write_models
from tests.fixtures.tiny_runs import make_linear, make_rows

TITLES = ["graph parse", "translate a poor text", "rank the problem " * 30]


def library_probabilities(model: Model, *texts: str) -> Any:
    """Return probabilities by transformers: one input, no padding."""
    inputs = model.tokenizer(*texts, truncation=True, return_tensors="pt")
    with torch.no_grad():
        return torch.softmax(model.network(**inputs).logits[0].double(), dim=0).numpy()


def test_probabilities_are_those_of_the_library(load_tiny: Callable[[str], Model]) -> None:
    model = load_tiny("citation_intent")
    answers = label_inputs(model, TITLES)
    for text, answer in zip(TITLES, answers, strict=True):
        assert list(answer["probabilities"].values()) == pytest.approx(library_probabilities(model, text), abs=1e-5)
        assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
        assert answer["threshold"] is None
    assert [answer["cut"] for answer in answers] == [False, False, True]
    json.dumps(answers)  # plain values


def test_a_missing_abstract_is_left_out_of_the_input(load_tiny: Callable[[str], Model]) -> None:
    model = load_tiny("paper_category")
    row = {"title": "graph parse", "abstract": "we show a tree"}
    answers = label_inputs(model, [{"title": "graph parse"}, row])
    shown = [join_inputs(row, ["title", "abstract"], left_out) for left_out in (frozenset({"abstract"}), frozenset())]
    assert shown == ["Title: graph parse", "Title: graph parse, Abstract: we show a tree"]
    for text, answer in zip(shown, answers, strict=True):
        assert list(answer["probabilities"].values()) == pytest.approx(library_probabilities(model, text), abs=1e-5)


@pytest.mark.parametrize("threshold", [0.0, 1.01])
def test_a_binary_label_is_decided_at_the_threshold(tmp_path: Path, threshold: float) -> None:
    params = write_models(tmp_path, threshold)
    answer = label_inputs(load(params, "paper_interest", None, tmp_path), [{"title": "tree"}])[0]
    assert answer["threshold"] == threshold
    assert answer["label"] == ("interesting" if threshold == 0.0 else "other")


def test_the_temperature_of_the_view_with_the_same_inputs_is_used(tmp_path: Path) -> None:
    write_models(tmp_path)
    views = {"title": ["title"], "both": ["title", "abstract"]}
    evaluation = json.loads((tmp_path / "params.yaml").read_text(encoding="utf-8"))["evaluation"]
    evaluation["classifier"]["input_ablations"] = {"tiny_paper_category": views}
    params = rewrite_params(tmp_path, evaluation=evaluation)
    metrics = {"title": {"temperature": 1e6}, "both": {"temperature": 1.0}}
    write_json(metrics, tmp_path / "metrics/evaluate/category.json")
    model = load(params, "paper_category", None, tmp_path)
    even, sharp = label_inputs(model, [{"title": "tree"}, {"title": "tree", "abstract": "word"}])
    assert list(even["probabilities"].values()) == pytest.approx([1 / 3] * 3, abs=1e-5)
    expected = library_probabilities(model, "Title: tree, Abstract: word")
    assert list(sharp["probabilities"].values()) == pytest.approx(expected, abs=1e-5)


def write_linear(folder: Path, features: list[str]) -> Any:
    """Add a linear model of task paper_category to the tiny models; return the parameters."""
    write_models(folder)
    model = make_linear(task="paper_category", dataset="tiny_paper_category", inputs=["title", "abstract"])
    model = replace(model, features=features, max_tokens=12)
    models = json.loads((folder / "params.yaml").read_text(encoding="utf-8"))["models"]
    params = rewrite_params(folder, models={**models, "category-linear": asdict(model)})
    rows = [{**row, "abstract": row["text"]} for row in make_rows("sequence_classification", 60)]
    splits = {"train": rows, "validation": rows[:12]}
    labels = ["cs.CL", "cs.LG", "math"]
    trained = fit(replace(model, base_model=str(folder / "encoder")), labels, splits, "cpu")
    save_model(folder / "models/category-linear", *trained.savers)
    return params


@pytest.mark.parametrize("features", ["tfidf", "embeddings", "both"])
def test_a_linear_model_answers_in_the_same_form(tmp_path: Path, features: str) -> None:
    model = load(write_linear(tmp_path, [features]), "paper_category", "category-linear", tmp_path)
    papers = [{"title": "tree", "abstract": "we show " * 20}, {"title": "graph"}]
    answers = label_inputs(model, papers)
    texts = ["Title: tree, Abstract: " + "we show " * 20, "Title: graph"]
    for probabilities, answer in zip(model.network.predict(texts, 1), answers, strict=True):
        assert list(answer["probabilities"].values()) == pytest.approx(probabilities, abs=1e-6)
        assert answer["label"] == model.labels[probabilities.argmax()]
        assert answer["threshold"] is None
    assert [answer["cut"] for answer in answers] == [features != "tfidf", False]
    json.dumps(answers)  # plain values


def test_an_input_without_any_column_of_the_model_is_refused(load_tiny: Callable[[str], Model]) -> None:
    with pytest.raises(DataError, match="input 2 of 2 is empty; interest reads title"):
        label_inputs(load_tiny("paper_interest"), [{"title": "tree"}, {"title": " ", "abstract": "word"}])


def test_a_text_goes_to_the_first_input_of_a_model_without_a_text_column(load_tiny: Callable[[str], Model]) -> None:
    model = load_tiny("paper_interest")
    assert label_inputs(model, ["tree"]) == label_inputs(model, [{"title": "tree"}])
