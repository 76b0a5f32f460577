"""Answers against the heads that they are made by, and what is refused."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scholar.ask import answers
from scholar.ask.models import Model, load
from scholar.corpora.s2orc import Paragraph, Span
from scholar.errors import DataError
from scholar.heads import join_inputs
from scholar.heads.retrieval import document_text
from scholar.params import Params, validate
from scholar.records import write_json
from scholar.tasks.citation_linking import TASK, mask_context
from tests.fixtures.commands import read_params
from tests.fixtures.tiny_models import rewrite_params, write_models

TITLES = ["graph parse", "translate a poor text", "rank the problem " * 30]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Params]:
    folder = tmp_path_factory.mktemp("models")
    return folder, write_models(folder)


def model_of(asked: tuple[Path, Params], task: str) -> Model:
    return load(asked[1], task, None, asked[0])


def masking(**changes: Any) -> Any:
    """Settings of citation linking as params.yaml may have them."""
    return validate(TASK.settings, {**read_params()["datasets"]["aclsum_linking"], **changes}, "test")


def alone(model: Model, *texts: str) -> Any:
    """Probabilities by the plain library: one text, no padding."""
    inputs = model.tokenizer(*texts, truncation=True, return_tensors="pt")
    with torch.no_grad():
        return torch.softmax(model.network(**inputs).logits[0].double(), dim=0).numpy()


def test_probabilities_are_those_of_the_library(asked: tuple[Path, Params]) -> None:
    model = model_of(asked, "citation_intent")
    told = answers.intent(model, TITLES)
    for text, answer in zip(TITLES, told, strict=True):
        assert list(answer["probabilities"].values()) == pytest.approx(alone(model, text), abs=1e-5)
        assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
        assert answer["threshold"] is None
    assert [answer["cut"] for answer in told] == [False, False, True]
    json.dumps(told)  # plain values


def test_a_title_alone_is_read_as_in_the_view_without_abstracts(asked: tuple[Path, Params]) -> None:
    model = model_of(asked, "paper_category")
    row = {"title": "graph parse", "abstract": "we show a tree"}
    told = answers.category(model, [{"title": "graph parse"}, row])
    shown = [join_inputs(row, ["title", "abstract"], left_out) for left_out in (frozenset({"abstract"}), frozenset())]
    assert shown == ["Title: graph parse", "Title: graph parse, Abstract: we show a tree"]
    for text, answer in zip(shown, told, strict=True):
        assert list(answer["probabilities"].values()) == pytest.approx(alone(model, text), abs=1e-5)


@pytest.mark.parametrize("threshold", [0.0, 1.01])
def test_a_binary_label_is_decided_at_the_threshold(tmp_path: Path, threshold: float) -> None:
    params = write_models(tmp_path, threshold)
    told = answers.interest(load(params, "paper_interest", None, tmp_path), [{"title": "tree"}])[0]
    assert told["threshold"] == threshold
    assert told["label"] == ("interesting" if threshold == 0.0 else "other")


def test_the_temperature_of_the_view_that_was_shown_is_used(tmp_path: Path) -> None:
    write_models(tmp_path)
    views = {"title": ["title"], "both": ["title", "abstract"]}
    evaluation = json.loads((tmp_path / "params.yaml").read_text(encoding="utf-8"))["evaluation"]
    params = rewrite_params(tmp_path, evaluation={**evaluation, "views": {"tiny_paper_category": views}})
    write_json(
        {"title": {"temperature": 1e6}, "both": {"temperature": 1.0}}, tmp_path / "metrics/evaluate/category.json"
    )
    model = load(params, "paper_category", None, tmp_path)
    even, sharp = answers.category(model, [{"title": "tree"}, {"title": "tree", "abstract": "word"}])
    assert list(even["probabilities"].values()) == pytest.approx([1 / 3] * 3, abs=1e-5)
    assert list(sharp["probabilities"].values()) == pytest.approx(alone(model, "Title: tree, Abstract: word"), abs=1e-5)


def test_what_a_model_does_not_get_is_told(asked: tuple[Path, Params]) -> None:
    with pytest.raises(DataError, match="input 2 of 2 is empty; interest reads title"):
        answers.interest(model_of(asked, "paper_interest"), [{"title": "tree"}, {"title": " ", "abstract": "word"}])


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_text_without_words_has_no_entities_to_tell(asked: tuple[Path, Params], text: str) -> None:
    with pytest.raises(DataError, match="text 2 of 2 is empty"):
        answers.entities(model_of(asked, "ner"), ["tree", text])


def test_offsets_of_entities_are_those_of_the_text_as_given(asked: tuple[Path, Params]) -> None:
    text = "we use a tree.\n\nsee the figure 1\nof the graph."
    model = model_of(asked, "ner")
    found = answers.entities(model, [text, text.replace("\n", "\r\n")])
    for answer in found:
        assert all(answer["text"][one["start"] : one["end"]] == one["text"] for one in answer["entities"])
    plain, crlf = ([one["text"].split() for one in answer["entities"]] for answer in found)
    assert plain == crlf != []


DOCUMENT = {
    "text": "the first [1] is open.\n\nwe use the graph of [2], as [1] and [2] show",
    "citations": [{"start": s, "end": s + 3, "target": None} for s in (10, 44, 52, 60)],
    "bibliography": [
        {"id": "a", "title": "tree", "abstract": "", "year": 2019},
        {"id": "b", "title": "", "abstract": "", "year": None},
        {"id": "c", "title": "graph", "abstract": "we show a graph", "year": 2020},
    ],
}


def test_each_citation_ranks_the_entries_by_the_probability_of_the_pair(asked: tuple[Path, Params]) -> None:
    model = model_of(asked, "citation_linking")
    told = answers.link(model, [DOCUMENT, DOCUMENT], 5)
    assert told[0] == told[1] and told[0]["entries_left_out"] == 1 and told[0]["threshold"] == 0.3
    contexts = [citation["context"] for citation in told[0]["citations"]]
    assert contexts[0] == "the first [CITATION] is open."  # paragraphs end a context, and other citations stay
    assert contexts[1] == "we use the graph of [CITATION] , as [1] and [CITATION] show"
    for citation in told[0]["citations"]:
        scores = [entry["probability"] for entry in citation["ranked"]]
        assert scores == sorted(scores, reverse=True)
        for entry in citation["ranked"]:
            expected = alone(model, citation["context"], entry["title"])[1]
            assert entry["probability"] == pytest.approx(expected, abs=1e-5)
            assert entry["above_threshold"] == (entry["probability"] >= 0.3)
    assert [len(c["ranked"]) for c in answers.link(model, [DOCUMENT], 1)[0]["citations"]] == [1] * 4
    json.dumps(told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"citations": []}, "no citation was found"),
        ({"citations": [{"start": 5, "end": 900, "target": None}]}, r"citation \[5, 900\)"),
        ({"citations": [{"start": s, "end": s + 3, "target": None} for s in (10, 11)]}, r"citation \[11, 14\)"),
        ({"bibliography": [{"id": "b", "title": " "}]}, "no entry of its bibliography has a title"),
    ],
)
def test_documents_that_cannot_be_linked(asked: tuple[Path, Params], change: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        answers.link(model_of(asked, "citation_linking"), [{**DOCUMENT, **change}], 5)


def test_paragraphs_end_alike_whatever_ends_their_lines() -> None:
    text = "the first [1]\nis open.\n\nwe use [2], as\n\n\n[3] shows.\n\n"
    found = []
    for given in (text, text.replace("\n", "\r\n")):
        citations = [{"start": m.start(), "end": m.end(), "target": None} for m in re.finditer(r"\[\d\]", given)]
        found.append(answers.mask_citations({"text": given, "citations": citations}, masking(mask_text="X")))
    assert found == [["the first X is open.", "we use X , as", "X shows."]] * 2


@pytest.mark.parametrize("mask", ["all", "target", "none"])
@pytest.mark.parametrize("mask_text", ["[CITATION]", "", "x"])
def test_contexts_are_those_of_the_whole_paragraph(mask: str, mask_text: str) -> None:
    settings = masking(context_characters=20, mask=mask, mask_text=mask_text)
    text = "we show [1], [2] and [1]; [2] [3] is open to (Lee et al., 2019) or the tree of [1] here [3]" * 2
    found = [match.span() for match in re.finditer(r"\[\d\]|\(.+?\)", text)]
    document = {"text": text, "citations": [{"start": start, "end": end, "target": None} for start, end in found]}
    spans = tuple(Span(start, end, text[start:end]) for start, end in found)
    expected = [mask_context(Paragraph("", text, spans, ()), span, settings) for span in spans]
    assert answers.mask_citations(document, settings) == expected


def test_time_to_mask_is_linear_in_the_citations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: how many citations are looked at for each of 400 in one paragraph, and in 400."""
    settings = masking(context_characters=20, mask="all", mask_text="[C]")
    given: list[int] = []
    monkeypatch.setattr(answers, "mask_context", lambda paragraph, *_: given.append(len(paragraph.citations)) or "")
    for gap in (" and ", "\n\n"):
        citations = [{"start": s, "end": s + 3, "target": None} for s in range(0, 400 * (3 + len(gap)), 3 + len(gap))]
        answers.mask_citations({"text": f"[1]{gap}" * 400, "citations": citations}, settings)
    assert len(given) == 800 and max(given) < 10


