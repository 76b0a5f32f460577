"""Embed a collection and index it -> data/index/<name>/: vectors, documents, manifest."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from scholar.errors import run
from scholar.heads.retrieval import document_text, embed, load_encoder
from scholar.index import VECTORS, ExactSearch, Vectors, build, write_index
from scholar.params import choose, load_params
from scholar.records import read_rows, write_json
from scholar.runtime import device, for_reading, start
from scholar.splits import draw

DEPTH = 10  # ranks compared with exact search
BATCHES_SORTED = 20  # batches whose texts are sorted by length together


def main() -> None:
    """Build the index in batches of like length; compare it with exact search on the validation queries."""
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
    collection.sort(key=lambda document: draw(params.seed, "index", document["id"]))  # the first stand for all
    model = Path("models", settings.retriever)
    encoder = for_reading(load_encoder(model, retriever.max_tokens, device(params.runtime)), params.runtime)
    exact = ExactSearch(embed(encoder, queries, settings.batch_size), DEPTH)

    def batches() -> Iterator[Vectors]:
        size = BATCHES_SORTED * settings.batch_size
        for first in tqdm(range(0, len(collection), size), desc="index", disable=None):
            texts = [document_text(row, retriever.inputs) for row in collection[first : first + size]]
            vectors = embed(encoder, texts, settings.batch_size)
            exact.update(vectors)
            yield vectors

    index = build(settings, encoder.get_embedding_dimension(), batches(), params.runtime.threads)
    folder = Path("data/index", name)
    manifest = write_index(index, collection, model, settings, folder)
    metrics = {"count": manifest["count"], "dimension": manifest["dimension"], "queries": len(queries)}
    size = (folder / VECTORS).stat().st_size
    write_json(
        {**metrics, "bytes": size, f"recall@{DEPTH}_of_exact": exact.recall_of(index)},
        Path("metrics/index", f"{name}.json"),
    )


if __name__ == "__main__":
    run(main)
