"""Search in the index of a retriever: by a query, or for papers similar to one of the index."""

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from papertrail.core.errors import DataError
from papertrail.core.params import Retriever
from papertrail.core.records import Row
from papertrail.core.runtime import device, to_inference
from papertrail.data.text import normalise_title
from papertrail.inference.load import Model
from papertrail.inference.snippets import shorten

if TYPE_CHECKING:
    from papertrail.models.index import Loaded

SNIPPET = 300  # characters of an abstract
SIMILAR_TITLE = 0.8  # ratio of a title with a typo or two; difflib's default 0.6 accepts other titles and takes seconds


def search(model: Model, queries: list[str], k: int) -> list[Row]:
    """Find the k documents nearest to each query.

    Returns:
        For each query {"query", "cut", "hits": [{"rank", "id", "title", "year", "abstract", "cosine_similarity"}]},
        best first. "cut": whether the query was truncated. "year" is None if unknown; "abstract" is its beginning.

    Raises:
        DataError: A query is empty.
    """
    _check_queries(queries)
    answers = _nearest(model, queries, k)
    return [{"query": query, **answer} for query, answer in zip(queries, answers, strict=True)]


def find_similar(model: Model, papers: list[str], k: int) -> list[Row]:
    """Find the k documents nearest to each paper of the index, the paper itself excluded.

    Args:
        model: A retriever with its index.
        papers: Id or title of each; case and punctuation of a title do not matter.
        k: Maximum number of hits.

    Returns:
        For each paper {"paper": {"id", "title"}, "cut", "hits"}; hits as in `search`.

    Raises:
        DataError: A name is empty, or not in the index; the message suggests a similar title or the nearest document.
    """
    from papertrail.models.sentence_encoder import document_text

    index, settings = _index_of(model), model.settings_as(Retriever)
    documents = _find_papers(model, index, papers)
    found = _nearest(model, [document_text(document, settings.inputs) for document in documents], k + 1)
    answers = []
    for document, answer in zip(documents, found, strict=True):
        others = [hit for hit in answer["hits"] if hit["id"] != document["id"]][:k]
        hits = [{**hit, "rank": rank} for rank, hit in enumerate(others, start=1)]
        paper = {"id": document["id"], "title": document["title"]}
        answers.append({"paper": paper, "cut": answer["cut"], "hits": hits})
    return answers


def search_untuned(model: Model, queries: list[str], k: int) -> list[list[Row]]:
    """Find the k documents nearest to each query with the base model, as it was before fine-tuning.

    The documents of the index are embedded again, because vectors of different encoders are not comparable.

    Returns:
        The hits of each query, as in `search`.

    Raises:
        DataError: A query is empty, or the base model is missing.
    """
    from papertrail.models.ranking import top
    from papertrail.models.sentence_encoder import document_text, embed, load_encoder

    _check_queries(queries)
    index, settings = _index_of(model), model.settings_as(Retriever)
    folder = Path(settings.base_model)
    if not (folder / "config.json").is_file():
        raise DataError(f"{folder}: the base model is missing; `dvc repro finetune@{model.name}` makes it")
    runtime, batch_size = model.params.runtime, model.params.evaluation.retriever.batch_size
    encoder = to_inference(load_encoder(folder, settings.max_tokens, device(runtime)), runtime)
    documents = embed(encoder, [document_text(row, settings.inputs) for row in index.documents], batch_size)
    scores = embed(encoder, queries, batch_size) @ documents.T  # (queries, documents)
    return _make_hits(index, *top(scores, min(k, len(index.documents))))


def _check_queries(queries: list[str]) -> None:
    for number, query in enumerate(queries, start=1):
        if not query.strip():
            raise DataError(f"query {number} of {len(queries)} is empty; give the text to search for")


def _nearest(model: Model, texts: list[str], k: int) -> list[Row]:
    """Return {"cut", "hits"} for each text."""
    from papertrail.models.sentence_encoder import count_truncated, embed

    index = _index_of(model)
    vectors = embed(model.network, texts, model.params.evaluation.retriever.batch_size)
    hits = _make_hits(index, *index.search(vectors, min(k, len(index.documents))))
    cut = [count_truncated(model.network, [text]) > 0 for text in texts]
    return [{"cut": cut[number], "hits": hits[number]} for number in range(len(texts))]


def _make_hits(index: "Loaded", positions: Any, scores: Any) -> list[list[Row]]:
    """Return the hits of each query from positions and cosine similarities, (queries, k); position -1 is no hit."""
    hits = []
    for places, cosines in zip(positions.tolist(), scores.tolist(), strict=True):
        pairs = [(place, cosine) for place, cosine in zip(places, cosines, strict=True) if place >= 0]
        hits.append([_hit(rank, index.documents[place], cosine) for rank, (place, cosine) in enumerate(pairs, start=1)])
    return hits


def _hit(rank: int, document: Row, cosine: float) -> Row:
    return {
        "rank": rank,
        "id": document["id"],
        "title": document["title"],
        "year": document["year"] or None,
        "abstract": shorten(document["abstract"], SNIPPET),
        "cosine_similarity": cosine,
    }


def _find_papers(model: Model, index: "Loaded", papers: list[str]) -> list[Row]:
    """Return the document of each id or title."""
    ids = {document["id"]: document for document in index.documents}
    titles = {normalise_title(document["title"]): document for document in reversed(index.documents)}  # the first wins
    found = []
    for paper in papers:
        if not paper.strip():
            raise DataError("the name of the paper is empty; expected an id or a title")
        document = ids.get(paper) or titles.get(normalise_title(paper))
        if document is None:
            similar = [titles[title] for title in get_close_matches(normalise_title(paper), titles, 1, SIMILAR_TITLE)]
            nearest = similar or search(model, [paper], 1)[0]["hits"]
            hint = f"the nearest is '{nearest[0]['title']}' (id {nearest[0]['id']}); " if nearest else ""
            raise DataError(
                f"no paper '{paper}' among the {len(index.documents)} of the index; {hint}"
                "expected an id or a title; use a search for any other text"
            )
        found.append(document)
    return found


def _index_of(model: Model) -> "Loaded":
    model.settings_as(Retriever)
    if model.index is None:
        raise TypeError(f"{model.name} was loaded without an index")
    return model.index
