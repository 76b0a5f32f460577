"""What a loaded model says of texts: plain dicts, which are JSON as they stand; one per input, in the order given.

Scores are called what they are: probabilities of the model (no promise that it is right so often), or the cosine
similarity of two vectors. Loads torch: import it after `scholar.ask.models.load`, or after `scholar.runtime.configure`.
"""

import re
from bisect import bisect_left, bisect_right
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax
from sentencex import segment

from scholar.ask.models import Model
from scholar.ask.windows import find_entities
from scholar.batching import predict_logits
from scholar.corpora.s2orc import Paragraph, Span, normalise_title
from scholar.encoding import encode_rows
from scholar.errors import DataError
from scholar.params import Retriever, Run, Summarizer, validate
from scholar.records import Row
from scholar.search import shorten
from scholar.task import load_head, load_task
from scholar.tasks.citation_linking import mask_context

if TYPE_CHECKING:
    from scholar.index import Loaded

SNIPPET = 300  # characters of an abstract
LIKE = 0.8  # of a title to one with a slip or two; at difflib's own 0.6 other titles are alike, and it takes seconds
PARAGRAPH_END = re.compile(r"\n(?:\r?\n)+")
Answer = dict[str, Any]


def entities(model: Model, texts: list[str]) -> list[Answer]:
    """{"text", "entities": [{"start", "end", "text", "type", "probability"}], "windows"}; offsets are characters.

    Raises:
        DataError: a text is empty.
    """
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            raise DataError(f"text {number} of {len(texts)} is empty; give the text to read")
    run = _run(model)
    return find_entities(model, run, texts, _view(model, run.inputs).get("temperature", 1.0))


def intent(model: Model, texts: list[str]) -> list[Answer]:
    """{"label", "probabilities": {label: probability}, "threshold": None, "cut": whether the end was left unread}"""
    return classify(model, [{"text": text} for text in texts])


def category(model: Model, papers: list[dict[str, str]]) -> list[Answer]:
    """As `intent`, of papers {"title", "abstract"}; what a run reads and a paper lacks is left out of its input."""
    return classify(model, [dict(paper) for paper in papers])


def interest(model: Model, papers: list[dict[str, str]]) -> list[Answer]:
    """As `category`; the label is decided at "threshold", the one with the best F1 on validation."""
    return classify(model, [dict(paper) for paper in papers])


def classify(model: Model, rows: list[Row]) -> list[Answer]:
    """Label, probabilities, threshold and cut of rows that hold some of the inputs of the run.

    Raises:
        DataError: a row holds none of them.
    """
    run, head = _run(model), load_head(_run(model).head)
    rows = [{**dict.fromkeys(run.inputs, ""), **row, "label": 0} for row in rows]
    shown = [[name for name in run.inputs if str(row[name]).strip()] for row in rows]
    for number, given in enumerate(shown, start=1):
        if not given:
            raise DataError(f"input {number} of {len(rows)} is empty; {model.name} reads {' and '.join(run.inputs)}")
    encoded = [encode_rows(head, [row], model.tokenizer, run) for row in rows]
    items = [item for given, _ in encoded for item in given]
    logits = predict_logits(
        model.network, items, head.build_collator(model.tokenizer), model.params.evaluation.batch_size
    )
    answers = []
    for given, (_, cut), row_logits in zip(shown, encoded, logits, strict=True):
        view = _view(model, given)
        probabilities = softmax(row_logits.astype(np.float64) / view.get("temperature", 1.0))  # (labels,)
        threshold = view.get("model", {}).get("threshold")
        best = int(probabilities.argmax()) if threshold is None else int(probabilities[1] >= threshold)
        told = dict(zip(model.labels, probabilities.tolist(), strict=True))
        answers.append({"label": model.labels[best], "probabilities": told, "threshold": threshold, "cut": bool(cut)})
    return answers


