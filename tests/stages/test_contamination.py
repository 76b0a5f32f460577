"""The pretraining text against every test split, by the stage itself, after the stages that prepare both."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scholar.errors import run
from scholar.leakage import squash
from scholar.records import read_rows, write_rows
from stages import contamination, prepare
from tests.fixtures.commands import write_params

KEPT = ("aclsum_intent", "aclsum_text")
TEXT = Path("data/prepared/pretraining/aclsum_text/train.parquet")
TEST = Path("data/prepared/citation_intent/aclsum_intent/test.parquet")


@pytest.fixture
def told(aclsum: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Call the stage on prepared data; returns the message that it ends with, empty when it succeeds."""
    monkeypatch.chdir(tmp_path)

    def change(params: dict[str, Any]) -> None:
        params["datasets"] = {name: params["datasets"][name] for name in KEPT}
        params |= {section: {} for section in ("runs", "retrievers", "indexes", "summarizers", "seed_studies")}
        params["evaluation"]["views"] = {}

    def compare(params: dict[str, Any]) -> None:
        change(params)
        params["leakage"]["shingle_letters"] = 8

    write_params(tmp_path, change)
    for name in KEPT:
        monkeypatch.setattr(sys, "argv", ["prepare", name])
        prepare.main()
    write_params(tmp_path, compare)

    def call() -> str:
        try:
            run(contamination.main)
        except SystemExit as exit_:
            return str(exit_.code)
        return ""

    return call


def add_paragraph(change: dict[str, Any]) -> None:
    """One more row of pretraining text, made of the first with these changes."""
    data = read_rows(TEXT)
    write_rows([*data.to_list(), {**data[0], "id": "leak", **change}], data.features, TEXT)


def test_clean_text_is_counted(told: Callable[[], str]) -> None:
    assert told() == ""
    counts = json.loads(Path("metrics/contamination.json").read_text(encoding="utf-8"))
    texts = set(read_rows(TEST)["text"][:])
    compared = sum(len(squash(text)) >= 40 for text in texts)
    assert counts["aclsum_intent"] == {"rows": len(texts), "compared": compared, "in_pretraining": 0}
    assert 0 < compared < len(texts)


def test_a_test_sentence_in_the_text_is_told(told: Callable[[], str]) -> None:
    sentence = next(text for text in read_rows(TEST)["text"] if len(squash(text)) >= 40)
    add_paragraph({"sentences": ["It was said before.", sentence.upper(), "It is said again."]})
    message = told()
    assert message.startswith("error: data set aclsum_intent: 1 of ")
    assert "in paragraph 'leak'" in message
    assert not Path("metrics/contamination.json").exists()


def test_a_test_paper_in_the_text_is_told(told: Callable[[], str]) -> None:
    add_paragraph({"paper": read_rows(TEST)[0]["paper"]})
    assert "is of paper '2020.test-main.0', which the pretraining reads (paragraph 'leak')" in told()


def test_missing_rows_are_told(told: Callable[[], str]) -> None:
    shutil.rmtree(TEST.parent)
    assert "test.parquet: not a readable Parquet file" in told()
