"""Citations of a text linked to the entries of its bibliography."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from papertrail.core.errors import DataError
from papertrail.core.params import Classifier, Linker
from papertrail.core.records import Row
from papertrail.data.citations import ContextSettings, candidate_text, mask_context
from papertrail.data.formats.s2orc import Paragraph, Span
from papertrail.data.task import load_settings
from papertrail.inference.documents import CITATION_FORMS, Document
from papertrail.inference.load import Model
from papertrail.models.batching import predict_logits
from papertrail.models.encoding import encode_rows
from papertrail.models.heads import load_head
from papertrail.models.linking import Citation

PARAGRAPH_END = re.compile(r"\n(?:\r?\n)+")


def link_citations(model: Model, documents: list[Document], k: int) -> list[Row]:
    """Rank the entries of the bibliography for each citation of documents; see papertrail.inference.documents.

    Returns:
        For each document {"citations": [{"start", "end", "text", "target", "context", "ranked": [{"id", "title",
        "year", "probability", "above_threshold"}]}], "threshold", "entries_left_out"}. "ranked" has the k entries with
        the highest probability that the citation cites them. The probabilities of a linker sum to 1 over the distinct
        texts of the bibliography; those of a classifier are of single pairs. "above_threshold" is None without a
        threshold. Entries without a text are left out.

    Raises:
        DataError: A document has no citation or no entry with a title, or an offset is outside the text.
        ParamsError: The model is neither a classifier nor a linker.
    """
    settings = _context_settings(model)
    threshold = model.metrics.get("test", {}).get("model", {}).get("pair_threshold")
    contexts = [mask_contexts(document, settings) for document in documents]
    candidates = [_candidates(document, settings) for document in documents]
    for number, texts in enumerate(candidates, start=1):
        if not texts:
            raise DataError(f"document {number} of {len(documents)}: no entry of its bibliography has a title")
    asked = [
        Citation(context, tuple(dict.fromkeys(texts.values())))
        for of_document, texts in zip(contexts, candidates, strict=True)
        for context in of_document
    ]
    probabilities = iter(_probabilities(model, asked))
    answers = []
    for document, of_document, texts in zip(documents, contexts, candidates, strict=True):
        citations = []
        for citation, context in zip(document["citations"], of_document, strict=True):
            of_text = next(probabilities)
            scores = {id_: of_text[text] for id_, text in texts.items()}
            ranked = _rank(document["bibliography"], scores, threshold)[:k]
            text = document["text"][citation["start"] : citation["end"]]
            citations.append({**citation, "text": text, "context": context, "ranked": ranked})
        left_out = len(document["bibliography"]) - len(texts)
        answers.append({"citations": citations, "threshold": threshold, "entries_left_out": left_out})
    return answers


def _context_settings(model: Model) -> ContextSettings:
    """Return how the data set of a model cuts and masks contexts."""
    settings = load_settings(model.settings.dataset, model.params)
    if not isinstance(settings, ContextSettings):
        raise TypeError(f"task {model.settings.task} answers with links, but its settings are not ContextSettings")
    return settings


def _candidates(document: Document, settings: ContextSettings) -> dict[str, str]:
    """Return id -> text of the entries that have a text."""
    texts = {
        entry["id"]: candidate_text(entry.get("title") or "", entry.get("abstract") or "", settings).strip()
        for entry in document["bibliography"]
    }
    return {id_: text for id_, text in texts.items() if text}


def mask_contexts(document: Document, settings: ContextSettings) -> list[str]:
    """Return the context of each citation as in training: within its paragraph, citations masked.

    Two citations with the same text are taken to cite the same work.

    Raises:
        DataError: There is no citation; one is outside the text, or overlaps the one before.
    """
    text, end = document["text"], 0
    if not document["citations"]:
        raise DataError(f"no citation was found in the text; known forms: {CITATION_FORMS}")
    for citation in document["citations"]:
        if not end <= citation["start"] < citation["end"] <= len(text):
            bounds = f"[{citation['start']}, {citation['end']})"
            raise DataError(f"citation {bounds}: expected offsets in order, inside the text (0 to {len(text)})")
        end = citation["end"]
    contexts = []
    for paragraph, spans in _paragraphs(document):
        contexts += [_mask_nearby(paragraph, spans, place, settings) for place in range(len(spans))]
    return contexts


def _paragraphs(document: Document) -> Iterator[tuple[str, list[Span]]]:
    """Yield each paragraph with citations, and their offsets in it; blank lines separate paragraphs."""
    text: str = document["text"]
    breaks = [match.span() for match in PARAGRAPH_END.finditer(text)]
    firsts, ends = [0, *(end for _, end in breaks)], [*(start for start, _ in breaks), len(text)]
    groups: dict[tuple[int, int], list[Span]] = {}
    for citation in document["citations"]:
        first = firsts[bisect_right(firsts, citation["start"]) - 1]
        end = ends[bisect_left(ends, citation["end"])]
        cited = text[citation["start"] : citation["end"]]
        groups.setdefault((first, end), []).append(Span(citation["start"] - first, citation["end"] - first, cited))
    for (first, end), spans in groups.items():
        yield text[first:end], spans


def _mask_nearby(text: str, spans: list[Span], place: int, settings: ContextSettings) -> str:
    """Return the same as mask_context on the whole paragraph, in time that does not grow with the paragraph."""
    first = last = place
    left = right = 0  # characters that remain at least, whatever is masked
    while first > 0 and left <= settings.context_characters:
        first -= 1
        length = spans[first].end - spans[first].start
        left += spans[first + 1].start - spans[first].end + min(length, len(settings.mask_text))
    while last < len(spans) - 1 and right <= settings.context_characters:
        last += 1
        length = spans[last].end - spans[last].start
        right += spans[last].start - spans[last - 1].end + min(length, len(settings.mask_text))
    start = spans[first].start if first else 0
    end = spans[last].end if last < len(spans) - 1 else len(text)
    near = [Span(span.start - start, span.end - start, span.target) for span in spans[first : last + 1]]
    return mask_context(Paragraph("", text[start:end], tuple(near), ()), near[place - first], settings)


def _probabilities(model: Model, citations: list[Citation]) -> list[dict[str, float]]:
    """Return the probability of each entry's text, a mapping per citation."""
    if isinstance(model.settings, Linker):
        scores = model.network.probabilities(citations, model.params.evaluation.linker.batch_size)
    else:
        scores = _pair_probabilities(model, model.settings_as(Classifier), citations)
    return [
        dict(zip(citation.entries, map(float, values), strict=True))
        for citation, values in zip(citations, scores, strict=True)
    ]