def link(model: Model, documents: list[dict[str, Any]], k: int) -> list[Answer]:
    """For each document, whose form scholar/ask/bibliography.py tells, what each of its citations means.

    {"citations": [{"start", "end", "text", "target", "context", "ranked": [{"id", "title", "year", "probability",
    "above_threshold"}]}], "threshold", "entries_left_out"}: the k entries with the highest probability of belonging to
    the context; "above_threshold" is None where no threshold is known; entries without a text to read are left out.

    Raises:
        DataError: a document has no citation or no entry with a title, or an offset lies outside the text.
    """
    run = _run(model)
    place = f"params.yaml: datasets.{run.data}"
    settings: Any = validate(load_task(run.task).settings, model.params.datasets[run.data], place)
    threshold = _view(model, run.inputs).get("model", {}).get("pair_threshold")
    contexts = [mask_citations(document, settings) for document in documents]
    entries = [
        {entry["id"]: text for entry in document["bibliography"] if (text := _candidate(entry, settings))}
        for document in documents
    ]
    for number, known in enumerate(entries, start=1):
        if not known:
            raise DataError(f"document {number} of {len(entries)}: no entry of its bibliography has a title")
    rows = [
        {run.inputs[0]: context, run.inputs[1]: text, "label": 0}
        for given, known in zip(contexts, entries, strict=True)
        for context in given
        for text in known.values()
    ]
    probabilities = iter(_pair_probabilities(model, rows))
    answers = []
    for document, given, known in zip(documents, contexts, entries, strict=True):
        citations = []
        for citation, context in zip(document["citations"], given, strict=True):
            scores = {id_: next(probabilities) for id_ in known}
            ranked = _rank(document["bibliography"], scores, threshold, k)
            text = document["text"][citation["start"] : citation["end"]]
            citations.append({**citation, "text": text, "context": context, "ranked": ranked})
        left_out = len(document["bibliography"]) - len(known)
        answers.append({"citations": citations, "threshold": threshold, "entries_left_out": left_out})
    return answers


def mask_citations(document: dict[str, Any], settings: Any) -> list[str]:
    """The context of each citation as in training: within its paragraph, masked, and so its like (by their letters).

    Raises:
        DataError: there is no citation, or one is not inside the text, or begins inside the one before.
    """
    text, contexts, last = document["text"], [], 0
    if not document["citations"]:
        raise DataError("no citation was found in the text; \\cite{key}, [3], (Smith, 2019) or Smith (2019) are known")
    for citation in document["citations"]:
        if not last <= citation["start"] < citation["end"] <= len(text):
            bounds = f"[{citation['start']}, {citation['end']})"
            raise DataError(f"citation {bounds}: offsets in order and inside the text were expected (0 to {len(text)})")
        last = citation["end"]
    groups: dict[tuple[int, int], list[Span]] = {}  # [first, end) of a paragraph -> its citations, from its beginning
    breaks = [match.span() for match in PARAGRAPH_END.finditer(text)]
    starts, ends = [*(start for start, _ in breaks), len(text)], [0, *(end for _, end in breaks)]
    for citation in document["citations"]:
        first = ends[bisect_right(ends, citation["start"]) - 1]
        end = starts[bisect_left(starts, citation["end"])]
        cited = text[citation["start"] : citation["end"]]
        groups.setdefault((first, end), []).append(Span(citation["start"] - first, citation["end"] - first, cited))
    for (first, end), spans in groups.items():
        contexts += [_mask_nearby(text[first:end], spans, place, settings) for place in range(len(spans))]
    return contexts


