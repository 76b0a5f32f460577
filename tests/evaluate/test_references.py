"""Summaries of papers with several references: baselines, the oracle and scores."""

from dataclasses import replace
from typing import Any

import pytest

from papertrail.core.params import load_params
from papertrail.core.records import Row
from papertrail.evaluate.summaries import make_results, score_texts, write_extracts
from papertrail.metrics.rouge import rouge_scores
from tests.fixtures.commands import ROOT

SOURCE = ["Pebbles of the valley are wet.", "A sieve sorts them by their edges.", "Keepers drink tea."]
REFERENCES = [["Keepers know tea."], ["A sieve sorts wet pebbles by edges."]]


def paper(number: int, scored_by: str) -> Row:
    references = REFERENCES if number % 2 else REFERENCES[::-1]
    return {
        "id": str(number),
        "title": "On pebbles",
        "source": SOURCE,
        "target": references[0],
        "references": references,
        "scored_by": scored_by,
    }


@pytest.mark.parametrize("scored_by", ["best", "mean"])
def test_every_system_is_scored_with_all_references(scored_by: str) -> None:
    params = load_params(ROOT / "params.yaml")
    params = replace(params, evaluation=replace(params.evaluation, bootstrap_samples=100, permutations=100))
    papers = [paper(number, scored_by) for number in range(6)]
    texts = write_extracts(papers, 8)
    assert set(texts["oracle"]) == {SOURCE[1]}  # the oracle of the reference for which it scores best
    systems = score_texts(papers, {"model": [SOURCE[1]] * 6, **texts}, params)
    each = [rouge_scores(reference, SOURCE[1])["rougeL"] for reference in REFERENCES]
    expected: Any = max(each) if scored_by == "best" else sum(each) / 2
    assert systems.scores["model"]["rougeL"] == pytest.approx(expected)
    assert systems.scores["oracle"]["rougeL"] >= systems.scores["lead"]["rougeL"]
    results = make_results(papers, systems, {}, {"model": "chosen"})
    assert results.examples[1].fields["reference"] == "Keepers know tea."
