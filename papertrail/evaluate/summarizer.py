"""Evaluation of summarizers: a summary of every test paper by each system, scored by ROUGE.

Systems: the fine-tuned model (model), its base model with the same prompt (untuned), the first sentences (lead), the
most central sentences (lexrank), and the best extract given the reference (oracle).
"""

from pathlib import Path
from statistics import mean

from datasets import Features, Value

from papertrail.core.params import Params, Summarizer
from papertrail.core.parquet import read_rows
from papertrail.core.records import Row
from papertrail.core.runtime import device, to_inference
from papertrail.data.prepared import split_file
from papertrail.evaluate.extracts import EXTRACTORS, oracle
from papertrail.evaluate.results import Example, Predictions, Results
from papertrail.evaluate.systems import ScoredSystems, add_intervals
from papertrail.metrics.rouge import mean_scores, score_summaries
from papertrail.models.language_model import Summary, fit_source, load_model, load_tokenizer, write_summaries

OPENING = 3  # sentences of a source in an example


def evaluate(model: Summarizer, folder: Path, params: Params) -> Results:
    """Summarize the test papers and score the summaries; every paper becomes an example.

    Args:
        model: Parameters of the summarizer.
        folder: The trained model.
        params: All parameters.

    Raises:
        ParamsError: Prompt, source and summary exceed the positions of the model.
    """
    train, test = (read_rows(split_file(model.task, model.dataset, split)).to_list() for split in ("train", "test"))
    words = round(mean(len(" ".join(row["target"]).split()) for row in train))
    written = {
        "model": generate(model, folder, test, params),
        "untuned": generate(model, Path(model.base_model), test, params),
    }
    texts = {system: [summary.text for summary in summaries] for system, summaries in written.items()}
    texts |= {system: [extract(row["source"], words) for row in test] for system, extract in EXTRACTORS.items()}
    texts["oracle"] = [oracle(row["source"], row["target"], words) for row in test]
    systems = add_intervals(score_texts(test, texts), test, params.evaluation, params.seed)
    for system, summaries in written.items():
        systems.scores[system] |= token_counts(summaries, params.evaluation.summarizer.max_new_tokens)
    tokenizer = load_tokenizer(folder)
    left_out = sum(fit_source(row["source"], tokenizer, model.max_input_tokens)[1] for row in test)
    sentences = sum(len(row["source"]) for row in test)
    counts = {"papers": len(test), "words_of_extracts": words, "sentences": sentences, "sentences_left_out": left_out}
    return Results(
        scores={"test": {**systems.scores, **counts}},
        predictions={"test": Predictions(kind=systems.kind, features=_features(systems), rows=systems.rows)},
        examples=[
            _example(row, untuned, tuned)
            for row, untuned, tuned in zip(test, texts["untuned"], texts["model"], strict=True)
        ],
    )


def generate(model: Summarizer, weights: Path, rows: list[Row], params: Params) -> list[Summary]:
    """Generate a summary per row with the language model in folder `weights`."""
    network = to_inference(load_model(weights, device(params.runtime)), params.runtime)
    return write_summaries(network, load_tokenizer(weights), rows, model, params.evaluation.summarizer)


def score_texts(test: list[Row], texts: dict[str, list[str]]) -> ScoredSystems:
    """Return predictions with the scores of each paper, and mean scores; texts: system -> (papers,) summaries."""
    per_paper = {system: score_summaries(test, summaries) for system, summaries in texts.items()}
    predictions: dict[str, list[Row]] = {
        system: [
            {"id": row["id"], "text": text, **scores}
            for row, text, scores in zip(test, texts[system], per_paper[system], strict=True)
        ]
        for system in texts
    }
    return ScoredSystems(
        "summaries", predictions, {system: dict(mean_scores(scores)) for system, scores in per_paper.items()}
    )


def token_counts(summaries: list[Summary], cap: int) -> dict[str, float]:
    """Return the mean number of tokens, and the share of summaries that reach the cap."""
    tokens = [summary.tokens for summary in summaries]
    return {"tokens": mean(tokens), "share_at_token_cap": mean(count >= cap for count in tokens)}


def _features(systems: ScoredSystems) -> Features:
    texts = ("id", "paper", "system", "text")
    numbers = [column for column in systems.rows[0] if column not in texts]
    return Features(**dict.fromkeys(texts, Value("string")), **dict.fromkeys(numbers, Value("float64")))


def _example(row: Row, untuned: str, tuned: str) -> Example:
    fields = {
        "title": row["title"],
        "source begins": " ".join(row["source"][:OPENING]),
        "reference": " ".join(row["target"]),
        "untuned": untuned,
        "tuned": tuned,
    }
    return Example(view="test", id=row["id"], fields=fields)