def _pair_probabilities(model: Model, classifier: Classifier, citations: list[Citation]) -> list[NDArray[np.float64]]:
    """Return the probability of each pair of a context and an entry, (entries,) per citation."""
    first, second = classifier.inputs
    pairs = [(citation.context, entry) for citation in citations for entry in citation.entries]
    rows = [{first: context, second: entry, "label": 0} for context, entry in pairs]
    head = load_head(classifier.head)
    items, _ = encode_rows(head, rows, model.tokenizer, classifier)
    collate, batch_size = head.build_collator(model.tokenizer), model.params.evaluation.classifier.batch_size
    temperature = model.view_metrics(classifier.inputs).get("temperature", 1.0)
    logits = np.stack(predict_logits(model.network, items, collate, batch_size)).astype(np.float64)  # (pairs, 2)
    ends = np.cumsum([len(citation.entries) for citation in citations])
    return np.split(softmax(logits / temperature, axis=1)[:, 1], ends[:-1])


def _rank(bibliography: list[dict[str, Any]], scores: dict[str, float], threshold: float | None) -> list[Row]:
    """Return the entries with a score, highest first; equal scores keep the order of the bibliography."""
    known = [entry for entry in bibliography if entry["id"] in scores]
    return [
        {
            "id": entry["id"],
            "title": entry.get("title", ""),
            "year": entry.get("year"),
            "probability": scores[entry["id"]],
            "above_threshold": None if threshold is None else scores[entry["id"]] >= threshold,
        }
        for entry in sorted(known, key=lambda entry: -scores[entry["id"]])
    ]
