"""Ranked bibliography entries: pairs compared with the plain library, contexts with those of training, errors."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from papertrail.core.artifacts import write_json
from papertrail.core.errors import DataError
from papertrail.core.params import validate
from papertrail.data.citations import mask_context
from papertrail.data.formats.s2orc import Paragraph, Span
from papertrail.data.task import load_task
from papertrail.inference import links
from papertrail.inference.links import link_citations, mask_contexts
from papertrail.inference.load import Model, load
from papertrail.models.linking import Citation, Fusion, load_linker
from papertrail.models.sentence_encoder import load_encoder
from papertrail.train.retriever import saver
from tests.fixtures.commands import read_params
from tests.fixtures.tiny_models import write_questions
from tests.fixtures.tiny_runs import make_linker

DOCUMENT = {
    "text": "the first [1] is open.\n\nwe use the graph of [2], as [1] and [2] show",
    "citations": [{"start": s, "end": s + 3, "target": None} for s in (10, 44, 52, 60)],
    "bibliography": [
        {"id": "a", "title": "tree", "abstract": "", "year": 2019},
        {"id": "b", "title": "", "abstract": "", "year": None},
        {"id": "c", "title": "graph", "abstract": "we show a graph", "year": 2020},
    ],
}


def masking(**changes: Any) -> Any:
    """Return settings of a data set of citations, with changes."""
    block = {**read_params()["datasets"]["aclsum_linking"], **changes}
    return validate(load_task("citation_linking").settings, block, "test")


def test_entries_are_ranked_by_the_probability_of_the_pair(load_tiny: Callable[[str], Model]) -> None:
    model = load_tiny("citation_linking")
    answers = link_citations(model, [DOCUMENT, DOCUMENT], 5)
    assert answers[0] == answers[1] and answers[0]["entries_left_out"] == 1 and answers[0]["threshold"] == 0.3
    contexts = [citation["context"] for citation in answers[0]["citations"]]
    assert contexts[0] == "the first [CITATION] is open."  # a paragraph ends a context
    assert contexts[1] == "we use the graph of [CITATION] , as [1] and [CITATION] show"  # other citations stay
    for citation in answers[0]["citations"]:
        scores = [entry["probability"] for entry in citation["ranked"]]
        assert scores == sorted(scores, reverse=True)
        for entry in citation["ranked"]:
            inputs = model.tokenizer(citation["context"], entry["title"], truncation=True, return_tensors="pt")
            with torch.no_grad():
                expected = float(torch.softmax(model.network(**inputs).logits[0].double(), dim=0)[1])
            assert entry["probability"] == pytest.approx(expected, abs=1e-5)
            assert entry["above_threshold"] == (entry["probability"] >= 0.3)
    assert [len(c["ranked"]) for c in link_citations(model, [DOCUMENT], 1)[0]["citations"]] == [1] * 4
    json.dumps(answers)  # plain values


def load_tiny_linker(folder: Path, weight: float) -> Model:
    """Write and load an untrained linker."""
    params = write_questions(folder)
    linker = make_linker(task="citation_linking", dataset="tiny_citation_linking")
    saver(load_encoder(folder / "encoder", 32, "cpu"))(str(folder / "models/linker"))
    Fusion(weight=weight, temperature=0.5).save(str(folder / "models/linker"))
    write_json({"test": {"model": {"pair_threshold": 0.3}}}, folder / "metrics/evaluate/linker.json")
    return load(replace(params, models={"linker": linker}), "citation_linking", None, folder)


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_a_linker_ranks_the_whole_bibliography(tmp_path: Path, weight: float) -> None:
    model = load_tiny_linker(tmp_path, weight)
    (answer,) = link_citations(model, [DOCUMENT], 5)
    assert answer["threshold"] == 0.3 and answer["entries_left_out"] == 1
    contexts = [citation["context"] for citation in answer["citations"]]
    linker = load_linker(tmp_path / "models/linker", 32, "cpu")
    titles = linker.probabilities([Citation(context, ("tree", "graph")) for context in contexts], 8)
    for citation, values in zip(answer["citations"], titles, strict=True):
        found = {entry["id"]: entry["probability"] for entry in citation["ranked"]}
        assert found == pytest.approx(dict(zip("ac", values, strict=True)), abs=1e-6)
        assert list(found) == sorted(found, key=lambda id_: -found[id_])
        assert sum(found.values()) == pytest.approx(1)
        assert all(entry["above_threshold"] == (entry["probability"] >= 0.3) for entry in citation["ranked"])
    json.dumps(answer)  # plain values


def test_entries_with_the_same_text_have_the_same_probability(tmp_path: Path) -> None:
    model = load_tiny_linker(tmp_path, 0.7)
    double = [*DOCUMENT["bibliography"], {"id": "d", "title": "graph", "abstract": "", "year": 2021}]
    answers = link_citations(model, [DOCUMENT, {**DOCUMENT, "bibliography": double}], 5)
    for once, twice in zip(*(answer["citations"] for answer in answers), strict=True):
        single = {entry["id"]: entry["probability"] for entry in once["ranked"]}
        found = {entry["id"]: entry["probability"] for entry in twice["ranked"]}
        assert found == pytest.approx({**single, "d": single["c"]}, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"citations": []}, "no citation was found"),
        ({"citations": [{"start": 5, "end": 900, "target": None}]}, r"citation \[5, 900\)"),
        ({"citations": [{"start": s, "end": s + 3, "target": None} for s in (10, 11)]}, r"citation \[11, 14\)"),
        ({"bibliography": [{"id": "b", "title": " "}]}, "no entry of its bibliography has a title"),
    ],
)
def test_documents_that_cannot_be_linked(
    load_tiny: Callable[[str], Model], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        link_citations(load_tiny("citation_linking"), [{**DOCUMENT, **change}], 5)


def test_line_ends_do_not_change_paragraphs() -> None:
    text = "the first [1]\nis open.\n\nwe use [2], as\n\n\n[3] shows.\n\n"
    contexts = []
    for variant in (text, text.replace("\n", "\r\n")):
        citations = [{"start": m.start(), "end": m.end(), "target": None} for m in re.finditer(r"\[\d\]", variant)]
        contexts.append(mask_contexts({"text": variant, "citations": citations}, masking(mask_text="X")))
    assert contexts == [["the first X is open.", "we use X , as", "X shows."]] * 2


@pytest.mark.parametrize("mask", ["all", "target", "none"])
@pytest.mark.parametrize("mask_text", ["[CITATION]", "", "x"])
def test_contexts_are_those_of_the_whole_paragraph(mask: str, mask_text: str) -> None:
    settings = masking(context_characters=20, mask=mask, mask_text=mask_text)
    text = "we show [1], [2] and [1]; [2] [3] is open to (Lee et al., 2019) or the tree of [1] here [3]" * 2
    bounds = [match.span() for match in re.finditer(r"\[\d\]|\(.+?\)", text)]
    document = {"text": text, "citations": [{"start": start, "end": end, "target": None} for start, end in bounds]}
    spans = tuple(Span(start, end, text[start:end]) for start, end in bounds)
    expected = [mask_context(Paragraph("", text, spans, ()), span, settings) for span in spans]
    assert mask_contexts(document, settings) == expected


def test_masking_takes_time_linear_in_the_citations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts the citations that each of 400 contexts looks at, in one paragraph and in 400."""
    settings = masking(context_characters=20, mask="all", mask_text="[C]")
    counts: list[int] = []
    monkeypatch.setattr(links, "mask_context", lambda paragraph, *_: counts.append(len(paragraph.citations)) or "")
    for gap in (" and ", "\n\n"):
        citations = [{"start": s, "end": s + 3, "target": None} for s in range(0, 400 * (3 + len(gap)), 3 + len(gap))]
        mask_contexts({"text": f"[1]{gap}" * 400, "citations": citations}, settings)
    assert len(counts) == 800 and max(counts) < 10
