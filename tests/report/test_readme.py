"""The generated tables of README.md."""

import argparse
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from papertrail.core.errors import PapertrailError
from papertrail.core.params import Params, load_params
from papertrail.report import readme
from papertrail.report.readme import add_arguments, build_tables, build_tree, replace_blocks, run
from tests.fixtures.commands import read_params
from tests.fixtures.results import keep_four, write_json, write_results

EMPTY = "top\n<!-- begin a -->\n<!-- end a -->\nmiddle\n<!-- begin b -->\n<!-- end b -->\nbottom\n"


def run_readme(*words: str) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args(words))


def test_each_block_is_replaced_and_the_rest_stays() -> None:
    once = replace_blocks(EMPTY, {"a": "| 1 |", "b": "| 2 |"}, Path("README.md"))
    assert once == (
        "top\n<!-- begin a -->\n| 1 |\n<!-- end a -->\nmiddle\n<!-- begin b -->\n| 2 |\n<!-- end b -->\nbottom\n"
    )
    assert replace_blocks(once, {"a": "| 1 |"}, Path("README.md")) == once


def test_a_missing_mark_is_an_error() -> None:
    with pytest.raises(PapertrailError, match=r"notes\.md: no block"):
        replace_blocks("top\n<!-- begin a -->\n", {"a": "table"}, Path("notes.md"))


def test_the_tree_has_every_module_with_its_summary(tmp_path: Path) -> None:
    for name, text in {
        "__init__.py": '"""Rooms."""\n',
        "door.py": '"""Doors.\n\nMore."""\n',
        "plain.py": "x = 1\n",
    }.items():
        file = tmp_path / "papertrail/room" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    lines = build_tree(tmp_path).split("\n")
    assert [line.split(maxsplit=1) for line in lines[1:-1]] == [
        ["papertrail/room/", "Rooms."],
        ["door.py", "Doors."],
        ["plain.py"],
    ]


def test_the_yaml_for_a_new_data_set_in_the_readme_is_valid(repo: Path, tmp_path: Path) -> None:
    text = (repo / "README.md").read_text(encoding="utf-8")
    (block,) = (part for part in text.split("```yaml\n")[1:] if part.startswith("sources:"))
    added = YAML(typ="safe").load(block.partition("```")[0].replace("<sha256>", "a" * 64))
    params = read_params()
    for section, blocks in added.items():
        params[section] |= blocks
    (tmp_path / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    assert load_params(tmp_path / "params.yaml").models["my-roles-base"].dataset == "my_roles"


@pytest.fixture
def results(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Parameters whose made-up results and README.md are in the working directory."""
    params = keep_four(load_params(repo / "params.yaml"))
    monkeypatch.chdir(tmp_path)
    write_results(params)
    monkeypatch.setattr(readme, "load_params", lambda: params)
    blocks = "".join(f"<!-- begin {name} -->\n<!-- end {name} -->\n" for name in build_tables(params))
    Path("README.md").write_text("<!-- begin answers -->\n<!-- end answers -->\n", encoding="utf-8")
    Path("docs").mkdir()
    Path("docs/results.md").write_text(blocks, encoding="utf-8")
    Path("docs/code.md").write_text("<!-- begin tree -->\n<!-- end tree -->\n", encoding="utf-8")
    return params


def test_check_finds_a_stale_readme_and_does_not_change_it(results: Params) -> None:
    old = [file.read_text(encoding="utf-8") for file in (Path("README.md"), Path("docs/results.md"))]
    with pytest.raises(PapertrailError, match="run `papertrail readme`"):
        run_readme("--check")
    assert [file.read_text(encoding="utf-8") for file in (Path("README.md"), Path("docs/results.md"))] == old
    run_readme()
    run_readme("--check")
    scores = json.loads(Path("metrics/evaluate/again.json").read_text(encoding="utf-8"))
    scores["test"]["model"]["macro_f1_low"] = 0.71
    write_json("evaluate/again.json", scores)
    with pytest.raises(PapertrailError, match="run `papertrail readme`"):
        run_readme("--check")


def test_each_kind_of_model_has_its_scores_in_its_block(results: Params) -> None:
    run_readme()
    blocks = Path("docs/results.md").read_text(encoding="utf-8").split("<!-- begin ")[1:]
    text = {block.partition(" ")[0]: block for block in blocks}
    assert "tiny-search" in text["search"]
    assert "tiny-summary" not in text["search"]
    assert "tiny-summary" in text["summaries"]
    assert "None yet." in text["seeds"]


def test_the_readme_shows_the_metrics_of_this_commit(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    run_readme("--check")
