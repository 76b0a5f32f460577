"""The report: what it tells, that text of papers cannot act in it, and how it looks in a browser."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scholar.errors import ScholarError
from scholar.params import Params, load_params
from scholar.report import Section, build_report, parse_examples, to_html, to_markdown
from tests.fixtures.browser import CHROMIUM, Browser, start_browser
from tests.fixtures.results import MISTAKES, SCRIPT, SUMMARIES, keep_four, write_json, write_results


@pytest.fixture(scope="module")
def params() -> Params:
    return keep_four(load_params(Path(__file__).parents[1] / "params.yaml"))


@pytest.fixture
def sections(params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Section]:
    monkeypatch.chdir(tmp_path)
    write_results(params)
    return build_report(params)


def test_markdown_tells_every_number_and_no_text_of_a_paper(sections: list[Section]) -> None:
    text = to_markdown(sections)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    baselines = "TF-IDF + logistic regression 0.700 [0.600, 0.800], majority class 0.200 [0.100, 0.300]"
    unsure = "no difference seen (one test alone could have shown about 0.070)"
    for row in (
        ["better", "3"],
        ["worse", "1"],
        ["no difference seen", "3"],
        ["base", "macro-F1", "0.800 [0.700, 0.900]", baselines, unsure],
        ["again", "base", "macro-F1", "-0.100 [+0.050, +0.150]", "0.0300", "worse"],
        ["base", "goal", "0.500", "0.250", "0.333", "8"],
        ["tiny-search", "BM25", *["**0.250**"] * 5],
        ["tiny-summary", "LexRank", *["0.125"] * 6, "0"],
        ["perplexity", "99.500", "9.250"],
        ["data", "1,402", "1,400", "3"],
        ["aclsum_intent", "citation_intent", "1,500 / 1,500 / 1,500", "human", "MIT"],
        ["aclsum_intent", "goal", "1,000", "1,000", "1,000"],
        ["aclsum_intent", "too short", "12"],
        ["aclsum_intent", "a clue", "5 of 200"],
        ["tiny-search", "data/raw/minilm", "2", "1", "30", "64", "1,920"],
    ):
        assert row in cells, row
    assert "Labels: human, that is, given by annotators" in text
    assert "alert" not in text


class Reader(HTMLParser):
    """What a browser would see: tags that are open, references, text."""

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


def test_page_is_whole_and_text_of_papers_stays_text(sections: list[Section]) -> None:
    page = to_html(sections)
    seen = Reader(page)
    assert seen.open == []
    assert "script" not in seen.tags
    assert seen.text.count(SCRIPT) == 2  # in a mistake and in a summary, as words
    assert seen.tags.count("figure") == len([part for s in sections for part in (*s.charts, *s.confusions)]) == 9
    assert seen.text.count("better") >= 2


def test_page_asks_for_nothing(sections: list[Section]) -> None:
    page = to_html(sections)
    seen = Reader(page)
    assert {reference[1:] for reference in seen.references} < set(seen.ids)
    assert all(reference.startswith("#") for reference in seen.references)
    assert not re.search(r"url\(|@import", page)
    assert "default-src 'none'" in page


def test_the_same_bytes_each_time(sections: list[Section], params: Params) -> None:
    again = build_report(params)
    assert (to_html(again), to_markdown(again)) == (to_html(sections), to_markdown(sections))


def test_without_retrievers_and_summarizers_there_are_no_sections_of_them(
    sections: list[Section], params: Params
) -> None:
    fewer = build_report(replace(params, retrievers={}, summarizers={}))
    gone = {section.title for section in sections} - {section.title for section in fewer}
    assert gone == {"Semantic search", "Summarization"}
    assert Reader(to_html(fewer)).open == []


def test_a_changed_number_changes_both_forms(sections: list[Section], params: Params) -> None:
    write_json("pretrain.json", {"before": {"perplexity": 99.5}, "after": {"perplexity": 8.0}, "steps": 16})
    changed = build_report(params)
    assert to_html(changed) != to_html(sections)
    assert to_markdown(changed) != to_markdown(sections)


def test_missing_metrics_are_told(params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScholarError, match=r"metrics/comparisons\.json: no such file"):
        build_report(params)


def test_examples_are_read_as_the_stages_write_them() -> None:
    (mistakes,) = parse_examples(MISTAKES)
    assert mistakes.title == "base, test: the worst mistakes"
    assert mistakes.items == [{"id": "1", "text": f"a {SCRIPT} & b", "predicted": "c"}, {"id": "2", "text": "d\ne"}]
    (summaries,) = parse_examples(SUMMARIES)
    assert summaries.items == [
        {"paper": "A title (7)", "reference": "r", "tuned": f"{SCRIPT}\n# no title, but written by a model"}
    ]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with start_browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; Debian's package is chromium")
def test_page_stands_in_a_browser(sections: list[Section], browser: Browser) -> None:
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
            assert browser.evaluate(sizes) == [width, 0]  # a phone makes its window wider for what does not fit
            backgrounds.add(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
            methods = [event["method"] for event in browser.events]
            assert methods.count("Network.requestWillBeSent") == 1  # the page itself
            assert not {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"} & set(methods)
    assert len(backgrounds) == 2
