"""Evaluation of extractors: a summary of every test paper by the model and by baselines of the same length.

The baselines of papertrail.evaluate.summaries get as many words as the model, which chose its length on validation.
"""

from pathlib import Path

from papertrail.core.params import Extractor, Params
from papertrail.core.parquet import read_rows
from papertrail.core.runtime import device, to_inference
from papertrail.data.prepared import split_file
from papertrail.evaluate.results import Results
from papertrail.evaluate.summaries import make_results, score_texts, write_extracts
from papertrail.models.extractor import join, load_extractor


def evaluate(model: Extractor, folder: Path, params: Params) -> Results:
    """Summarize every test paper and score the summaries; every paper becomes an example.

    Args:
        model: Parameters of the extractor.
        folder: The fitted model.
        params: All parameters.
    """
    papers = read_rows(split_file(model.task, model.dataset, "test")).to_list()
    extractor = to_inference(load_extractor(folder, device(params.runtime)), params.runtime).eval()
    positions = extractor.extract(papers, params.evaluation.extractor.batch_size)
    chosen = [join(row["source"], own) for row, own in zip(papers, positions, strict=True)]
    words = extractor.selection.words
    systems = score_texts(papers, {"model": chosen, **write_extracts(papers, words)}, params)
    counts = {
        "papers": len(papers),
        "papers_without_title": sum(not row["title"] for row in papers),
        "words_of_extracts": words,
        "sentences": sum(len(row["source"]) for row in papers),
    }
    return make_results(papers, systems, counts, {"lexrank": "LexRank", "model": "model"})
