"""`python -m scholar.search INDEX QUERY`: what the tuned and the untuned encoder find for a query, side by side.

The tuned one looks the query up in its index; the untuned one embeds the same documents anew, since its vectors do not
compare with those of the index.
"""

import argparse
import logging
import sys
import textwrap
from pathlib import Path
from typing import Any

from scholar.ask.bibliography import read_text
from scholar.errors import DataError, run
from scholar.params import choose, load_params
from scholar.runtime import configure, device, for_reading, start

TOP = 5  # results of each, as published
WIDTH = 100  # characters a line
log = logging.getLogger(__name__)


def main() -> None:
    """Search, and print the results of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", help="an index of params.yaml, such as papers")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("query", nargs="?", help="what to search for")
    source.add_argument("--file", type=Path, help="a UTF-8 text file with a query on each line")
    arguments = parser.parse_args()
    queries = read_queries(arguments.file) if arguments.file else [arguments.query.strip()]
    if not all(queries):
        raise DataError("the query is empty; say what to search for")
    params = load_params()
    configure(params.runtime)
    settings = params.indexes[choose("index", arguments.index, list(params.indexes))]
    retriever = params.retrievers[settings.retriever]

    from scholar.heads.retrieval import count_cut, document_text, embed, load_encoder  # after the caps are set
    from scholar.index import load_index
    from scholar.ranking import top

    start(params.runtime, params.seed)
    model = Path("models", settings.retriever)
    index = load_index(Path("data/index", arguments.index), model)
    tuned, untuned = (
        for_reading(load_encoder(folder, retriever.max_tokens, device(params.runtime)), params.runtime)
        for folder in (model, Path(retriever.encoder))
    )
    if cut := count_cut(tuned, queries):
        log.warning(
            "%d of %d queries are longer than %d tokens; only their beginning is read",
            cut,
            len(queries),
            retriever.max_tokens,
        )
    texts = [document_text(document, retriever.inputs) for document in index.documents]
    depth = min(TOP, len(texts))
    documents = embed(untuned, texts, settings.batch_size)
    found = {
        "untuned": top(embed(untuned, queries, settings.batch_size) @ documents.T, depth),
        "tuned": index.search(embed(tuned, queries, settings.batch_size), depth),
    }
    for number, query in enumerate(queries):
        sys.stdout.write(f"Query: {query[:WIDTH]}\n")
        for system, (positions, scores) in found.items():
            sys.stdout.write(f"\n{system}, by cosine\n")
            for rank, (position, score) in enumerate(zip(positions[number], scores[number], strict=True), start=1):
                if position >= 0:  # an index of cells may know fewer
                    sys.stdout.write(show(rank, index.documents[position], float(score)))
        sys.stdout.write("\n")


def read_queries(file: Path) -> list[str]:
    """The lines of a file that are not blank.

    Raises:
        DataError: the file is missing, a folder, not UTF-8, or has no such line.
    """
    queries = [line.strip() for line in read_text(file).split("\n") if line.strip()]
    if not queries:
        raise DataError(f"{file}: no query; one a line was expected")
    return queries


def show(rank: int, document: dict[str, Any], score: float) -> str:
    """Rank, score, title, year, and the abstract where it is known."""
    year = f" ({document['year']})" if document["year"] else ""
    heading = f"{rank}. {score:.3f}  {document['title']}{year}\n"
    abstract = shorten(document["abstract"], 3 * WIDTH)
    return heading + textwrap.indent(textwrap.fill(abstract, WIDTH - 10), " " * 10) + ("\n" if abstract else "")


def shorten(text: str, width: int) -> str:
    """The beginning of a text on one line, cut between words; within the first, where it has no end, as in Chinese."""
    short = textwrap.shorten(text, width, placeholder=" ...")
    return short if short != "..." else " ".join(text.split())[: width - 4] + " ..."


if __name__ == "__main__":
    run(main)
