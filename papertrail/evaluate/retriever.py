"""Evaluation of retrievers: every test query is searched in the collection by each system, and the ranking scored.

Systems: the fine-tuned encoder (model), its base model (untuned), BM25, and the fusion of BM25 and model (hybrid).
"""

from dataclasses import dataclass
from pathlib import Path

from datasets import Features, List, Value

from papertrail.core.errors import DataError
from papertrail.core.params import Params, Retriever
from papertrail.core.parquet import read_rows
from papertrail.core.records import SPLITS, Row
from papertrail.core.runtime import device, to_inference
from papertrail.data.prepared import collection_file, split_file
from papertrail.evaluate.results import Example, Predictions, Results
from papertrail.evaluate.systems import ScoredSystems, add_intervals
from papertrail.evaluate.trec import to_trec_qrels, to_trec_run
from papertrail.metrics.ranking import MEASURES, Rankings, Relevance, mean_scores, relevance_of, retrieval_scores
from papertrail.models.embeddings import embed_collection
from papertrail.models.ranking import Integers, bm25_ranking, fuse, top
from papertrail.models.search_systems import FUSED_RANKS
from papertrail.models.sentence_encoder import count_truncated, document_text, embed, load_encoder

RANKS = (1, 2, 3, 5, 10, 20, 30, 50, 70, 100)  # of the recall plot
TITLES = 3  # top-ranked documents in an error example
FEATURES = Features(
    **{column: Value("string") for column in ("id", "paper", "system")},
    ranked=List(Value("string")),
    **{measure: Value("float64") for measure in MEASURES},
)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rankings by system, and how many queries and documents the encoder truncated."""

    systems: dict[str, Rankings]
    truncated: int


def evaluate(model: Retriever, folder: Path, params: Params) -> Results:
    """Rank the collection for every test query and score the rankings.

    Args:
        model: Parameters of the retriever.
        folder: The trained model.
        params: All parameters.

    Raises:
        DataError: There is no test query, a query has no relevant document, or the collection has no word.
    """
    rows = {split: read_rows(split_file(model.task, model.dataset, split)).to_list() for split in SPLITS}
    train, test = rows["train"], rows["test"]
    if not test:
        raise DataError(
            f"data set {model.dataset}: no test queries, so no model of it can be evaluated; add judgements of the "
            "test split, or remove the model and let an index name a retriever of another data set"
        )
    documents = read_rows(collection_file(model.task, model.dataset)).to_list()
    ranked = rank_documents(model, folder, test, documents, params)
    qrels = relevance_of(test)
    systems = add_intervals(score_rankings(qrels, ranked.systems), test, params.evaluation, params.seed)
    seen = {document for row in train for document in row["relevant"]}
    parts = {"seen": seen, "unseen": {document["id"] for document in documents} - seen} if train else {}
    counts = {
        "documents": len(documents),
        "documents_seen_in_training": len(seen),
        "validation_queries": len(rows["validation"]),
        "texts_cut": ranked.truncated,
    }
    return Results(
        scores={"test": {**systems.scores, **score_parts(parts, qrels, ranked.systems), **counts}},
        predictions={"test": Predictions(kind=systems.kind, features=FEATURES, rows=systems.rows)},
        plots={"recall": recall_by_rank(qrels, ranked.systems)},
        examples=find_errors(test, ranked.systems["model"], documents, params.evaluation.error_examples),
        texts={
            "run.trec": to_trec_run(ranked.systems["model"], folder.name),
            "qrels.trec": to_trec_qrels(qrels),
        },
    )


def rank_documents(model: Retriever, folder: Path, queries: list[Row], documents: list[Row], params: Params) -> Ranked:
    """Rank documents for queries by every system. The query's own paper is excluded.

    Args:
        model: Parameters of the retriever.
        folder: The trained model.
        queries: Rows with id, query and own, the id of the query's paper.
        documents: Rows with an id and the inputs of the model.
        params: Depth of the rankings and runtime.
    """
    search = params.evaluation.retriever
    ids = [document["id"] for document in documents]
    texts = [document_text(document, model.inputs) for document in documents]
    asked = [row["query"] for row in queries]
    depth = min(search.depth + 1, len(ids))  # one more, because the query's own paper is excluded
    ranked: dict[str, Integers] = {}
    truncated = 0
    for system, weights in {"model": folder, **({"untuned": Path(model.base_model)} if model.epochs else {})}.items():
        encoder = to_inference(load_encoder(weights, model.max_tokens, device(params.runtime)), params.runtime)
        vectors = embed_collection(encoder, documents, texts, search.batch_size, params.seed)
        ranked[system] = top(embed(encoder, asked, search.batch_size) @ vectors.T, depth)[0]
        truncated = count_truncated(encoder, [*asked, *texts])
    ranked.setdefault("untuned", ranked["model"])  # without epochs the weights are the same
    ranked["bm25"] = bm25_ranking(asked, texts, depth)
    fused = [ranked[system][:, :FUSED_RANKS] for system in ("bm25", "model")]
    ranked["hybrid"] = fuse(fused, model.fusion_constant, depth, len(ids))[0]
    systems = {
        system: {
            row["id"]: [ids[i] for i in best if i >= 0 and ids[i] != row["own"]][: search.depth]
            for row, best in zip(queries, positions, strict=True)
        }
        for system, positions in ranked.items()
    }
    return Ranked(systems, truncated)


def score_rankings(qrels: Relevance, systems: dict[str, Rankings]) -> ScoredSystems:
    """Return predictions with the scores of each query, and mean scores."""
    per_query = {system: retrieval_scores(qrels, rankings) for system, rankings in systems.items()}
    predictions: dict[str, list[Row]] = {
        system: [{"id": query, "ranked": systems[system][query], **scores[query]} for query in qrels]
        for system, scores in per_query.items()
    }
    return ScoredSystems(
        "retrieval", predictions, {system: dict(mean_scores(scores)) for system, scores in per_query.items()}
    )


def score_parts(
    parts: dict[str, set[str]], qrels: Relevance, systems: dict[str, Rankings]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return part -> system -> mean scores, where only the relevant documents of the part count.

    Args:
        parts: Part -> ids of documents; a part without a relevant document is omitted.
        qrels: Relevant documents of all parts.
        systems: Rankings by system.
    """
    scores = {}
    for part, documents in parts.items():
        judged = {query: {d: g for d, g in relevant.items() if d in documents} for query, relevant in qrels.items()}
        judged = {query: relevant for query, relevant in judged.items() if relevant}
        if judged:
            scores[part] = {
                system: mean_scores(retrieval_scores(judged, without_others(judged, qrels, rankings)))
                for system, rankings in systems.items()
            }
    return scores


