"""The page: its content, escaping of user input, form values that are kept, and its layout in a browser."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
import requests

from papertrail.serve import limits
from papertrail.serve.pages.forms import STYLE
from papertrail.serve.pages.marks import list_types, mark, split_sentences
from tests.fixtures.browser import CHROMIUM, Browser, start_browser
from tests.fixtures.tiny_server import SCRIPT, TONE, StubModels, make_tiny_app, serve

TEXT = f"See Table 1. We use {SCRIPT} in Figure 2 [1] & more."
EVIL = f'"><img src=x onerror=alert(1)>{SCRIPT}'


@pytest.fixture(scope="module")
def models() -> StubModels:
    return StubModels()


@pytest.fixture(scope="module")
def address(models: StubModels) -> Iterator[str]:
    with serve(make_tiny_app(models)) as address:
        yield address


class Reader(HTMLParser):
    """The tags and the text of a page; checks its structure."""

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
        assert not any(key.startswith("on") or key == "style" for _, attributes in self.tags for key in attributes)
        labels = {attributes.get("for") for name, attributes in self.tags if name == "label"}
        fields = {attributes.get("id") for name, attributes in self.tags if name in ("input", "textarea")}
        ids = [attributes["id"] for _, attributes in self.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
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
        """Return the values of the fields."""
        return {field.get("name"): field.get("value") for name, field in self.tags if name == "input"}


def get(address: str, path: str, **query: str) -> requests.Response:
    return requests.get(address + path, params=query, timeout=60)


def send(address: str, path: str, **form: str) -> requests.Response:
    return requests.post(address + path, data=form, timeout=60)


# --- content ---


def test_every_page_is_well_formed_and_restricts_the_browser(address: str) -> None:
    for path in ("/", "/search", "/read", "/link", "/nowhere"):
        response = get(address, path)
        Reader(response)
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; form-action 'self'")
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", response.text)
    assert not re.search(r"url\(|@import", STYLE)


def test_the_home_page_lists_commands_and_models(address: str, models: StubModels) -> None:
    text = Reader(get(address, "/")).text
    for question in models.commands.values():
        assert f"{question.command.title}: {question.command.help}" in text
    assert "`dvc repro finetune@gone` trains it" in text


def test_the_home_page_opens_with_a_search_and_examples(address: str, models: StubModels) -> None:
    page = Reader(get(address, "/"))
    assert "q" in page.values()
    (command,) = (question.command for question in models.commands.values() if question.command.input == "query")
    links = [str(tag["href"]) for name, tag in page.tags if name == "a" and "/search?q=" in str(tag["href"])]
    assert len(links) == len(command.examples) > 0
    assert Reader(get(address, links[0])).values()["q"] == command.examples[0]


def test_search_shows_hits_with_links_to_similar_papers(address: str) -> None:
    response = get(address, "/search", q="attention")
    page = Reader(response)
    assert page.values()["q"] == "attention"
    assert page.text.count("cosine similarity 0.500") == 10
    assert "test entity F1 0.500 [0.250, 0.750]. The 95 % confidence interval is in brackets." in page.text
    links = [tag["href"] for name, tag in page.tags if name == "a" and "/similar" in str(tag["href"])]
    assert len(links) == 10
    similar = Reader(requests.get(address + str(links[0]), timeout=10))
    assert "Papers near id/1&" in similar.text


def test_reading_runs_every_command_for_texts_sentences_and_papers(address: str, models: StubModels) -> None:
    models.batches.clear()
    page = Reader(send(address, "/read", title="A title", text="See Table 1.\r\nWe use Figure 2.", action="read"))
    marked = [tag.get("class") for name, tag in page.tags if name == "mark"]
    assert marked == ["e0", "e1", "e1", "e0"]  # the legend, Figure and Table, then the text
    assert "Table 1 Table 0.75" in page.text
    text, paper = "See Table 1.\nWe use Figure 2.", {"title": "A title", "abstract": "See Table 1.\nWe use Figure 2."}
    by_form: dict[str, list[Any]] = {"text": [text], "sentence": ["See Table 1.", "We use Figure 2."], "paper": [paper]}
    asked = {question.command: inputs for question, inputs in models.batches}
    commands = {name: question.command for name, question in models.commands.items()}
    assert asked == {name: by_form[command.input] for name, command in commands.items() if command.input in by_form}
    assert page.text.count("decided at a probability of 0.500, the threshold chosen on validation") == 2
    assert page.text.count("Only the beginning was read") == 2


def test_the_command_of_a_new_task_has_a_section_on_the_page() -> None:
    models = StubModels({"tone": TONE})
    with serve(make_tiny_app(models)) as address:
        page = Reader(send(address, "/read", text="Nice. Good.", action="read"))
        assert "Tone: the tone of a sentence" in Reader(get(address, "/")).text
        assert "approach0.625Good." in page.text.replace("\n", "")
        assert get(address, "/search", q="a").status_code == 200  # no command searches
    assert models.batches[0][1] == ["Nice.", "Good."]


def test_without_a_title_the_other_commands_answer(address: str) -> None:
    page = Reader(send(address, "/read", text="See Table 1.", action="read"))
    assert page.text.count("Needs the title of the paper.") == 2
    assert "Table 1 Table 0.75" in page.text


def test_sentences_beyond_the_limit_are_counted(address: str) -> None:
    text = " ".join(f"This is sentence number {number}." for number in range(limits.SENTENCES + 5))
    assert "5 more sentences were not read" in Reader(send(address, "/read", text=text)).text


def test_a_document_command_runs_alone_by_its_button(address: str, models: StubModels) -> None:
    models.batches.clear()
    page = Reader(send(address, "/read", text="A long text.", action="summarize"))
    assert "In short: A long text." in page.text
    assert "300 tokens were read, 1,200 tokens were not" in page.text
    assert [question.command for question, _ in models.batches] == ["summarize"]


def test_an_extract_is_a_list_of_numbered_sentences(address: str) -> None:
    page = Reader(send(address, "/read", text="Extract <b>this</b>.", action="summarize"))
    assert "Extract <b>this</b>. sentence 7" in page.text
    assert "300 tokens were read, which is the whole text" in page.text


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


# --- errors ---


@pytest.mark.parametrize(
    ("path", "form", "status", "message"),
    [
        ("/read", {"text": "", "title": "kept & <b>"}, 422, "the text is empty"),
        (
            "/read",
            {"text": "a" * (limits.TEXT_CHARACTERS + 1)},
            422,
            "the text has 50,001 characters, the maximum is 50,000",
        ),
        ("/read", {"text": "kept & <b>", "title": "a" * 1001}, 422, "the title has 1,001 characters"),
        ("/read", {"text": "wrong: kept & <b>", "action": "summarize"}, 422, "input 1 is wrong"),
        ("/link", {"text": "kept & <b>", "bibliography": ""}, 422, "the bibliography is empty"),
        ("/link", {"text": "kept & <b>", "bibliography": "A title"}, 422, "no citation was found"),
        ("/link", {"text": "kept & <b> [1]", "bibliography": "@article{broken,"}, 422, "bibliography:1: not a BibTeX"),
        ("/link", {"text": "kept & <b> [1]", "bibliography": "a\n" * 301}, 422, "has 301 entries, the maximum is 300"),
        (
            "/link",
            {"text": "kept & <b> " + "[1] " * 11, "bibliography": "a\n" * 200},
            422,
            "11 citations times 200 entr",
        ),
    ],
)
def test_errors_are_on_the_page_and_the_input_is_kept(
    address: str, path: str, form: dict[str, str], status: int, message: str
) -> None:
    response = send(address, path, **form)
    page = Reader(response)
    assert response.status_code == status
    assert message in page.text
    kept = page.text + "".join(str(value) for value in page.values().values())
    assert all(value.strip() in kept for value in form.values() if len(value) > 20 or "kept" in value)


def test_the_error_of_one_command_does_not_stop_the_others(address: str) -> None:
    response = send(address, "/read", title="A wrong title", text="See Table 1.")
    text = Reader(response).text
    assert response.status_code == 200
    assert text.count("input 1 is wrong") == 2  # category and interest
    assert "Table 1 Table 0.75" in text


@pytest.mark.parametrize("data", [b"text=%ff", b"text=\xff", b"&".join(b"a%d=b" % n for n in range(20))])
def test_other_bodies_than_forms_are_refused(address: str, data: bytes) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert requests.post(f"{address}/read", data=data, headers=kind, timeout=10).status_code == 400
    response = requests.post(f"{address}/read", json={"text": "a"}, timeout=10)
    assert response.status_code == 415
    assert "expected a form" in Reader(response).text


def test_unknown_papers_and_empty_queries_are_errors(address: str) -> None:
    response = get(address, "/similar", paper="unknown")
    assert (response.status_code, "no paper 'unknown'" in Reader(response).text) == (404, True)
    assert get(address, "/similar").status_code == 422
    assert get(address, "/search", q="a" * 1001).status_code == 422
    assert get(address, "/search", q=" ").status_code == 200


def test_user_input_is_escaped(address: str) -> None:
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
        Reader(response)  # checks the tags
        assert "<script" not in response.text
        assert "<img" not in response.text


# --- splitting of texts ---


def test_the_pieces_join_to_the_text() -> None:
    mentions: list[dict[str, Any]] = [
        {"start": 8, "end": 11, "type": "B", "probability": 0.5},
        {"start": 0, "end": 3, "type": "A", "probability": 1.0},
        {"start": 3, "end": 5, "type": "B", "probability": 0.25},
    ]
    pieces = mark("onetwo, six", mentions)
    assert "".join(piece.text for piece in pieces) == "onetwo, six"
    assert [(piece.text, piece.type) for piece in pieces if piece.type] == [("one", "A"), ("tw", "B"), ("six", "B")]
    assert list_types([{"entities": mentions}, {"entities": []}]) == ["A", "B"]


def test_sentences_without_a_letter_are_left_out() -> None:
    assert split_sentences("One is here. - \n\n *** \n\n Two is there.") == ["One is here.", "Two is there."]


# --- in a browser ---


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with start_browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; Debian's package is chromium")
@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_the_window_of_a_browser(address: str, browser: Browser, width: int, scheme: str) -> None:
    def check() -> None:
        sizes = "[innerWidth, document.documentElement.scrollWidth - document.documentElement.clientWidth]"
        assert browser.evaluate(sizes) == [width, 0]  # a phone widens its window to what does not fit
        background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
        methods = [event["method"] for event in browser.events]
        assert not {"Runtime.consoleAPICalled", "Runtime.exceptionThrown"} & set(methods)
        log = [event["params"]["entry"]["text"] for event in browser.events if event["method"] == "Log.entryAdded"]
        assert log == []
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
def test_the_keyboard_reaches_everything_with_a_visible_focus(address: str, browser: Browser) -> None:
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
