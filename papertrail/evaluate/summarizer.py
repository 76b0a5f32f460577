"""Evaluation of summarizers: summaries of test papers by each system, with ROUGE and support by the source.

Systems: the fine-tuned model (model), its base model with the same prompt (untuned), and the baselines of
papertrail.evaluate.summaries. Generation takes seconds per paper, so a number of papers is drawn from the test split.
"""

from pathlib import Path
from statistics import mean

from papertrail.core.params import Params, Summarizer
from papertrail.core.parquet import read_rows
from papertrail.core.records import Row
from papertrail.core.runtime import device, to_inference
from papertrail.data.prepared import split_file
from papertrail.evaluate.results import Results
from papertrail.evaluate.summaries import make_results, score_texts, write_extracts
from papertrail.metrics.rouge import mean_words
from papertrail.models.language_model import (
    Summary,
    draw_papers,
    load_model,
    load_tokenizer,
    read_source,
    write_summaries,
)


def evaluate(model: Summarizer, folder: Path, params: Params) -> Results:
    """Summarize test papers and score the summaries; every paper becomes an example.

    Args:
        model: Parameters of the summarizer.
        folder: The trained model.
        params: All parameters.

    Raises:
        ParamsError: Prompt, source and summary exceed the positions of the model.
    """
    train, test = (read_rows(split_file(model.task, model.dataset, split)).to_list() for split in ("train", "test"))
    generation = params.evaluation.summarizer
    papers = draw_papers(test, generation.papers, params.seed)
    words = mean_words([row["target"] for row in train])
    written = {
        "model": generate(model, folder, papers, params),
        "untuned": generate(model, Path(model.base_model), papers, params),
    }
    texts = {system: [summary.text for summary in summaries] for system, summaries in written.items()}
    systems = score_texts(papers, {**texts, **write_extracts(papers, words)}, params)
    for system, summaries in written.items():
        systems.scores[system] |= token_counts(summaries, generation.max_new_tokens)
    tokenizer = load_tokenizer(folder)
    counts = {
        "papers": len(papers),
        "papers_not_summarized": len(test) - len(papers),
        "words_of_extracts": words,
        "sentences": sum(len(row["source"]) for row in papers),
        "sentences_left_out": sum(read_source(row["source"], tokenizer, model)[1] for row in papers),
    }
    return make_results(papers, systems, counts, {"untuned": "untuned", "model": "tuned"})


def generate(model: Summarizer, weights: Path, rows: list[Row], params: Params) -> list[Summary]:
    """Generate a summary per row with the language model in folder `weights`."""
    network = to_inference(load_model(weights, device(params.runtime)), params.runtime)
    return write_summaries(network, load_tokenizer(weights), rows, model, params.evaluation.summarizer)


def token_counts(summaries: list[Summary], cap: int) -> dict[str, float]:
    """Return the mean number of tokens, and the share of summaries that reach the cap."""
    tokens = [summary.tokens for summary in summaries]
    return {"tokens": mean(tokens), "share_at_token_cap": mean(count >= cap for count in tokens)}
