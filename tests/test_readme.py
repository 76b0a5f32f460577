"""The generated tables of README.md."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from scholar.errors import ScholarError
from scholar.params import load_params
from scholar.readme import RETRIEVAL, SEARCHERS, SUMMARY, WRITERS, replace_block, search_table, summary_table

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
    rising = {system: dict.fromkeys(RETRIEVAL, rank / 10) for rank, system in enumerate(SEARCHERS)}
    even = {system: dict.fromkeys(RETRIEVAL, 0.25) for system in SEARCHERS}
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
    scores = {system: {**dict.fromkeys(SUMMARY, 0.125), "words": 99.6} for system in WRITERS}
    Path("metrics/tiny.json").write_text(json.dumps({"test": {**scores, "papers": 3}}), encoding="utf-8")
    summarizer = next(iter(params.summarizers.values()))
    rows = cells(summary_table(replace(params, summarizers={"tiny": summarizer})))
    assert [row[1] for row in rows] == list(WRITERS.values())
    assert all(row[2:] == ["0.125"] * 6 + ["100"] for row in rows)
