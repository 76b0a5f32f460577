"""Tables of results: a row for a model of any kind, with intervals, baselines and verdicts."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from papertrail.core.errors import PapertrailError
from papertrail.core.params import Params, load_params
from papertrail.report.answers import answer_table
from papertrail.report.names import model_name
from papertrail.report.tables import (
    caution_table,
    class_table,
    comparison_table,
    result_table,
    score_table,
    seed_table,
)
from tests.fixtures.results import keep_four, write_json, write_results

NOT_SIGNIFICANT = "not significant (MDE 0.070, one test, 80 % power)"


@pytest.fixture
def results(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Parameters whose made-up results are in the working directory."""
    params = keep_four(load_params(repo / "params.yaml"))
    monkeypatch.chdir(tmp_path)
    write_results(params)
    return params


def test_every_model_has_a_row_with_its_baselines(results: Params) -> None:
    baselines = "majority class 0.200 [0.100, 0.300], TF-IDF + logistic regression 0.700 [0.600, 0.800]"
    extract = "first sentences 0.125 [0.025, 0.225]"
    difference = "+0.100 [+0.050, +0.150]"
    assert result_table(results).rows == [
        ["base", "macro-F1", "0.800 [0.700, 0.900]", baselines, difference, "0.0600", NOT_SIGNIFICANT],
        ["again", "macro-F1", "0.800 [0.700, 0.900]", baselines, difference, "0.0600", NOT_SIGNIFICANT],
        ["tiny-search", "nDCG@10", "0.250 [0.150, 0.350]", "BM25 0.250 [0.150, 0.350]", difference, "0.0300", "better"],
        ["tiny-summary", "ROUGE-L", "0.125 [0.025, 0.225]", extract, difference, "0.0600", NOT_SIGNIFICANT],
    ]


def test_one_model_per_task_answers_beside_the_best_simple_method(results: Params) -> None:
    for name, score in {"base": 0.6, "again": 0.7}.items():
        write_json(f"finetune/{name}.json", {"validation_score": score})
    assert answer_table(results).rows == [  # the retriever has no index, so it cannot answer
        [
            *("Citation intent", "again", "macro-F1 0.800 [0.700, 0.900]", "TF-IDF + logistic regression 0.700"),
            *("+0.100 [+0.050, +0.150]", "0.0600", NOT_SIGNIFICANT),
        ],
        [
            *("Summarization", "tiny-summary", "ROUGE-L 0.125 [0.025, 0.225]", "first sentences 0.125"),
            *("+0.100 [+0.050, +0.150]", "0.0600", NOT_SIGNIFICANT),
        ],
    ]


def test_other_comparisons_are_in_their_own_table(results: Params) -> None:
    assert [row[:2] + row[3:] for row in comparison_table(results).rows] == [
        ["base", "majority class", "+0.100 [+0.050, +0.150]", "0.0300", "better"],
        ["again", "majority class", "+0.100 [+0.050, +0.150]", "0.0300", "better"],
        ["again", "base", "-0.100 [+0.050, +0.150]", "0.0300", "worse"],
        ["tiny-search", "BM25 + model", "+0.100 [+0.050, +0.150]", "0.0600", NOT_SIGNIFICANT],
    ]


def test_a_better_baseline_is_a_caution(results: Params) -> None:
    assert caution_table(results).rows == []
    scores = json.loads(Path("metrics/evaluate/again.json").read_text(encoding="utf-8"))
    scores["test"]["tfidf"]["macro_f1"] = 0.875
    write_json("evaluate/again.json", scores)
    sentence = "TF-IDF + logistic regression scores higher on the test split: macro-F1 0.875 against 0.800"
    assert caution_table(results).rows == [["again", sentence]]


def test_a_model_without_the_headline_metric_of_its_task_is_an_error(results: Params) -> None:
    scores = json.loads(Path("metrics/evaluate/base.json").read_text(encoding="utf-8"))
    scores["test"]["model"] = {"speed": 1.0}
    write_json("evaluate/base.json", scores)
    with pytest.raises(PapertrailError, match=r"base: no headline metric of task \w+ among its scores \(speed\)"):
        result_table(results)


def test_the_best_score_of_each_group_is_bold(results: Params) -> None:
    search = replace(results, models={"tiny-search": results.models["tiny-search"]})
    table = score_table(search)
    assert table.headers == ["test data", "system", "nDCG@10", "MRR@10", "MAP@100", "recall@10", "recall@100"]
    assert table.rows == [
        *(
            ["tiny-search", system, *["**0.250**"] * 5]
            for system in ("BM25", "untuned base model", "model", "BM25 + model")
        ),
        ["tiny-search, documents seen in training", "BM25", *["0.000"] * 5],
        ["tiny-search, documents seen in training", "untuned base model", *["**0.300**"] * 5],
        ["tiny-search, documents seen in training", "model", *["0.200"] * 5],
        ["tiny-search, documents seen in training", "BM25 + model", *["0.100"] * 5],
    ]


def test_an_oracle_is_never_the_best_and_counts_have_no_best(results: Params) -> None:
    scores = json.loads(Path("metrics/evaluate/tiny-summary.json").read_text(encoding="utf-8"))
    scores["test"]["oracle"]["rougeL"] = 0.9
    write_json("evaluate/tiny-summary.json", scores)
    summary = replace(results, models={"tiny-summary": results.models["tiny-summary"]})
    table = score_table(summary)
    assert table.headers == ["test data", "system", "ROUGE-L", "words"]
    rows = {row[1]: row[2:] for row in table.rows}
    assert rows["oracle extract"] == ["0.900", "100"]
    assert rows["LexRank"] == ["**0.125**", "100"]


def test_cranfield_is_beside_retrievers_only(results: Params) -> None:
    file = Path("benchmarks/cranfield.json")
    file.parent.mkdir()
    file.write_text(json.dumps({"test": {"bm25": {"ndcg@10": 0.5, "queries": 225}}}), encoding="utf-8")
    rows = score_table(results).rows
    assert rows[-1][:3] == ["Cranfield, not in the training data", "BM25", ""]  # no macro-F1
    classifiers = {name: model for name, model in results.models.items() if model.kind == "classifier"}
    assert {row[0] for row in score_table(replace(results, models=classifiers)).rows} == {"base", "again"}


def test_classes_have_a_row_each(results: Params) -> None:
    assert class_table(results).rows == [[name, "goal", "0.500", "0.250", "0.333", "8"] for name in ("base", "again")]


def test_a_seed_study_has_a_row(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = load_params(repo / "params.yaml")
    monkeypatch.chdir(tmp_path)
    assert seed_table(params).rows == []
    numbers = {"mean": 0.5, "standard_deviation": 0.0125, "standard_error": 0.05, "seeds": 3}
    write_json("seeds/interest-base.json", {"test": {"f1": numbers, "average_precision": {**numbers, "mean": 0.75}}})
    assert seed_table(params).rows == [["interest-base", "average precision", "3", "0.750", "0.013", "0.050"]]


def test_a_view_is_named_by_its_inputs() -> None:
    assert model_name("base", "test") == "base"
    assert model_name("base", "title_abstract") == "base, inputs title and abstract"
