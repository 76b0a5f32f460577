"""What the evaluation of summarizers and of extractors shares: baselines, scores, predictions and examples.

Baselines are the first sentences (lead), the most central sentences (lexrank) and the best extract given the reference
(oracle). All scores of a paper are computed for every system: ROUGE, statistics of the text, and what the source
supports of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Features, Value

from papertrail.core.params import Params
from papertrail.core.records import Row
from papertrail.evaluate.results import Example, Predictions, Results
from papertrail.evaluate.systems import ScoredSystems, add_intervals
from papertrail.metrics.faithfulness import count_support, mean_support
from papertrail.metrics.rouge import mean_scores, references_of, score_summaries, score_summary
from papertrail.models.extracts import EXTRACTORS, oracle

OPENING = 3  # sentences of a source in an example
TEXTS = ("id", "paper", "system", "text")  # columns of the predictions; the others are numbers


def write_extracts(papers: Sequence[Row], words: int) -> dict[str, list[str]]:
    """Return baseline -> a summary of each paper with at most `words` words."""
    texts = {system: [extract(row["source"], words) for row in papers] for system, extract in EXTRACTORS.items()}
    return {**texts, "oracle": [_write_oracle(row, words) for row in papers]}


def _write_oracle(row: Row, words: int) -> str:
    """Return the oracle of the reference for which it scores best."""
    texts = [oracle(row["source"], reference, words) for reference in references_of(row)]
    return texts[0] if len(texts) == 1 else max(texts, key=lambda text: score_summary(row, text)["rouge1"])


def score_texts(papers: Sequence[Row], texts: Mapping[str, list[str]], params: Params) -> ScoredSystems:
    """Return predictions with the scores of each paper, and mean scores with intervals.

    Args:
        papers: Rows with `source`, `target` and perhaps several `references`.
        texts: System -> a summary of each paper.
        params: For the intervals.
    """
    scores = {system: score_summaries(papers, summaries) for system, summaries in texts.items()}
    support = {
        system: [count_support(row["source"], text) for row, text in zip(papers, summaries, strict=True)]
        for system, summaries in texts.items()
    }
    predictions: dict[str, list[Row]] = {
        system: [
            {"id": row["id"], "text": text, **own, **counts}
            for row, text, own, counts in zip(papers, texts[system], scores[system], support[system], strict=True)
        ]
        for system in texts
    }
    means = {system: {**mean_scores(scores[system]), **mean_support(support[system])} for system in texts}
    return add_intervals(ScoredSystems("summaries", predictions, means), papers, params.evaluation, params.seed)


def make_results(
    papers: Sequence[Row], systems: ScoredSystems, counts: Mapping[str, Any], shown: Mapping[str, str]
) -> Results:
    """Return the results of a model; every paper becomes an example.

    Args:
        papers: The papers that were summarized.
        systems: Predictions and scores of all systems.
        counts: What was counted, for the metrics.
        shown: System -> name of its text in an example.
    """
    numbers = [column for column in systems.rows[0] if column not in TEXTS]
    features = Features(**dict.fromkeys(TEXTS, Value("string")), **dict.fromkeys(numbers, Value("float64")))
    examples = [
        Example(
            view="test",
            id=row["id"],
            fields={
                "title": row["title"],
                "source begins": " ".join(row["source"][:OPENING]),
                "reference": " ".join(row["target"]),
                **{name: systems.predictions[system][number]["text"] for system, name in shown.items()},
            },
        )
        for number, row in enumerate(papers)
    ]
    return Results(
        scores={"test": {**systems.scores, **counts}},
        predictions={"test": Predictions(kind=systems.kind, features=features, rows=systems.rows)},
        examples=examples,
    )
