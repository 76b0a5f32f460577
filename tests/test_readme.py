"""The generated tables of README.md."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from scholar import readme
from scholar.errors import ScholarError
from scholar.params import Params, load_params
from scholar.readme import replace_block
from scholar.samples import SEARCH
from scholar.tables import (
    SEARCHERS,
    WRITERS,
    WRITTEN,
    call,
    comparison_table,
    result_table,
    search_table,
    seed_table,
    summary_table,
)
from tests.fixtures.commands import read_params
from tests.fixtures.results import keep_four, write_json, write_results

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


def test_a_data_set_is_added_as_the_readme_says(repo: Path, tmp_path: Path) -> None:
    text = (repo / "README.md").read_text(encoding="utf-8")
    (block,) = (part for part in text.split("```yaml\n")[1:] if part.startswith("sources:"))
    added = YAML(typ="safe").load(block.partition("```")[0].replace("<sha256>", "a" * 64))
    params = read_params()
    for section, blocks in added.items():
        params[section] |= blocks
    (tmp_path / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    assert load_params(tmp_path / "params.yaml").runs["my-roles-base"].data == "my_roles"


def test_a_study_of_seeds_has_a_row(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = load_params(repo / "params.yaml")
    monkeypatch.chdir(tmp_path)
    assert seed_table(params).rows == []
    numbers = {"mean": 0.5, "standard_deviation": 0.0125, "standard_error": 0.05, "seeds": 3}
    write_json("seeds/interest-base.json", {"test": {"f1": numbers, "average_precision": {**numbers, "mean": 0.75}}})
    assert seed_table(params).rows == [["interest-base", "average precision", "3", "0.750", "0.013", "0.050"]]


def test_search_table_marks_the_best_of_each_collection(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = load_params(repo / "params.yaml")
    monkeypatch.chdir(tmp_path)
    rising = {system: dict.fromkeys(SEARCH, rank / 10) for rank, system in enumerate(SEARCHERS)}
    even = {system: dict.fromkeys(SEARCH, 0.25) for system in SEARCHERS}
    write_json("evaluate/tiny.json", {"test": {**rising, "seen": even, "documents": 9}})
    retriever = next(iter(params.retrievers.values()))
    rows = search_table(replace(params, retrievers={"tiny": retriever})).rows
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
    scores = {system: {**dict.fromkeys(WRITTEN, 0.125), "words": 99.6} for system in WRITERS}
    write_json("evaluate/tiny.json", {"test": {**scores, "papers": 3}})
    summarizer = next(iter(params.summarizers.values()))
    rows = summary_table(replace(params, summarizers={"tiny": summarizer})).rows
    assert [row[1] for row in rows] == list(WRITERS.values())
    assert all(row[2:] == ["0.125"] * 6 + ["100"] for row in rows)


@pytest.fixture
def results(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Parameters whose made-up results stand in the working directory."""
    params = keep_four(load_params(repo / "params.yaml"))
    monkeypatch.chdir(tmp_path)
    write_results(params)
    return params


def test_results_show_intervals_and_the_verdict_against_the_best_baseline(results: Params) -> None:
    assert result_table(results).rows == [
        [
            name,
            "macro-F1",
            "0.800 [0.700, 0.900]",
            "TF-IDF + logistic regression 0.700 [0.600, 0.800], majority class 0.200 [0.100, 0.300]",
            "no difference seen (one test alone could have shown about 0.070)",
        ]
        for name in ("base", "again")
    ]
    assert comparison_table(results).rows == [
        ["again", "base", "macro-F1", "-0.100 [+0.050, +0.150]", "0.0300", "worse"],
        ["tiny-search", "BM25", "ndcg@10", "+0.100 [+0.050, +0.150]", "0.0300", "better"],
        [
            "tiny-summary",
            "first sentences",
            "ROUGE-L",
            "+0.100 [+0.050, +0.150]",
            "0.0600",
            "no difference seen (one test alone could have shown about 0.070)",
        ],
    ]


def test_a_view_is_named_by_what_it_shows() -> None:
    assert call("base", "title_abstract") == "base, shown title and abstract"


def run_readme(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["readme", *arguments])
    readme.main()


def test_check_tells_a_stale_readme(results: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readme, "load_params", lambda: results)
    blocks = ("results", "seeds", "comparisons", "search", "summaries", "data")
    old = "".join(f"<!-- begin {name} -->\n<!-- end {name} -->\n" for name in blocks)
    Path("README.md").write_text(old, encoding="utf-8")
    with pytest.raises(ScholarError, match="make readme"):
        run_readme(monkeypatch, "--check")
    assert Path("README.md").read_text(encoding="utf-8") == old
    run_readme(monkeypatch)
    run_readme(monkeypatch, "--check")
    scores = json.loads(Path("metrics/evaluate/again.json").read_text(encoding="utf-8"))
    scores["test"]["model"]["macro_f1_low"] = 0.71
    write_json("evaluate/again.json", scores)
    with pytest.raises(ScholarError, match="make readme"):
        run_readme(monkeypatch, "--check")


def test_readme_shows_the_metrics_of_this_commit(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    run_readme(monkeypatch, "--check")