def without_others(judged: Relevance, qrels: Relevance, rankings: Rankings) -> Rankings:
    """Return rankings without relevant documents outside `judged`: they count neither as relevant nor as errors."""
    return {query: [d for d in rankings[query] if d in judged[query] or d not in qrels[query]] for query in judged}


def recall_by_rank(qrels: Relevance, systems: dict[str, Rankings]) -> list[dict[str, float]]:
    """Return rows of rank and, per system, the mean share of a query's relevant documents within that rank."""

    def recall(rankings: Rankings, rank: int) -> float:
        return sum(len(qrels[q].keys() & rankings[q][:rank]) / len(qrels[q]) for q in qrels) / len(qrels)

    return [{"rank": rank, **{system: recall(found, rank) for system, found in systems.items()}} for rank in RANKS]


def find_errors(test: list[Row], rankings: Rankings, documents: list[Row], count: int) -> list[Example]:
    """Return the queries whose first relevant document ranks lowest, with the documents that rank first."""
    titles = {document["id"]: document["title"] for document in documents}
    ranks = {
        row["id"]: min(
            (rankings[row["id"]].index(d) + 1 for d in row["relevant"] if d in rankings[row["id"]]), default=0
        )
        for row in test
    }
    worst = sorted(test, key=lambda row: (-(ranks[row["id"]] or len(titles)), row["id"]))[:count]
    return [_example(row, ranks[row["id"]], rankings[row["id"]], titles) for row in worst]


def _example(row: Row, rank: int, ranking: list[str], titles: dict[str, str]) -> Example:
    place = f"rank {rank}" if rank else f"not in the first {len(ranking)}"
    fields = {
        "query": row["query"],
        "cited": f"{'; '.join(titles[d] for d in row['relevant'])} ({place})",
        "found first": "; ".join(titles[d] for d in ranking[:TITLES]),
    }
    return Example(view="test", id=row["id"], fields=fields)
