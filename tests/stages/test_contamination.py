"""The stage, run after the stages that prepare the pretraining text and the test splits."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from papertrail.core.parquet import read_rows, write_rows
from papertrail.core.process import run_cli
from papertrail.data.text import squash
from stages import contamination, prepare
from tests.fixtures.commands import write_params

KEPT = ("aclsum_intent", "aclsum_text")
TEXT = Path("data/prepared/pretraining/aclsum_text/train.parquet")
TEST = Path("data/test/citation_intent/aclsum_intent/test.parquet")


@pytest.fixture
def run(aclsum: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Prepare the data; return a function that runs the stage and returns its error message, or ""."""
    monkeypatch.chdir(tmp_path)

    def select(params: dict[str, Any]) -> None:
        params["datasets"] = {name: params["datasets"][name] for name in KEPT}
        params |= {section: {} for section in ("models", "indexes", "seed_studies")}
        params["evaluation"]["classifier"]["input_ablations"] = {}

    def compare(params: dict[str, Any]) -> None:
        select(params)
        params["leakage"]["shingle_letters"] = 8

    write_params(tmp_path, select)
    for name in KEPT:
        monkeypatch.setattr(sys, "argv", ["prepare", name])
        prepare.main()
    write_params(tmp_path, compare)

    def call() -> str:
        try:
            run_cli(contamination.main)
        except SystemExit as exit_:
            return str(exit_.code)
        return ""

    return call


def add_paragraph(change: dict[str, Any]) -> None:
    """Add a copy of the first row of the pretraining text with these changes."""
    data = read_rows(TEXT)
    write_rows([*data.to_list(), {**data[0], "id": "leak", **change}], data.features, TEXT)


def test_counts_without_contamination(run: Callable[[], str]) -> None:
    assert run() == ""
    counts = json.loads(Path("metrics/contamination.json").read_text(encoding="utf-8"))
    texts = set(read_rows(TEST)["text"][:])
    compared = sum(len(squash(text)) >= 40 for text in texts)
    assert counts["aclsum_intent"] == {"rows": len(texts), "compared": compared, "in_pretraining": 0}
    assert 0 < compared < len(texts)


def test_a_test_sentence_in_the_text_is_an_error(run: Callable[[], str]) -> None:
    sentence = next(text for text in read_rows(TEST)["text"] if len(squash(text)) >= 40)
    add_paragraph({"sentences": ["It was said before.", sentence.upper(), "It is said again."]})
    message = run()
    assert message.startswith("error: data set aclsum_intent: 1 of ")
    assert "in paragraph 'leak'" in message
    assert not Path("metrics/contamination.json").exists()


def test_a_test_paper_in_the_text_is_an_error(run: Callable[[], str]) -> None:
    add_paragraph({"paper": read_rows(TEST)[0]["paper"]})
    assert "is from paper '2020.test-main.0', which is in the pretraining text (paragraph 'leak')" in run()


def test_missing_rows_are_an_error(run: Callable[[], str]) -> None:
    shutil.rmtree(TEST.parent)
    assert "test.parquet: not a readable Parquet file" in run()
