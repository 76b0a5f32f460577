"""The page: forms, and answers as HTML made on the server; no script runs and nothing is loaded from elsewhere."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from scholar.ask import limits
from scholar.ask.api import check_pairs
from scholar.ask.bibliography import Document, find_citations, parse_bibliography
from scholar.ask.desk import Desk, Question, Reply
from scholar.ask.page.forms import STYLE, check, read_form, render
from scholar.ask.page.marks import mark, split_sentences
from scholar.ask.problems import Told, tell
from scholar.ask.shelf import Shown
from scholar.errors import DataError, ScholarError

HITS = 10  # of a search: a screen or two
ENTRIES = 5  # of a bibliography, for each citation


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One model's answers on a page, or why there are none."""

    reply: Reply | None
    told: Told | None

    @property
    def answers(self) -> list[Any]:
        """The answers, where there are."""
        return self.reply.answers if self.reply else []


Ask = Callable[[str, list[Any], int], Awaitable[Part]]


def make_pages(desk: Desk, models: Callable[[], list[Shown]]) -> APIRouter:
    """All pages."""
    pages = APIRouter(include_in_schema=False)

    async def ask(kind: str, inputs: list[Any], hits: int = 0) -> Part:
        try:
            return Part(reply=await desk.ask(Question(kind=kind, run=None, hits=hits), inputs), told=None)
        except ScholarError as error:
            return Part(reply=None, told=tell(error))

    @pages.get("/style.css")
    async def style() -> Response:
        return Response(STYLE, media_type="text/css")

    @pages.get("/")
    async def home() -> Response:
        return render("home", None, models=models())

    _add_search(pages, ask)
    _add_read(pages, ask)
    _add_link(pages, ask)
    return pages


def show_error(told: Told) -> Response:
    """A page for an error that no form shows."""
    return render("error", told)


def _add_search(pages: APIRouter, ask: Ask) -> None:
    @pages.get("/search")
    async def search(request: Request) -> Response:
        asked = request.query_params.get("q", "").strip()
        return await show("search", asked, "") if asked else render("search", None, asked="", seed="", part=None)

    @pages.get("/similar")
    async def similar(request: Request) -> Response:
        return await show("similar", "", request.query_params.get("paper", "").strip())

    async def show(kind: str, asked: str, seed: str) -> Response:
        told, part = check("query" if kind == "search" else "paper", asked or seed, limits.TITLE_CHARACTERS), None
        if not told:
            part = await ask(kind, [asked or seed], HITS)
            told = part.told
        return render("search", told, asked=asked, seed=seed, part=part)


def _add_read(pages: APIRouter, ask: Ask) -> None:
    empty: dict[str, Any] = {"title": "", "text": "", "parts": {}, "sentences": [], "marked": [], "types": []}

    @pages.get("/read")
    async def read_empty() -> Response:
        return render("read", None, **empty)

    @pages.post("/read")
    async def read(request: Request) -> Response:
        title, text, action = await read_form(request, "title", "text", "action")
        told = check("text", text, limits.TEXT_CHARACTERS) or check("title", title or "-", limits.TITLE_CHARACTERS)
        given = {**empty, "title": title, "text": text}
        if told:
            return render("read", told, **given)
        if action == "summarize":
            part = await ask("summarize", [text], 0)
            return render("read", part.told, **given | {"parts": {"summary": part}})
        sentences = split_sentences(text)
        paper = [{"title": title, "abstract": text}]
        asked: dict[str, list[Any]] = {"entities": [text], "intent": sentences[: limits.SENTENCES] or [text]}
        asked |= {"category": paper, "interest": paper} if title else {}
        answered = await asyncio.gather(*(ask(kind, inputs, 0) for kind, inputs in asked.items()))
        parts = dict(zip(asked, answered, strict=True))
        marked = [piece for answer in parts["entities"].answers for piece in mark(text, answer["entities"])]
        types = sorted({piece.type for piece in marked if piece.type})
        shown = {"parts": parts, "sentences": sentences or [text], "marked": marked, "types": types}
        return render("read", None, **given | shown)


def _add_link(pages: APIRouter, ask: Ask) -> None:
    @pages.get("/link")
    async def link_empty() -> Response:
        return render("link", None, text="", bibliography="", part=None)

    @pages.post("/link")
    async def link(request: Request) -> Response:
        text, bibliography = await read_form(request, "text", "bibliography")
        told, part = None, None
        for what, given in (("text", text), ("bibliography", bibliography)):
            told = told or check(what, given, limits.TEXT_CHARACTERS)
        if not told:
            try:
                part = await ask("link", [_document(text, bibliography)], ENTRIES)
                told = part.told
            except ScholarError as error:
                told = tell(error)
        return render("link", told, text=text, bibliography=bibliography, part=part)


def _document(text: str, bibliography: str) -> Document:
    entries = parse_bibliography(bibliography, "bibliography")
    if len(entries) > limits.ENTRIES:
        raise DataError(f"the bibliography has {len(entries)} entries, up to {limits.ENTRIES} are read; leave some out")
    return check_pairs({"text": text, "citations": find_citations(text), "bibliography": entries})
