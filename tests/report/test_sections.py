"""The report: its numbers, that text of papers cannot act in it, and how it looks in a browser."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from papertrail.core.errors import PapertrailError
from papertrail.core.params import Params, load_params
from papertrail.report.html import to_html
from papertrail.report.sections import Section, build_report, read_examples, to_markdown
from tests.fixtures.browser import CHROMIUM, Browser, start_browser
from tests.fixtures.commands import ROOT
from tests.fixtures.results import SCRIPT, keep_four, write_json, write_results


@pytest.fixture(scope="module")
def params() -> Params:
    return keep_four(load_params(ROOT / "params.yaml"))


@pytest.fixture
def sections(params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Section]:
    monkeypatch.chdir(tmp_path)
    write_results(params)
    return build_report(params)


def test_markdown_has_every_number_and_no_text_of_a_paper(sections: list[Section]) -> None:
    text = to_markdown(sections)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    baselines = "majority class 0.200 [0.100, 0.300], TF-IDF + logistic regression 0.700 [0.600, 0.800]"
    unsure = "not significant (MDE 0.070, one test, 80 % power)"
    for row in (
        ["better", "3"],
        ["worse", "1"],
        ["not significant", "4"],
        ["base", "macro-F1", "0.800 [0.700, 0.900]", baselines, "+0.100 [+0.050, +0.150]", "0.0600", unsure],
        ["again", "base", "macro-F1", "-0.100 [+0.050, +0.150]", "0.0300", "worse"],
        ["base", "goal", "0.500", "0.250", "0.333", "8"],
        ["tiny-search", "BM25", *["**0.250**"] * 5],
        ["tiny-summary", "LexRank", "**0.125**", "100"],
        ["perplexity", "99.500", "9.250"],
        ["data", "1,402", "1,400", "3"],
        ["aclsum_intent", "citation_intent", "1,500 / 1,500 / 1,500", "human", "MIT"],
        ["aclsum_intent", "goal", "1,000", "1,000", "1,000"],
        ["aclsum_intent", "too short", "12"],
        ["aclsum_intent", "a check", "5 of 200"],
        ["tiny-search", "data/raw/minilm", "2", "1", "30", "64", "1,920"],
    ):
        assert row in cells, row
    assert "Labels come from annotators" in text
    assert "alert" not in text


class Reader(HTMLParser):
    """A page as a browser parses it: open tags, references and text."""

    VOID = ("meta", "circle", "line", "path", "polyline")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [str(value) for name, value in attrs if name in ("href", "src", "srcset", "xlink:href")]
        self.ids += [str(value) for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_well_formed_and_text_of_papers_stays_text(sections: list[Section]) -> None:
    seen = Reader(to_html(sections))
    assert seen.open == []
    assert "script" not in seen.tags
    assert seen.text.count(SCRIPT) == 2  # in an error of a classifier and in a summary
    assert seen.tags.count("figure") == len([part for s in sections for part in (*s.charts, *s.confusions)]) == 9
    assert seen.text.count("better") >= 2
    assert "test rows; rows are actual classes" in seen.text


def test_the_page_makes_no_request(sections: list[Section]) -> None:
    page = to_html(sections)
    seen = Reader(page)
    assert {reference[1:] for reference in seen.references} < set(seen.ids)
    assert all(reference.startswith("#") for reference in seen.references)
    assert not re.search(r"url\(|@import", page)
    assert "default-src 'none'" in page


def test_the_same_inputs_give_the_same_bytes(sections: list[Section], params: Params) -> None:
    again = build_report(params)
    assert (to_html(again), to_markdown(again)) == (to_html(sections), to_markdown(sections))


def test_a_task_without_models_has_no_section(sections: list[Section], params: Params) -> None:
    classifiers = {name: model for name, model in params.models.items() if model.kind == "classifier"}
    fewer = build_report(replace(params, models=classifiers))
    gone = {section.title for section in sections} - {section.title for section in fewer}
    assert gone == {"Semantic search", "Summarization"}
    assert Reader(to_html(fewer)).open == []


def test_a_changed_number_changes_both_forms(sections: list[Section], params: Params) -> None:
    write_json("pretrain.json", {"before": {"perplexity": 99.5}, "after": {"perplexity": 8.0}, "steps": 16})
    changed = build_report(params)
    assert to_html(changed) != to_html(sections)
    assert to_markdown(changed) != to_markdown(sections)


def test_missing_metrics_are_an_error(params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PapertrailError, match=r"metrics/comparisons\.json: no such file"):
        build_report(params)


def test_examples_are_those_that_evaluation_saved(sections: list[Section]) -> None:
    (errors,) = read_examples("base")
    assert errors.title == "base"
    assert errors.items == [{"id": "1", "text": f"a {SCRIPT} & b", "predicted": "c"}, {"id": "2", "text": "d\ne"}]
    (summaries,) = read_examples("tiny-summary")
    assert summaries.items == [{"id": "7", "reference": "r", "summary": f"{SCRIPT}\n# no heading"}]
    assert read_examples("again") == []


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with start_browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; Debian's package is chromium")
def test_the_page_fits_a_desktop_and_a_phone(sections: list[Section], browser: Browser) -> None:
    file = Path("report.html")
    file.write_text(to_html(sections), encoding="utf-8")
    backgrounds = set()
    for width in (1200, 390):
        for scheme in ("light", "dark"):
            browser.open(file, width, scheme)
            assert browser.evaluate("document.querySelectorAll('section').length") == len(sections)
            assert browser.evaluate("document.querySelectorAll('polyline').length") > 10
            assert browser.evaluate("document.querySelector('figure svg').getBoundingClientRect().height") > 100
            sizes = "[innerWidth, document.documentElement.scrollWidth - document.documentElement.clientWidth]"
            assert browser.evaluate(sizes) == [width, 0]  # a phone widens its window for content that does not fit
            backgrounds.add(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
            methods = [event["method"] for event in browser.events]
            assert methods.count("Network.requestWillBeSent") == 1  # the page itself
            assert not {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"} & set(methods)
    assert len(backgrounds) == 2