def test_summaries_tell_how_much_was_read(asked: tuple[Path, Params]) -> None:
    model = model_of(asked, "summarization")
    short, long = answers.summarize(model, ["we use a tree.", "we use a tree. " * 40])
    assert short["tokens_cut"] == 0 < short["tokens_read"] < long["tokens_read"] <= 40  # max_input_tokens
    whole = len(model.tokenizer(" ".join(["we use a tree."] * 40)).input_ids)
    assert long["tokens_read"] + long["tokens_cut"] == whole
    assert short["tokens"] <= 12 and isinstance(short["summary"], str)
    with pytest.raises(DataError, match="text 2 of 2 is empty"):
        answers.summarize(model, ["we use a tree.", " \n"])


def test_search_ranks_by_cosine(asked: tuple[Path, Params]) -> None:
    model = model_of(asked, "semantic_search")
    told = answers.search(model, ["the graph", "word " * 100], 3)
    texts = [document_text(document, ["title", "abstract"]) for document in model.index.documents]
    vectors = model.network.encode(texts)
    query = model.network.encode(["the graph"])[0]
    best = np.sort(vectors @ query)[::-1][:3]
    assert [hit["cosine_similarity"] for hit in told[0]["hits"]] == pytest.approx(best, abs=1e-5)
    assert [hit["rank"] for hit in told[0]["hits"]] == [1, 2, 3] and told[0]["hits"][0]["year"] is None
    assert [answer["cut"] for answer in told] == [False, True]
    assert len(answers.search(model, ["a"], 10_000)[0]["hits"]) == len(model.index.documents)
    with pytest.raises(DataError, match="query 1 of 1 is empty"):
        answers.search(model, [" "], 3)


