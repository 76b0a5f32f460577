"""The page: what it shows, that nothing pasted acts in it, that input is kept, and how it stands in a browser."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
import requests

from scholar.ask import limits
from scholar.ask.page.forms import STYLE
from scholar.ask.page.marks import mark, split_sentences
from tests.fixtures.browser import CHROMIUM, Browser, start_browser
from tests.fixtures.tiny_server import SCRIPT, StandIn, make_tiny_app, serve

TEXT = f"See Table 1. We use {SCRIPT} in Figure 2 [1] & more."
EVIL = f'"><img src=x onerror=alert(1)>{SCRIPT}'


@pytest.fixture(scope="module")
def models() -> StandIn:
    return StandIn()


@pytest.fixture(scope="module")
def address(models: StandIn) -> Iterator[str]:
    with serve(make_tiny_app(models)) as address:
        yield address


class Reader(HTMLParser):
    """What a browser would see of a page."""

    VOID = ("meta", "link", "input")

    def __init__(self, response: requests.Response) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(response.text)
        assert self.open == []
        names = {name for name, _ in self.tags}
        assert not names & {"script", "img", "style", "iframe"}
        assert not any(key.startswith("on") or key == "style" for _, given in self.tags for key in given)
        labels = {given.get("for") for name, given in self.tags if name == "label"}
        fields = {given.get("id") for name, given in self.tags if name in ("input", "textarea")}
        assert fields == labels
        assert {"main", "header", "nav", "footer", "h1"} < names

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self) -> dict[str | None, str | None]:
        """What the fields hold."""
        return {given.get("name"): given.get("value") for name, given in self.tags if name == "input"}


def get(address: str, path: str, **query: str) -> requests.Response:
    return requests.get(address + path, params=query, timeout=60)


def send(address: str, path: str, **form: str) -> requests.Response:
    return requests.post(address + path, data=form, timeout=60)


# --- what the pages show ---


def test_every_page_is_whole_and_lets_a_browser_do_nothing_else(address: str) -> None:
    for path in ("/", "/search", "/read", "/link", "/nowhere"):
        response = get(address, path)
        Reader(response)
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; form-action 'self'")
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", response.text)
    assert not re.search(r"url\(|@import", STYLE)


def test_home_tells_which_models_are_missing_and_what_makes_them(address: str) -> None:
    text = Reader(get(address, "/")).text
    assert "`dvc repro finetune@gone` trains it" in text


def test_search_shows_hits_and_a_way_to_similar_papers(address: str) -> None:
    response = get(address, "/search", q="attention")
    page = Reader(response)
    assert page.values()["q"] == "attention"
    assert page.text.count("cosine similarity 0.500") == 10
    assert "test entity F1 0.500 [0.250, 0.750]. In brackets the 95 % interval." in page.text
    links = [given["href"] for name, given in page.tags if name == "a" and "/similar" in str(given["href"])]
    assert len(links) == 10
    similar = Reader(requests.get(address + str(links[0]), timeout=10))
    assert "Papers near id/1&" in similar.text


def test_reading_marks_mentions_and_tells_intent_category_and_interest(address: str, models: StandIn) -> None:
    models.batches.clear()
    page = Reader(send(address, "/read", title="A title", text="See Table 1.\r\nWe use Figure 2.", action="read"))
    marked = [given.get("class") for name, given in page.tags if name == "mark"]
    assert marked == ["e0", "e1", "e1", "e0"]  # the legend, Figure and Table, then the text
    assert "Table 1 Table 0.75" in page.text
    kinds = {question.kind: inputs for question, inputs in models.batches}
    assert kinds["intent"] == ["See Table 1.", "We use Figure 2."]
    assert (
        kinds["category"] == kinds["interest"] == [{"title": "A title", "abstract": "See Table 1.\nWe use Figure 2."}]
    )
    assert page.text.count("decided at a probability of 0.500, the threshold chosen on validation") == 2
    assert page.text.count("Only the beginning was read") == 2
    assert "summarize" not in kinds


def test_without_a_title_the_rest_is_answered(address: str) -> None:
    page = Reader(send(address, "/read", text="See Table 1.", action="read"))
    assert page.text.count("Needs the title of the paper.") == 2
    assert "Table 1 Table 0.75" in page.text


def test_more_sentences_than_are_read_are_counted(address: str) -> None:
    text = " ".join(f"This is sentence number {number}." for number in range(limits.SENTENCES + 5))
    assert "5 more sentences were not read for intent" in Reader(send(address, "/read", text=text)).text


def test_a_summary_is_asked_for_by_itself(address: str, models: StandIn) -> None:
    models.batches.clear()
    page = Reader(send(address, "/read", text="A long text.", action="summarize"))
    assert "In short: A long text." in page.text
    assert "300 tokens were read, 1,200 after them were not" in page.text
    assert [question.kind for question, _ in models.batches] == ["summarize"]


def test_links_of_each_citation(address: str) -> None:
    bibtex = "@article{lee, title = {On Tables}, year = {2020}}\n@article{roe, title = {On Figures}}"
    page = Reader(send(address, "/link", text="As in [1] and [2].", bibliography=bibtex))
    assert "2 citations" in page.text
    assert page.text.count("On Tables (2020) lee, probability 0.500") == 2
    assert "left out because they have no title: 1." in page.text
    titles = Reader(send(address, "/link", text="As in [1].", bibliography="On Tables\nOn Figures"))
    assert "On Figures 2, probability 0.500" in titles.text


def test_forms_of_full_length_are_read_in_any_script(address: str) -> None:
    page = Reader(
        send(
            address,
            "/link",
            text="[1]" + "漢" * (limits.TEXT_CHARACTERS - 3),
            bibliography="漢" * limits.TEXT_CHARACTERS,
        )
    )
    assert "1 citation" in page.text


# --- what goes wrong ---


@pytest.mark.parametrize(
    ("path", "form", "status", "message"),
    [
        ("/read", {"text": "", "title": "kept & <b>"}, 422, "the text is empty"),
        ("/read", {"text": "a" * (limits.TEXT_CHARACTERS + 1)}, 422, "the text has 50,001 characters, up to 50,000"),
        ("/read", {"text": "kept & <b>", "title": "a" * 1001}, 422, "the title has 1,001 characters"),
        ("/read", {"text": "wrong: kept & <b>", "action": "summarize"}, 422, "input 1 is wrong"),
        ("/link", {"text": "kept & <b>", "bibliography": ""}, 422, "the bibliography is empty"),
        ("/link", {"text": "kept & <b>", "bibliography": "A title"}, 422, "no citation was found"),
        ("/link", {"text": "kept & <b> [1]", "bibliography": "@article{broken,"}, 422, "bibliography:1: not a BibTeX"),
        ("/link", {"text": "kept & <b> [1]", "bibliography": "a\n" * 301}, 422, "has 301 entries, up to 300"),
        (
            "/link",
            {"text": "kept & <b> " + "[1] " * 11, "bibliography": "a\n" * 200},
            422,
            "11 citations times 200 entr",
        ),
    ],
)
def test_errors_stand_in_the_page_and_the_input_is_kept(
    address: str, path: str, form: dict[str, str], status: int, message: str
) -> None:
    response = send(address, path, **form)
    page = Reader(response)
    assert response.status_code == status
    assert message in page.text
    kept = page.text + "".join(str(value) for value in page.values().values())
    assert all(given.strip() in kept for given in form.values() if len(given) > 20 or "kept" in given)


def test_one_missing_model_leaves_the_others(address: str) -> None:
    response = send(address, "/read", title="A wrong title", text="See Table 1.")
    text = Reader(response).text
    assert response.status_code == 200
    assert text.count("input 1 is wrong") == 2  # category and interest
    assert "Table 1 Table 0.75" in text


@pytest.mark.parametrize("data", [b"text=%ff", b"text=\xff", b"&".join(b"a%d=b" % n for n in range(20))])
def test_what_is_no_form_is_refused(address: str, data: bytes) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert requests.post(f"{address}/read", data=data, headers=kind, timeout=10).status_code == 400
    response = requests.post(f"{address}/read", json={"text": "a"}, timeout=10)
    assert response.status_code == 415
    assert "a form was expected" in Reader(response).text


def test_unknown_papers_and_empty_queries_are_told(address: str) -> None:
    response = get(address, "/similar", paper="nobody's")
    assert (response.status_code, "no paper 'nobody's'" in Reader(response).text) == (404, True)
    assert get(address, "/similar").status_code == 422
    assert get(address, "/search", q="a" * 1001).status_code == 422
    assert get(address, "/search", q=" ").status_code == 200


def test_what_is_pasted_stays_text(address: str) -> None:
    for response in (
        get(address, "/search", q=EVIL),
        get(address, "/similar", paper=EVIL),
        get(address, f"/{EVIL}"),
        send(address, "/read", title=EVIL, text=f"{EVIL} Table 1", action="read"),
        send(address, "/read", title=EVIL, text=EVIL, action="summarize"),
        send(address, "/read", title=EVIL, text=f"wrong {EVIL}", action="summarize"),
        send(address, "/link", text=f"{EVIL} [1]", bibliography=f"{EVIL}\n{SCRIPT}"),
        send(address, "/link", text=f"{EVIL} [1]", bibliography=f"@article{{{SCRIPT}, title={{{EVIL}}}"),
    ):
        Reader(response)  # no tag that the page does not have
        assert "<script" not in response.text
        assert "<img" not in response.text


# --- pieces ---


def test_marks_give_the_whole_text_back() -> None:
    mentions: list[dict[str, Any]] = [
        {"start": 8, "end": 11, "type": "B", "probability": 0.5},
        {"start": 0, "end": 3, "type": "A", "probability": 1.0},
        {"start": 3, "end": 5, "type": "B", "probability": 0.25},
    ]
    pieces = mark("onetwo, six", mentions)
    assert "".join(piece.text for piece in pieces) == "onetwo, six"
    assert [(piece.text, piece.type) for piece in pieces if piece.type] == [("one", "A"), ("tw", "B"), ("six", "B")]


def test_sentences_are_those_with_a_letter() -> None:
    assert split_sentences("One is here. - \n\n *** \n\n Two is there.") == ["One is here.", "Two is there."]


# --- in a browser ---


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with start_browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; Debian's package is chromium")
@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_stand_in_a_browser(address: str, browser: Browser, width: int, scheme: str) -> None:
    def check() -> None:
        sizes = "[innerWidth, document.documentElement.scrollWidth - document.documentElement.clientWidth]"
        assert browser.evaluate(sizes) == [width, 0]  # a phone makes its window wider for what does not fit
        background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
        methods = [event["method"] for event in browser.events]
        assert not {"Runtime.consoleAPICalled", "Runtime.exceptionThrown"} & set(methods)
        said = [event["params"]["entry"]["text"] for event in browser.events if event["method"] == "Log.entryAdded"]
        assert said == []
        urls = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
        assert urls
        assert all(url.startswith(address) for url in urls)

    for path in ("/", "/read", "/link", f"/search?q={'long' * 60}"):
        browser.open(address + path, width, scheme)
        check()
    browser.click(".hits a")  # similar papers
    assert browser.evaluate("document.querySelector('h1').textContent") == "Similar papers"
    check()
    browser.open(f"{address}/read", width, scheme)
    browser.evaluate(f"document.querySelector('textarea').value = {TEXT * 20!r}")
    browser.evaluate("document.querySelector('input').value = 'A title'")
    browser.click("button")
    assert browser.evaluate("document.querySelectorAll('.text mark').length") == 40
    assert browser.evaluate("document.querySelector('textarea').value") == TEXT * 20
    check()
    browser.open(f"{address}/link", width, scheme)
    browser.evaluate(f"document.querySelector('#text').value = {TEXT!r}")
    browser.evaluate(f"document.querySelector('#bibliography').value = {SCRIPT * 9!r}")
    browser.click("button")
    assert browser.evaluate("document.querySelectorAll('article').length") == 1
    check()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; Debian's package is chromium")
def test_the_keyboard_reaches_everything_and_shows_where_it_is(address: str, browser: Browser) -> None:
    browser.open(f"{address}/read", 1200)
    seen = []
    for _ in range(9):
        for kind in ("keyDown", "keyUp"):
            browser.ask("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        focused = "(e => [e.tagName, e.id || e.value || e.getAttribute('href'), getComputedStyle(e).outlineStyle])"
        seen.append(browser.evaluate(f"{focused}(document.activeElement)"))
    assert seen[0] == ["A", "#main", "solid"]
    assert [name for _, name, _ in seen[1:]] == ["/", "/search", "/read", "/link", "title", "text", "read", "summarize"]
    assert {outline for *_, outline in seen} == {"solid"}