def _mask_nearby(text: str, spans: list[Span], place: int, settings: Any) -> str:
    """As mask_context, which masks a whole paragraph for each of its citations: only what a context can reach."""
    first = last = place
    left = right = 0  # characters that stay at least, whatever is masked
    while first > 0 and left <= settings.context_characters:
        first -= 1
        own = spans[first].end - spans[first].start
        left += spans[first + 1].start - spans[first].end + min(own, len(settings.mask_text))
    while last < len(spans) - 1 and right <= settings.context_characters:
        last += 1
        own = spans[last].end - spans[last].start
        right += spans[last].start - spans[last - 1].end + min(own, len(settings.mask_text))
    start = spans[first].start if first else 0
    end = spans[last].end if last < len(spans) - 1 else len(text)
    near = [Span(span.start - start, span.end - start, span.target) for span in spans[first : last + 1]]
    return mask_context(Paragraph("", text[start:end], tuple(near), ()), near[place - first], settings)


def _candidate(entry: dict[str, Any], settings: Any) -> str:
    """What the model reads of an entry: its title; its abstract first where the data set has it so."""
    abstract = entry.get("abstract") if getattr(settings, "format", "") == "folder" else ""
    return str(abstract or entry.get("title") or "").strip()


def _pair_probabilities(model: Model, rows: list[Row]) -> list[float]:
    run, head = _run(model), load_head(_run(model).head)
    items, _ = encode_rows(head, rows, model.tokenizer, run)
    collate, temperature = head.build_collator(model.tokenizer), _view(model, run.inputs).get("temperature", 1.0)
    logits = predict_logits(model.network, items, collate, model.params.evaluation.batch_size)
    return [float(softmax(given.astype(np.float64) / temperature)[1]) for given in logits]


def _rank(bibliography: list[dict[str, Any]], scores: dict[str, float], threshold: float | None, k: int) -> list[Row]:
    known = [entry for entry in bibliography if entry["id"] in scores]
    best = sorted(known, key=lambda entry: -scores[entry["id"]])[:k]  # of equals the first
    return [
        {
            "id": entry["id"],
            "title": entry.get("title", ""),
            "year": entry.get("year"),
            "probability": scores[entry["id"]],
            "above_threshold": None if threshold is None else scores[entry["id"]] >= threshold,
        }
        for entry in best
    ]


def summarize(model: Model, texts: list[str]) -> list[Answer]:
    """{"summary", "tokens", "tokens_read", "tokens_cut"}: its length, and how much of the text it was made from.

    As in training, the first sentences that fit into max_input_tokens are read.

    Raises:
        DataError: a text is empty.
    """
    from scholar.heads.generation import fit_source, write_summaries  # its libraries take seconds: only where needed

    if not isinstance(model.trained, Summarizer):
        raise TypeError(f"{model.name} is no summarizer")
    rows = []
    for number, text in enumerate(texts, start=1):
        sentences = [" ".join(str(sentence).split()) for sentence in segment("en", text)]
        rows.append({"source": [sentence for sentence in sentences if sentence]})
        if not rows[-1]["source"]:
            raise DataError(f"text {number} of {len(texts)} is empty; give the text to summarize")
    written = write_summaries(model.network, model.tokenizer, rows, model.trained, model.params.generation)
    answers = []
    for row, summary in zip(rows, written, strict=True):
        whole = " ".join(row["source"])
        fitting, _ = fit_source(row["source"], model.tokenizer, model.trained.max_input_tokens)
        read, given = (len(model.tokenizer(text, add_special_tokens=False).input_ids) for text in (fitting, whole))
        told = {"summary": summary.text, "tokens": summary.tokens}
        answers.append({**told, "tokens_read": read, "tokens_cut": max(given - read, 0)})
    return answers


def search(model: Model, queries: list[str], k: int) -> list[Answer]:
    """{"query", "cut", "hits": [{"rank", "id", "title", "year", "abstract", "cosine_similarity"}]}, the best first.

    "year" is None where it is unknown, "abstract" its beginning, "" where unknown.

    Raises:
        DataError: a query is empty.
    """
    for number, query in enumerate(queries, start=1):
        if not query.strip():
            raise DataError(f"query {number} of {len(queries)} is empty; say what to search for")
    return [{"query": query, **told} for query, told in zip(queries, _nearest(model, queries, k), strict=True)]