def test_similar_papers_leave_the_paper_out(asked: tuple[Path, Params]) -> None:
    model = model_of(asked, "semantic_search")
    document = model.index.documents[4]
    by_id, by_title = answers.similar(model, [document["id"], document["title"].upper() + "!"], 3)
    assert by_id == by_title and by_id["paper"]["id"] == document["id"]
    assert [hit["rank"] for hit in by_id["hits"]] == [1, 2, 3]
    assert document["id"] not in {hit["id"] for hit in by_id["hits"]}
    with pytest.raises(DataError, match=r"no paper 'topic04x' among the 24 of the index; the nearest is '.+'"):
        answers.similar(model, ["topic04x"], 3)


@pytest.mark.parametrize("name", ["", " \t"])
def test_a_paper_without_a_name_is_told(asked: tuple[Path, Params], name: str) -> None:
    with pytest.raises(DataError, match="the name of the paper is empty"):
        answers.similar(model_of(asked, "semantic_search"), [name], 3)


def test_a_misspelt_title_is_told_by_its_letters(asked: tuple[Path, Params], monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(asked, "semantic_search")
    document = model.index.documents[9]
    misspelt = document["title"].upper().replace("E", "EE", 1)
    monkeypatch.setattr(answers, "search", lambda *_: pytest.fail("vectors know no slips of the pen"))
    with pytest.raises(DataError, match=re.escape(f"nearest is '{document['title']}' (id {document['id']})")):
        answers.similar(model, [misspelt], 3)


def test_an_index_that_finds_nothing_gives_no_hint(asked: tuple[Path, Params], monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(asked, "semantic_search")
    monkeypatch.setattr(type(model.index), "search", lambda *_: (np.array([[-1]]), np.array([[0.0]])))
    with pytest.raises(DataError, match=r"no paper 'zzz' among the 24 of the index; an id or a title"):
        answers.similar(model, ["zzz"], 3)
