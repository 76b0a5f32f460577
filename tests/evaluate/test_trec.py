"""Run files: other tools read the same rankings and obtain the same scores."""

from pathlib import Path

import ir_measures
import pytest

from papertrail.evaluate.trec import to_trec_qrels, to_trec_run
from papertrail.metrics.ranking import mean_scores, retrieval_scores

QRELS = {"q1": {"a": 3, "b": 1}, "q2": {"b": 2, "c": 1}, "q3": {"a": 1}}
RANKINGS = {"q1": ["x", "b", "a"], "q2": ["c", "a", "b"], "q3": []}


def test_lines() -> None:
    assert to_trec_run({"q1": ["b", "a"], "q3": [], "q2": ["c"]}, "my-model").splitlines() == [
        "q1 Q0 b 1 2 my-model",
        "q1 Q0 a 2 1 my-model",
        "q2 Q0 c 1 1 my-model",
    ]
    assert to_trec_qrels({"q1": {"a": 3, "b": 1}}) == "q1 0 a 3\nq1 0 b 1\n"


def test_ids_with_white_space_are_encoded() -> None:
    ids = ["100%", "100 % of\u00a0words", "réseau", "a\tb"]
    lines = to_trec_run({"q 1": ids}, "model").splitlines()
    assert [line.split() for line in lines] == [
        ["q%201", "Q0", "100%", "1", "4", "model"],
        ["q%201", "Q0", "100%20%25%20of%C2%A0words", "2", "3", "model"],
        ["q%201", "Q0", "réseau", "3", "2", "model"],
        ["q%201", "Q0", "a%09b", "4", "1", "model"],
    ]


def test_ir_measures_obtains_the_same_scores(tmp_path: Path) -> None:
    (tmp_path / "run.trec").write_text(to_trec_run(RANKINGS, "model"), encoding="utf-8")
    (tmp_path / "qrels.trec").write_text(to_trec_qrels(QRELS), encoding="utf-8")
    run = list(ir_measures.read_trec_run(str(tmp_path / "run.trec")))
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "qrels.trec")))
    expected = mean_scores(retrieval_scores(QRELS, RANKINGS))
    names = {"ndcg@10": "nDCG@10", "map@100": "AP@100", "mrr@10": "RR@10", "recall@10": "R@10"}
    for name, measure in names.items():
        parsed = ir_measures.parse_measure(measure)
        assert ir_measures.calc_aggregate([parsed], qrels, run)[parsed] == pytest.approx(expected[name])
