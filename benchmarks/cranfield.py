"""`python -m benchmarks.cranfield FOLDER`: search on the Cranfield collection, which is not in the training data.

Reads cran.all.1400.gz, cran.qry and cranqrel from FOLDER, and models/<retriever>; writes benchmarks/cranfield.json.
Gains are graded from 1, minimum interest, to 4, a complete answer.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from papertrail.core.params import Retriever, choose, load_params
from papertrail.core.process import run_cli
from papertrail.core.runtime import configure, start

OUTPUT = Path("benchmarks/cranfield.json")


def main() -> None:
    """Rank all documents for every question by each system of stage evaluate, and score the rankings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the three files")
    parser.add_argument("--retriever", default="search-base", help="a retriever of params.yaml")
    parser.add_argument("--max-tokens", type=int, default=256, help="maximum tokens per text")
    arguments = parser.parse_args()
    params = load_params()
    configure(params.runtime)
    retrievers = {name: model for name, model in params.models.items() if isinstance(model, Retriever)}
    retriever = retrievers[choose("retriever", arguments.retriever, list(retrievers))]

    from papertrail.core.artifacts import sha256_of_folder, write_json  # after the instruction caps are set
    from papertrail.data.formats.cranfield import read_documents, read_queries
    from papertrail.evaluate.retriever import rank_documents
    from papertrail.metrics.ranking import mean_scores, retrieval_scores

    start(params.runtime, params.seed)
    folder = Path("models", arguments.retriever)
    retriever = replace(retriever, max_tokens=arguments.max_tokens, inputs=["title", "abstract"])
    documents, queries = list(read_documents(arguments.folder)), list(read_queries(arguments.folder))
    ranked = rank_documents(retriever, folder, queries, documents, params)
    qrels = {query["id"]: dict(zip(query["relevant"], query["gains"], strict=True)) for query in queries}
    scores = {system: mean_scores(retrieval_scores(qrels, rankings)) for system, rankings in ranked.systems.items()}
    facts = {"model_sha256": sha256_of_folder(folder), "max_tokens": arguments.max_tokens}
    write_json({"test": scores, **facts, "texts_cut": ranked.truncated}, OUTPUT)


if __name__ == "__main__":
    run_cli(main)
