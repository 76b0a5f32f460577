"""The JSON endpoints, and the requests that they take: OpenAPI's description is made from these.

Requests are models and not dataclasses, as elsewhere, since FastAPI hands over what it has parsed, and strict
dataclasses take only instances of themselves.
"""

from collections import Counter
from typing import Annotated, Any, Self

from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from scholar.ask import limits
from scholar.ask.bibliography import Document, find_citations
from scholar.ask.desk import Desk, Question, Reply
from scholar.ask.problems import MEANINGS, Problem
from scholar.errors import DataError

Text = Annotated[str, Field(min_length=1, max_length=limits.TEXT_CHARACTERS, pattern=r"\S")]
Title = Annotated[str, Field(min_length=1, max_length=limits.TITLE_CHARACTERS, pattern=r"\S")]
Name = Annotated[str, Field(max_length=100, examples=[None])]


def _take_whole(given: object) -> object:
    return int(given) if isinstance(given, float) and given.is_integer() else given


Whole = Annotated[int, BeforeValidator(_take_whole)]  # JSON knows one kind of number: 3.0 is an integer, "3" is none
SENTENCE = "We translate with attention (Bahdanau et al., 2015); Table 2 shows the scores."
PAPER = {"title": "Neural machine translation by jointly learning to align and translate", "abstract": ""}
ENTRIES = [
    {"id": "b0", "title": PAPER["title"], "abstract": ""},
    {"id": "b1", "title": "Speech recognition with deep recurrent networks", "abstract": ""},
]


class Asked(BaseModel):
    """What all requests have."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    run: Name | None = Field(None, description="the name of a model, of GET /api/health; null: the best on validation")


class Texts(Asked):
    """Some texts."""

    texts: list[Text] = Field(min_length=1, max_length=limits.TEXTS, examples=[[SENTENCE]])


class LongText(Asked):
    """One text, which takes seconds."""

    text: Text = Field(examples=[SENTENCE])


class Paper(BaseModel):
    """What a paper is told by."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    title: Title
    abstract: str = Field("", max_length=limits.TEXT_CHARACTERS)


class Papers(Asked):
    """Some papers."""

    papers: list[Paper] = Field(min_length=1, max_length=limits.TEXTS, examples=[[PAPER]])


class Entry(Paper):
    """An entry of a bibliography."""

    id: str = Field(min_length=1, max_length=100)


class Span(BaseModel):
    """Where a citation stands in the text, in characters; the end is the first one after it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    start: Whole = Field(ge=0, le=limits.TEXT_CHARACTERS)
    end: Whole = Field(ge=0, le=limits.TEXT_CHARACTERS)


class Citations(Asked):
    """A text, where it cites, and what it may cite."""

    text: Text = Field(examples=[SENTENCE])
    bibliography: list[Entry] = Field(min_length=1, max_length=limits.ENTRIES, examples=[ENTRIES])
    citations: list[Span] | None = Field(
        None, min_length=1, max_length=limits.ENTRIES, description="in their order; null: found by their form"
    )
    hits: Whole = Field(ge=1, le=limits.ENTRIES, examples=[5], description="entries told of each citation")

    @model_validator(mode="after")
    def _check_ids(self) -> Self:
        ids = Counter(entry.id for entry in self.bibliography)
        if twice := [id_ for id_, count in ids.items() if count > 1]:
            raise ValueError(f"id {twice[0]!r} stands twice in the bibliography; give each entry its own")
        return self

    def to_document(self) -> Document:
        """What scholar.ask.answers.link takes.

        Raises:
            DataError: it is more than one request may ask.
        """
        citations = find_citations(self.text)
        if self.citations is not None:
            citations = [{"start": span.start, "end": span.end, "target": None} for span in self.citations]
        bibliography = [{**entry.model_dump(), "year": None} for entry in self.bibliography]
        return check_pairs({"text": self.text, "citations": citations, "bibliography": bibliography})


def check_pairs(document: Document) -> Document:
    """The document itself.

    Raises:
        DataError: it has more pairs of a citation and an entry than one request may ask.
    """
    citations, entries = len(document["citations"]), len(document["bibliography"])
    if citations * entries > limits.PAIRS:
        raise DataError(
            f"{citations:,} citations times {entries:,} entries are {citations * entries:,} pairs, up to "
            f"{limits.PAIRS:,} are read; send fewer paragraphs at once, or leave entries out"
        )
    return document


class Queries(Asked):
    """What to search for."""

    queries: list[Title] = Field(min_length=1, max_length=limits.TEXTS, examples=[["word alignment"]])
    hits: Whole = Field(ge=1, le=limits.HITS, examples=[5], description="of each query")


class Likeness(Asked):
    """Papers whose like is sought."""

    papers: list[Title] = Field(
        min_length=1, max_length=limits.TEXTS, description="ids or titles", examples=[[PAPER["title"]]]
    )
    hits: Whole = Field(ge=1, le=limits.HITS, examples=[5], description="of each paper")


class Answers(BaseModel):
    """An answer to each input, in their order, and the model that gave it with its score on test."""

    model: dict[str, Any]
    answers: list[Any]


def make_api(desk: Desk) -> APIRouter:
    """All endpoints that a model answers."""
    told: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": meaning} for status, meaning in MEANINGS.items()
    }
    api = APIRouter(prefix="/api", responses=told, tags=["models"])

    async def ask(asked: Asked, kind: str, inputs: list[Any], hits: Whole = 0) -> Answers:
        reply: Reply = await desk.ask(Question(kind=kind, run=asked.run, hits=hits), inputs)
        return Answers(model=reply.about, answers=reply.answers)

    @api.post("/entities")
    async def entities(asked: Texts) -> Answers:
        """Mentions in each text: start and end in characters, type, probability."""
        return await ask(asked, "entities", asked.texts)

    @api.post("/intent")
    async def intent(asked: Texts) -> Answers:
        """What each sentence is for: a label, and the probability of each label."""
        return await ask(asked, "intent", asked.texts)

    @api.post("/category")
    async def category(asked: Papers) -> Answers:
        """The category of each paper, and the probability of each category."""
        return await ask(asked, "category", [paper.model_dump() for paper in asked.papers])

    @api.post("/interest")
    async def interest(asked: Papers) -> Answers:
        """Whether each paper is of interest: a probability, and the threshold that was chosen on validation."""
        return await ask(asked, "interest", [paper.model_dump() for paper in asked.papers])

    @api.post("/link")
    async def link(asked: Citations) -> Answers:
        """The entries of the bibliography for each citation, the likeliest first."""
        return await ask(asked, "link", [asked.to_document()], asked.hits)

    @api.post("/summarize")
    async def summarize(asked: LongText) -> Answers:
        """A summary of the beginning of a text; it takes seconds."""
        return await ask(asked, "summarize", [asked.text])

    @api.post("/search")
    async def search(asked: Queries) -> Answers:
        """The papers nearest to each query, by cosine similarity."""
        return await ask(asked, "search", asked.queries, asked.hits)

    @api.post("/similar")
    async def similar(asked: Likeness) -> Answers:
        """The papers nearest to each paper, by cosine similarity."""
        return await ask(asked, "similar", asked.papers, asked.hits)

    return api
