"""`python -m benchmarks.cranfield FOLDER`: search on the Cranfield collection, which is not in the training data.

Reads cran.all.1400.gz, cran.qry and cranqrel from FOLDER with the settings of docs/data.md, and models/<retriever>;
writes benchmarks/cranfield.json. Gains are graded from 1, minimum interest, to 4, a complete answer.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from papertrail.core.params import OptionalFiles, Retriever, Sizes, choose, load_params
from papertrail.core.process import run_cli
from papertrail.core.records import Counts
from papertrail.core.runtime import configure, start
from papertrail.data.formats.beir import DocumentFields, QueryFields
from papertrail.data.search_collections import (
    CollectionFiles,
    CollectionSettings,
    read_collection_documents,
    read_judged_queries,
)

OUTPUT = Path("benchmarks/cranfield.json")
CRANFIELD = CollectionSettings(
    task="semantic_search",
    source="cranfield",
    format="beir",
    files=CollectionFiles(
        documents="cran.all.1400.gz",
        queries="cran.qry",
        qrels=OptionalFiles(train=None, validation=None, test="cranqrel"),
    ),
    document_fields=DocumentFields(id="I", title="T", abstract="W", year=None),
    query_fields=QueryFields(id="I", text="W"),
    query_ids="position",
    query_document="last_judgement",
    gains={"1": 4, "2": 3, "3": 2, "4": 1, "5": 0, "-1": 0},
    max_unknown=0.0,
    labels_by="human",
    queries=Sizes(train=None, validation=None, test=None),
    documents=None,
)


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
    from papertrail.evaluate.retriever import rank_documents, score_rankings
    from papertrail.metrics.ranking import relevance_of

    start(params.runtime, params.seed)
    folder = Path("models", arguments.retriever)
    retriever = replace(retriever, max_tokens=arguments.max_tokens, inputs=["title", "abstract"])
    queries = [row for _, row in read_judged_queries(arguments.folder, CRANFIELD, params.seed, Counts())]
    needed = {document for query in queries for document in query["relevant"]}
    documents = list(read_collection_documents(arguments.folder, CRANFIELD, params.seed, Counts(), needed))
    ranked = rank_documents(retriever, folder, queries, documents, params)
    scores = score_rankings(relevance_of(queries), ranked.systems).scores
    facts = {"model_sha256": sha256_of_folder(folder), "max_tokens": arguments.max_tokens}
    write_json({"test": scores, **facts, "texts_cut": ranked.truncated}, OUTPUT)


if __name__ == "__main__":
    run_cli(main)
