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
from papertrail.models.search_systems import SYSTEMS

if TYPE_CHECKING:
    from papertrail.models.index import Loaded, Vectors

SNIPPET = 300  # characters of an abstract
SIMILAR_TITLE = 0.8  # ratio of a title with a typo or two; difflib's default 0.6 accepts other titles and takes seconds


def search(model: Model, queries: list[str], k: int) -> list[Row]:
    """Find the k best documents for each query, by the system that is best on validation.

    Returns:
        For each query {"query", "system", "cut", "hits": [{"rank", "id", "title", "year", "abstract", "score",
        "cosine_similarity"}]}, best first. "system": what ranked, for people; "cut": whether the query was truncated
        for the model. "year" is None if unknown; "abstract" is its beginning; "score" is that of the system, and
        "cosine_similarity" that of the model.

    Raises:
        DataError: A query is empty.
    """
    _check_queries(queries)
    index, constant = _index_of(model), model.settings_as(Retriever).fusion_constant
    vectors, cut = _embed(model, queries)
    positions, scores = index.rank(queries, vectors, min(k, len(index.documents)), constant)
    cosines = scores if index.system == "model" else index.cosines(vectors, positions)
    hits = _make_hits(index, positions, scores, cosines)
    system = SYSTEMS[index.system]
    return [
        {"query": query, "system": system, "cut": cut[number], "hits": hits[number]}
        for number, query in enumerate(queries)
    ]


def find_similar(model: Model, papers: list[str], k: int) -> list[Row]:
    """Find the k documents nearest to each paper of the index, the paper itself excluded.

    Args:
        model: A retriever with its index.
        papers: Id or title of each; case and punctuation of a title do not matter.
        k: Maximum number of hits.

    Returns:
        For each paper {"paper": {"id", "title"}, "system", "cut", "hits"} as in `search`; the system is the model.

    Raises:
        DataError: A name is empty, or not in the index; the message suggests a similar title or the nearest document.
    """
    from papertrail.models.sentence_encoder import document_text

    index, settings = _index_of(model), model.settings_as(Retriever)
    documents = _find_papers(model, index, papers)
    vectors, cut = _embed(model, [document_text(document, settings.inputs) for document in documents])
    positions, cosines = index.search(vectors, min(k + 1, len(index.documents)))
    found = _make_hits(index, positions, cosines, cosines)
    answers = []
    for number, document in enumerate(documents):
        others = [hit for hit in found[number] if hit["id"] != document["id"]][:k]
        hits = [{**hit, "rank": rank} for rank, hit in enumerate(others, start=1)]
        paper = {"id": document["id"], "title": document["title"]}
        answers.append({"paper": paper, "system": SYSTEMS["model"], "cut": cut[number], "hits": hits})
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
    positions, cosines = top(scores, min(k, len(index.documents)))
    return _make_hits(index, positions, cosines, cosines)


def _check_queries(queries: list[str]) -> None:
    for number, query in enumerate(queries, start=1):
        if not query.strip():
            raise DataError(f"query {number} of {len(queries)} is empty; give the text to search for")


def _embed(model: Model, texts: list[str]) -> tuple["Vectors", list[bool]]:
    """Return the vectors of texts, and whether each text was truncated."""
    from papertrail.models.sentence_encoder import count_truncated, embed

    vectors = embed(model.network, texts, model.params.evaluation.retriever.batch_size)
    return vectors, [count_truncated(model.network, [text]) > 0 for text in texts]


def _make_hits(index: "Loaded", positions: Any, scores: Any, cosines: Any) -> list[list[Row]]:
    """Return the hits of each query from positions, scores and cosines, (queries, k) each; position -1 is no hit."""
    hits = []
    for row in zip(positions.tolist(), scores.tolist(), cosines.tolist(), strict=True):
        found = [hit for hit in zip(*row, strict=True) if hit[0] >= 0]
        hits.append(
            [_hit(rank, index.documents[place], *values) for rank, (place, *values) in enumerate(found, start=1)]
        )
    return hits


def _hit(rank: int, document: Row, score: float, cosine: float) -> Row:
    return {
        "rank": rank,
        "id": document["id"],
        "title": document["title"],
        "year": document["year"] or None,
        "abstract": shorten(document["abstract"], SNIPPET),
        "score": score,
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
