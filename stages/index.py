"""Embed a collection and index it -> data/index/<name>/: vectors, documents, manifest."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from scholar.errors import run
from scholar.heads.retrieval import document_text, embed, load_encoder
from scholar.index import VECTORS, Vectors, build, recall_against_exact, write_index
from scholar.params import choose, load_params
from scholar.records import read_rows, write_json
from scholar.runtime import device, start

DEPTH = 10  # ranks compared with exact search


def main() -> None:
    """Build the index in batches of like length, then compare it with exact search on the validation queries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="an index of params.yaml")
    name = parser.parse_args().name
    params = load_params()
    settings = params.indexes[choose("index", name, list(params.indexes))]
    retriever = params.retrievers[settings.retriever]
    start(params.runtime, params.seed)

    data = Path("data/prepared/semantic_search", settings.data)
    collection = read_rows(data / "collection.parquet").to_list()
    queries = [row["query"] for row in read_rows(data / "validation.parquet").to_list()]
    collection.sort(key=lambda document: (len(document_text(document, retriever.inputs)), document["id"]))
    model = Path("models", settings.retriever)
    encoder = load_encoder(model, retriever.max_tokens, device(params.runtime))
    kept: list[Vectors] = []  # for the comparison alone

    def batches() -> Iterator[Vectors]:
        for first in tqdm(range(0, len(collection), settings.batch_size), desc="index", disable=None):
            texts = [document_text(row, retriever.inputs) for row in collection[first : first + settings.batch_size]]
            kept.append(embed(encoder, texts, settings.batch_size))
            yield kept[-1]

    index = build(settings, encoder.get_embedding_dimension(), batches(), params.runtime.threads)
    folder = Path("data/index", name)
    manifest = write_index(index, collection, model, settings, folder)
    found = recall_against_exact(index, np.concatenate(kept), embed(encoder, queries, settings.batch_size), DEPTH)
    metrics = {"count": manifest["count"], "dimension": manifest["dimension"], "queries": len(queries)}
    size = (folder / VECTORS).stat().st_size
    write_json({**metrics, "bytes": size, f"recall@{DEPTH}_of_exact": found}, Path("metrics/index", f"{name}.json"))


if __name__ == "__main__":
    run(main)
