"""The generated tables of README.md."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from scholar.errors import ScholarError
from scholar.params import load_params
from scholar.readme import (
    SEARCHERS,
    WRITERS,
    WRITTEN,
    comparison_table,
    replace_block,
    result_table,
    search_table,
    summary_table,
)
from scholar.samples import SEARCH

EMPTY = "top\n<!-- begin a -->\n<!-- end a -->\nmiddle\n<!-- begin b -->\n<!-- end b -->\nbottom\n"


def test_each_block_is_replaced_and_the_rest_stays() -> None:
    once = replace_block(replace_block(EMPTY, "a", "| 1 |"), "b", "| 2 |")
    assert once == (
        "top\n<!-- begin a -->\n| 1 |\n<!-- end a -->\nmiddle\n<!-- begin b -->\n| 2 |\n<!-- end b -->\nbottom\n"
    )
    assert replace_block(once, "a", "| 1 |") == once


def test_missing_marks_are_told() -> None:
    with pytest.raises(ScholarError, match="no block"):
        replace_block("top\n<!-- begin a -->\n", "a", "table")


def cells(table: str) -> list[list[str]]:
    """The rows of a table in Markdown, without its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_search_table_marks_the_best_of_each_collection(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = load_params(repo / "params.yaml")
    monkeypatch.chdir(tmp_path)
    Path("metrics").mkdir()
    rising = {system: dict.fromkeys(SEARCH, rank / 10) for rank, system in enumerate(SEARCHERS)}
    even = {system: dict.fromkeys(SEARCH, 0.25) for system in SEARCHERS}
    metrics = {"test": {**rising, "seen": even, "documents": 9}}
    Path("metrics/tiny.json").write_text(json.dumps(metrics), encoding="utf-8")
    retriever = next(iter(params.retrievers.values()))
    rows = cells(search_table(replace(params, retrievers={"tiny": retriever})))
    assert rows[:4] == [
        ["tiny", "BM25", *["0.000"] * 5],
        ["tiny", "untuned encoder", *["0.100"] * 5],
        ["tiny", "tuned encoder", *["0.200"] * 5],
        ["tiny", "BM25 + tuned", *["**0.300**"] * 5],
    ]
    assert {row[0] for row in rows[4:]} == {"tiny, works seen in training"}  # no work was unseen
    assert all(row[2:] == ["**0.250**"] * 5 for row in rows[4:])


def test_summary_table_has_a_row_per_system(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = load_params(repo / "params.yaml")
    monkeypatch.chdir(tmp_path)
    Path("metrics").mkdir()
    scores = {system: {**dict.fromkeys(WRITTEN, 0.125), "words": 99.6} for system in WRITERS}
    Path("metrics/tiny.json").write_text(json.dumps({"test": {**scores, "papers": 3}}), encoding="utf-8")
    summarizer = next(iter(params.summarizers.values()))
    rows = cells(summary_table(replace(params, summarizers={"tiny": summarizer})))
    assert [row[1] for row in rows] == list(WRITERS.values())
    assert all(row[2:] == ["0.125"] * 6 + ["100"] for row in rows)


def write_metrics(**files: dict[str, object]) -> None:
    Path("metrics").mkdir()
    for name, content in files.items():
        Path(f"metrics/{name}.json").write_text(json.dumps(content), encoding="utf-8")


def test_results_show_intervals_and_the_verdict_against_the_best_baseline(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = load_params(repo / "params.yaml")
    monkeypatch.chdir(tmp_path)
    numbers = {"effect": 0.1, "low": 0.05, "high": 0.15, "p": 0.01, "p_holm": 0.03, "smallest": 0.07}
    unsure = {**numbers, "p_holm": 0.06}
    scores = {
        system: {"accuracy": 0.9, "macro_f1": value, "macro_f1_low": value - 0.1, "macro_f1_high": value + 0.1}
        for system, value in {"model": 0.8, "tfidf": 0.7, "majority": 0.2}.items()
    }
    against = {"majority": {"macro_f1": numbers}, "tfidf": {"macro_f1": unsure}}
    write_metrics(
        base={"title": {**scores, "examples": 9}},
        again={"title": {**scores, "examples": 9}},
        comparisons={
            "again": {"title": {**against, "base": {"macro_f1": {**numbers, "effect": -0.1}}}},
            "base": {"title": against},
            "tiny-search": {"test": {"bm25": {"ndcg@10": numbers}}},
        },
    )
    run = next(iter(params.runs.values()))
    retriever = next(iter(params.retrievers.values()))
    params = replace(params, runs={"base": run, "again": run}, retrievers={"tiny-search": retriever})
    assert cells(result_table(params)) == [
        [
            f"{name}, shown title",
            "macro-F1",
            "0.800 [0.700, 0.900]",
            "TF-IDF + logistic regression 0.700 [0.600, 0.800], majority class 0.200 [0.100, 0.300]",
            "no difference seen (could have shown about 0.070)",
        ]
        for name in ("base", "again")
    ]
    assert cells(comparison_table(params)) == [
        ["again, shown title", "base", "macro-F1", "-0.100 [+0.050, +0.150]", "0.0300", "worse"],
        ["tiny-search", "BM25", "ndcg@10", "+0.100 [+0.050, +0.150]", "0.0300", "better"],
    ]
