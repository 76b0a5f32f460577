"""`python -m benchmarks.cranfield FOLDER`: search on the Cranfield collection, which was not in our training.

Reads cran.all.1400.gz, cran.qry and cranqrel from FOLDER, and models/<retriever>; writes benchmarks/cranfield.json.
Gains are graded: what answers a question completely counts 4, what is of least interest 1.
"""

import argparse
from pathlib import Path

from scholar.errors import run
from scholar.params import choose, load_params
from scholar.runtime import configure, device, for_reading, start


def main() -> None:
    """Rank all documents for every question by BM25, by the untuned and by the tuned encoder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the three files are")
    parser.add_argument("--retriever", default="search-base", help="a retriever of params.yaml")
    parser.add_argument("--max-tokens", type=int, default=256, help="read of each text by the encoders")
    arguments = parser.parse_args()
    params = load_params()
    configure(params.runtime)
    retriever = params.retrievers[choose("retriever", arguments.retriever, list(params.retrievers))]

    from scholar.corpora.cranfield import read_documents, read_queries  # after the caps are set
    from scholar.heads.retrieval import count_cut, document_text, embed, load_encoder
    from scholar.index import hash_model
    from scholar.ranking import bm25_ranking, fuse, mean_scores, retrieval_scores, top
    from scholar.records import write_json

    start(params.runtime, params.seed)
    documents, queries = list(read_documents(arguments.folder)), list(read_queries(arguments.folder))
    ids = [document["id"] for document in documents]
    texts = [document_text(document, ["title", "abstract"]) for document in documents]
    asked = [query["query"] for query in queries]
    depth = min(params.search.depth + 1, len(ids))  # one more, since the paper of the question itself is passed over
    ranked = {"bm25": bm25_ranking(asked, texts, depth)}
    for system, folder in {"untuned": Path(retriever.encoder), "model": Path("models", arguments.retriever)}.items():
        encoder = for_reading(load_encoder(folder, arguments.max_tokens, device(params.runtime)), params.runtime)
        cut = count_cut(encoder, [*asked, *texts])
        vectors = embed(encoder, texts, params.search.batch_size)
        ranked[system] = top(embed(encoder, asked, params.search.batch_size) @ vectors.T, depth)[0]
    ranked["hybrid"] = fuse([ranked["bm25"], ranked["model"]], params.search.fusion_constant, depth, len(ids))[0]
    qrels = {query["id"]: dict(zip(query["relevant"], query["gains"], strict=True)) for query in queries}
    lists = {
        s: {
            q["id"]: [ids[i] for i in best if i >= 0 and ids[i] != q["own"]][: params.search.depth]
            for q, best in zip(queries, ranked[s], strict=True)
        }
        for s in ranked
    }
    scores = {system: mean_scores(retrieval_scores(qrels, found)) for system, found in lists.items()}
    facts = {"model_sha256": hash_model(Path("models", arguments.retriever)), "max_tokens": arguments.max_tokens}
    write_json({"test": scores, **facts, "texts_cut": cut}, Path("benchmarks/cranfield.json"))


if __name__ == "__main__":
    run(main)