def similar(model: Model, papers: list[str], k: int) -> list[Answer]:
    """{"paper": {"id", "title"}, "cut", "hits"}: as `search`, by the text of a paper that the index holds.

    Args:
        model: a retriever with its index.
        papers: the id of each, or its title, whatever its case and signs.
        k: hits at most; the paper itself is none.

    Raises:
        DataError: a name is empty, or the index has no such paper; a title like it is told, or the nearest vector.
    """
    from scholar.heads.retrieval import document_text

    index, retriever = _index(model)
    ids = {document["id"]: document for document in index.documents}
    titles = {normalise_title(document["title"]): document for document in reversed(index.documents)}  # the first wins
    found = [ids.get(paper) or titles.get(normalise_title(paper)) for paper in papers]
    for paper, document in zip(papers, found, strict=True):
        if not paper.strip():
            raise DataError("the name of the paper is empty; an id or a title was expected")
        if document is None:
            like = [titles[title] for title in get_close_matches(normalise_title(paper), titles, 1, LIKE)]
            near = like or search(model, [paper], 1)[0]["hits"]
            hint = f"the nearest is '{near[0]['title']}' (id {near[0]['id']}); " if near else ""
            raise DataError(
                f"no paper '{paper}' among the {len(index.documents)} of the index; {hint}"
                "an id or a title was expected, any other text is for search"
            )
    known = [document for document in found if document is not None]
    told = _nearest(model, [document_text(document, retriever.inputs) for document in known], k + 1)
    answers = []
    for document, answer in zip(known, told, strict=True):
        others = [hit for hit in answer["hits"] if hit["id"] != document["id"]][:k]
        hits = [{**hit, "rank": rank} for rank, hit in enumerate(others, start=1)]
        answers.append(
            {"paper": {"id": document["id"], "title": document["title"]}, "cut": answer["cut"], "hits": hits}
        )
    return answers


def _nearest(model: Model, texts: list[str], k: int) -> list[Answer]:
    from scholar.heads.retrieval import count_cut, embed

    index, _ = _index(model)
    vectors = embed(model.network, texts, model.params.search.batch_size)
    positions, scores = index.search(vectors, min(k, len(index.documents)))
    answers = []
    for text, places, cosines in zip(texts, positions.tolist(), scores.tolist(), strict=True):
        pairs = [(place, cosine) for place, cosine in zip(places, cosines, strict=True) if place >= 0]  # -1 is none
        hits = [_hit(rank, index.documents[place], cosine) for rank, (place, cosine) in enumerate(pairs, start=1)]
        answers.append({"cut": count_cut(model.network, [text]) > 0, "hits": hits})
    return answers


def _hit(rank: int, document: Row, cosine: float) -> Row:
    known = {"id": document["id"], "title": document["title"], "year": document["year"] or None}
    abstract = shorten(document["abstract"], SNIPPET)
    return {"rank": rank, **known, "abstract": abstract, "cosine_similarity": cosine}


def _index(model: Model) -> tuple["Loaded", Retriever]:
    if model.index is None or not isinstance(model.trained, Retriever):
        raise TypeError(f"{model.name} has no index")
    return model.index, model.trained


def _run(model: Model) -> Run:
    if not isinstance(model.trained, Run):
        raise TypeError(f"{model.name} is no run")
    return model.trained


def _view(model: Model, shown: list[str]) -> dict[str, Any]:
    """Metrics of the view of the test split that shows these inputs, else of one that shows all; {} without any."""
    views = model.params.evaluation.views.get(model.trained.data, {})
    names = [name for inputs in (shown, _run(model).inputs) for name, own in views.items() if set(own) == set(inputs)]
    found: dict[str, Any] = model.metrics.get((names or ["test"])[0], {})
    return found
