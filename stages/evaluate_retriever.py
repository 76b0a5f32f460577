"""Search the collection for every test query by each system -> predictions/<retriever>/, metrics, recall by rank.

Systems: the tuned encoder (model), the one that it was tuned from (untuned), BM25, and the fusion of BM25 and model.
"""

import argparse
import shutil
from pathlib import Path

from datasets import Features, List, Value

from scholar.errors import run
from scholar.heads.retrieval import count_cut, document_text, embed, load_encoder
from scholar.params import choose, load_params
from scholar.plots import write_csv
from scholar.ranking import MEASURES, Integers, bm25_ranking, fuse, mean_scores, retrieval_scores, top
from scholar.records import Row, read_rows, write_json, write_rows, write_text
from scholar.runtime import device, for_reading, start
from scholar.samples import intervals, paper_of

CUTS = (1, 2, 3, 5, 10, 20, 30, 50, 70, 100)  # ranks at which recall is drawn


def main() -> None:
    """Rank, then score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a retriever of params.yaml")
    name = parser.parse_args().name
    params = load_params()
    retriever = params.retrievers[choose("retriever", name, list(params.retrievers))]
    search = params.search
    start(params.runtime, params.seed)

    data = Path("data/prepared", retriever.task, retriever.data)
    train, test, collection = (
        read_rows(data / f"{part}.parquet").to_list() for part in ("train", "test", "collection")
    )
    ids = [document["id"] for document in collection]
    texts = [document_text(document, retriever.inputs) for document in collection]
    queries = [row["query"] for row in test]

    depth = min(search.depth + 1, len(ids))  # one more, since the paper of the query itself is passed over
    ranked: dict[str, Integers] = {}
    cut = 0
    for system, weights in {"model": f"models/{name}", "untuned": retriever.encoder}.items():
        encoder = load_encoder(Path(weights), retriever.max_tokens, device(params.runtime))
        encoder = for_reading(encoder, params.runtime)
        documents = embed(encoder, texts, search.batch_size)
        ranked[system] = top(embed(encoder, queries, search.batch_size) @ documents.T, depth)[0]
        cut = count_cut(encoder, [*queries, *texts])
    ranked["bm25"] = bm25_ranking(queries, texts, depth)
    ranked["hybrid"] = fuse([ranked["bm25"], ranked["model"]], search.fusion_constant, depth, len(ids))[0]

    qrels = {row["id"]: dict.fromkeys(row["relevant"], 1) for row in test}
    lists = {
        s: {
            row["id"]: [ids[i] for i in best if i >= 0 and ids[i] != row["own"]][: search.depth]
            for row, best in zip(test, ranked[s], strict=True)
        }
        for s in ranked
    }
    papers = {row["id"]: paper_of(row) for row in test}

    scores = {system: retrieval_scores(qrels, found) for system, found in lists.items()}
    results: dict[str, object] = {}
    for system, per_query in scores.items():
        given = [{"id": query, "paper": papers[query], **values} for query, values in per_query.items()]
        results[system] = {**mean_scores(per_query), **intervals(given, params.evaluation, params.seed)}
    seen = {document for row in train for document in row["relevant"]}
    for part, wanted in {"seen": seen, "unseen": set(ids) - seen}.items():
        judged = {query: {d: 1 for d in relevant if d in wanted} for query, relevant in qrels.items()}
        judged = {query: relevant for query, relevant in judged.items() if relevant}
        if judged:
            results[part] = {
                s: mean_scores(retrieval_scores(judged, without_others(judged, qrels, found)))
                for s, found in lists.items()
            }
    counts = {"documents": len(ids), "documents_seen_in_training": len(seen), "texts_cut": cut}

    folder = Path("predictions", name)
    part_folder = folder.with_name(folder.name + ".part")
    shutil.rmtree(part_folder, ignore_errors=True)
    rows: list[Row] = [
        {
            "id": row["id"],
            "paper": papers[row["id"]],
            "system": s,
            "ranked": lists[s][row["id"]],
            **scores[s][row["id"]],
        }
        for s in lists
        for row in test
    ]
    columns = {measure: Value("float64") for measure in MEASURES}
    texts_of = {column: Value("string") for column in ("id", "paper", "system")}
    features = Features(**texts_of, ranked=List(Value("string")), **columns)
    write_rows(rows, features, part_folder / "test.parquet")
    titles = {document["id"]: document["title"] for document in collection}
    write_text(describe(name, test, lists, titles, params.evaluation.most_wrong), part_folder / "errors.md")
    shutil.rmtree(folder, ignore_errors=True)  # everything is scored: from here on it is only put in place
    part_folder.rename(folder)
    write_csv(recall_by_rank(qrels, lists), Path("metrics/plots/recall", f"{name}.csv"), ["rank", *lists])
    write_json({"test": {**results, **counts}}, Path("metrics/evaluate", f"{name}.json"))


def without_others(
    judged: dict[str, dict[str, int]], qrels: dict[str, dict[str, int]], found: dict[str, list[str]]
) -> dict[str, list[str]]:
    """What was found, without right answers that are not judged here: they are neither hits nor in the way."""
    return {query: [d for d in found[query] if d in judged[query] or d not in qrels[query]] for query in judged}


def recall_by_rank(qrels: dict[str, dict[str, int]], lists: dict[str, dict[str, list[str]]]) -> list[dict[str, float]]:
    """Mean share of a query's relevant documents among the first ranks, a column per system."""

    def recall(found: dict[str, list[str]], rank: int) -> float:
        return sum(len(qrels[query].keys() & found[query][:rank]) / len(qrels[query]) for query in qrels) / len(qrels)

    return [{"rank": rank, **{system: recall(found, rank) for system, found in lists.items()}} for rank in CUTS]


def describe(
    name: str, test: list[Row], lists: dict[str, dict[str, list[str]]], titles: dict[str, str], count: int
) -> str:
    """The queries whose first relevant document the model ranks lowest, as Markdown."""
    found = lists["model"]
    ranks = {
        row["id"]: min((found[row["id"]].index(d) + 1 for d in row["relevant"] if d in found[row["id"]]), default=0)
        for row in test
    }
    worst = sorted(test, key=lambda row: (-(ranks[row["id"]] or len(titles)), row["id"]))[:count]
    blocks = [f"# {name}: the queries that it answers worst"]
    for row in worst:
        where = f"rank {ranks[row['id']]}" if ranks[row["id"]] else f"not in the first {len(found[row['id']])}"
        top_titles = "; ".join(titles[d] for d in found[row["id"]][:3])
        wanted = "; ".join(titles[d] for d in row["relevant"])
        blocks.append(f"- query: {row['query']}\n- cited: {wanted} ({where})\n- found first: {top_titles}")
    return "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    run(main)
