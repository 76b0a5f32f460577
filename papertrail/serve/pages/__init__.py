"""The page: forms and answers as HTML rendered on the server, without scripts and without files from other sites.

The form of the input decides on which page a command is: queries and paper names on /search, texts, sentences, papers
and documents on /read, citations on /link.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from papertrail.core.errors import DataError, PapertrailError
from papertrail.data.task import Command
from papertrail.inference.bibliography import parse_bibliography
from papertrail.inference.documents import Document, find_citations, read_pasted
from papertrail.inference.task_commands import TaskCommand
from papertrail.serve import limits
from papertrail.serve.api import check_pairs
from papertrail.serve.errors import ErrorResponse, from_error
from papertrail.serve.model_store import ModelStatus
from papertrail.serve.pages.forms import STYLE, check_field, read_form, render
from papertrail.serve.pages.marks import split_sentences
from papertrail.serve.queue import BatchQueue, Question, Reply

HITS = {"hits": 10, "links": 5}  # results per input, by form of answer: about a screen
PAGES = {
    "/search": ("query", "paper_name"),
    "/read": ("text", "sentence", "paper", "document"),
    "/link": ("citations",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The answers to a command on a page, or the error; neither if an input is missing.

    Attributes:
        command: The command.
        inputs: Inputs of the model.
        left_out: Number of inputs that the model does not read.
    """

    command: Command
    inputs: list[Any]
    left_out: int = 0
    reply: Reply | None = None
    error: ErrorResponse | None = None

    @property
    def answers(self) -> list[Any]:
        """Return the answers, if there are any."""
        return self.reply.answers if self.reply else []


def make_pages(
    queue: BatchQueue, models: Callable[[], list[ModelStatus]], commands: dict[str, TaskCommand]
) -> APIRouter:
    """Return all pages."""
    pages = APIRouter(include_in_schema=False)
    known = [question.command for question in commands.values()]

    @pages.get("/style.css")
    async def style() -> Response:
        return Response(STYLE, media_type="text/css")

    @pages.get("/")
    async def home() -> Response:
        by_page = {path: with_input(known, *forms) for path, forms in PAGES.items()}
        return render("home", None, models=models(), commands=by_page)

    _add_search(pages, queue, known)
    _add_read(pages, queue, known)
    _add_link(pages, queue, known)
    return pages


def show_error(error: ErrorResponse) -> Response:
    """Return a page for an error outside forms."""
    return render("error", error)


def with_input(commands: Iterable[Command], *forms: str) -> list[Command]:
    """Return the commands with some forms of input, ordered by form."""
    chosen = [command for command in commands if command.input in forms]
    return sorted(chosen, key=lambda command: forms.index(command.input))


def first_example(commands: Iterable[Command]) -> Any:
    """Return the first example of some commands, None if there is none."""
    return next((example for command in commands for example in command.examples), None)


async def answer(queue: BatchQueue, part: Part) -> Part:
    """Return the part with its answers, or the error."""
    question = Question(command=part.command.name, model=None, hits=HITS.get(part.command.answer, 0))
    try:
        return replace(part, reply=await queue.ask(question, part.inputs))
    except PapertrailError as error:
        return replace(part, error=from_error(error))


async def answer_all(queue: BatchQueue, parts: Iterable[Part]) -> tuple[list[Part], ErrorResponse | None]:
    """Return the parts with their answers, and the error of the page: that of the only part."""
    answered = list(await asyncio.gather(*(answer(queue, part) for part in parts)))
    return answered, answered[0].error if len(answered) == 1 else None


def _add_search(pages: APIRouter, queue: BatchQueue, known: list[Command]) -> None:
    queries, names = with_input(known, "query"), with_input(known, "paper_name")
    example = first_example(queries) or ""

    async def show(name: str, value: str, commands: list[Command], **fields: str) -> Response:
        parts: list[Part] = []
        error = check_field(name, value, limits.TITLE_CHARACTERS)
        if not error:
            parts, error = await answer_all(queue, [Part(command=command, inputs=[value]) for command in commands])
        return render("search", error, parts=parts, example=example, similar=bool(names), **fields)

    @pages.get("/search")
    async def search(request: Request) -> Response:
        query = request.query_params.get("q", "").strip()
        if not query:
            return render("search", None, parts=[], example=example, similar=bool(names), query="", paper="")
        return await show("query", query, queries, query=query, paper="")

    @pages.get("/similar")
    async def similar(request: Request) -> Response:
        paper = request.query_params.get("paper", "").strip()
        return await show("paper", paper, names, query="", paper=paper)


def _add_read(pages: APIRouter, queue: BatchQueue, known: list[Command]) -> None:
    commands, documents = with_input(known, "text", "sentence", "paper"), with_input(known, "document")
    papers = with_input(known, "paper")
    fixed = {"documents": documents, "papers": papers, "example": first_example(with_input(known, "text", "sentence"))}

    def show(error: ErrorResponse | None, title: str, text: str, parts: list[Part]) -> Response:
        return render("read", error, title=title, text=text, parts=parts, **fixed)

    @pages.get("/read")
    async def read_empty() -> Response:
        return show(None, "", "", [])

    @pages.post("/read")
    async def read(request: Request) -> Response:
        title, text, action = await read_form(request, "title", "text", "action")
        error = check_field("text", text, limits.TEXT_CHARACTERS)
        error = error or check_field("title", title or "-", limits.TITLE_CHARACTERS)
        if error:
            return show(error, title, text, [])
        chosen = [command for command in documents if command.name == action]
        ready = [_read_part(command, title, text) for command in chosen or commands]
        parts, error = await answer_all(queue, [part for part in ready if part.inputs])
        return show(error, title, text, [*parts, *(part for part in ready if not part.inputs)])


def _read_part(command: Command, title: str, text: str) -> Part:
    """Return the inputs of a command for a text; a paper without a title has none."""
    if command.input == "paper":
        return Part(command=command, inputs=[{"title": title, "abstract": text}] if title else [])
    if command.input == "sentence":
        sentences = split_sentences(text) or [text]
        left_out = max(len(sentences) - limits.SENTENCES, 0)
        return Part(command=command, inputs=sentences[: limits.SENTENCES], left_out=left_out)
    return Part(command=command, inputs=[read_pasted(text) if command.input == "document" else text])


def _add_link(pages: APIRouter, queue: BatchQueue, known: list[Command]) -> None:
    commands = with_input(known, "citations")
    example = first_example(commands)

    @pages.get("/link")
    async def link_empty() -> Response:
        return render("link", None, text="", bibliography="", parts=[], example=example)

    @pages.post("/link")
    async def link(request: Request) -> Response:
        text, bibliography = await read_form(request, "text", "bibliography")
        parts: list[Part] = []
        error = check_field("text", text, limits.TEXT_CHARACTERS)
        error = error or check_field("bibliography", bibliography, limits.TEXT_CHARACTERS)
        if not error:
            try:
                document = _make_document(text, bibliography)
                parts, error = await answer_all(queue, [Part(command=c, inputs=[document]) for c in commands])
            except PapertrailError as problem:
                error = from_error(problem)
        return render("link", error, text=text, bibliography=bibliography, parts=parts, example=example)


def _make_document(text: str, bibliography: str) -> Document:
    entries = parse_bibliography(bibliography, "bibliography")
    if len(entries) > limits.ENTRIES:
        raise DataError(f"the bibliography has {len(entries)} entries, the maximum is {limits.ENTRIES}; leave some out")
    citations = find_citations(text, frozenset(entry["id"] for entry in entries))
    return check_pairs({"text": text, "citations": citations, "bibliography": entries})
