"""The JSON endpoints: one per command of a task. The OpenAPI description is made from their requests.

The form of the input decides the schema of the request, the form of the answer whether it has a number of hits.
Requests are pydantic models, because FastAPI passes parsed values, which strict dataclasses reject.
"""

from collections import Counter
from typing import Annotated, Any, Self, cast

from fastapi import APIRouter, Body
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator

from papertrail.core.errors import DataError
from papertrail.data.formats.s2orc import to_nfc
from papertrail.inference.documents import Document, find_citations, read_pasted
from papertrail.inference.task_commands import TaskCommand
from papertrail.serve import limits
from papertrail.serve.errors import MEANINGS, ErrorBody
from papertrail.serve.queue import BatchQueue, Question


def _to_integer(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Written = Annotated[str, Field(min_length=1, max_length=limits.TEXT_CHARACTERS, pattern=r"\S")]
Text = Annotated[Written, AfterValidator(to_nfc)]
Title = Annotated[str, Field(min_length=1, max_length=limits.TITLE_CHARACTERS, pattern=r"\S"), AfterValidator(to_nfc)]
Name = Annotated[str, Field(max_length=100, examples=[None])]
Integer = Annotated[int, BeforeValidator(_to_integer)]  # JSON has one type of numbers: accepts 3.0, not "3"
STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
HITS = 5  # of examples


class Request(BaseModel):
    """The part that all requests have."""

    model_config = STRICT

    run: Name | None = Field(None, description="name of a model, from GET /api/health; null: the best on validation")

    def to_inputs(self) -> list[Any]:
        """Return the inputs of the model."""
        raise NotImplementedError


class Texts(Request):
    """One or more texts."""

    texts: list[Text] = Field(min_length=1, max_length=limits.TEXTS)

    def to_inputs(self) -> list[Any]:
        """Return the texts."""
        return list(self.texts)


class LongText(Request):
    """One text, whose answer takes seconds. LaTeX is read without its markup."""

    text: Text

    def to_inputs(self) -> list[Any]:
        """Return the text."""
        return [read_pasted(self.text)]


class Paper(BaseModel):
    """A paper by its title and, if known, its abstract."""

    model_config = STRICT

    title: Title
    abstract: Annotated[str, AfterValidator(to_nfc)] = Field("", max_length=limits.TEXT_CHARACTERS)


class Papers(Request):
    """One or more papers."""

    papers: list[Paper] = Field(min_length=1, max_length=limits.TEXTS)

    def to_inputs(self) -> list[Any]:
        """Return the papers as dicts."""
        return [paper.model_dump() for paper in self.papers]


class Queries(Request):
    """One or more queries of a search."""

    queries: list[Title] = Field(min_length=1, max_length=limits.TEXTS)

    def to_inputs(self) -> list[Any]:
        """Return the queries."""
        return list(self.queries)


class PaperNames(Request):
    """Papers of an index."""

    papers: list[Title] = Field(min_length=1, max_length=limits.TEXTS, description="ids or titles")

    def to_inputs(self) -> list[Any]:
        """Return the names."""
        return list(self.papers)


class Entry(Paper):
    """An entry of a bibliography."""

    id: str = Field(min_length=1, max_length=100)


class Span(BaseModel):
    """The characters of a citation in the text; the end is exclusive."""

    model_config = STRICT

    start: Integer = Field(ge=0, le=limits.TEXT_CHARACTERS)
    end: Integer = Field(ge=0, le=limits.TEXT_CHARACTERS)


class Citations(Request):
    """A text with citations, and its bibliography. Offsets of an answer are characters of the text in NFC."""

    text: Written
    bibliography: list[Entry] = Field(min_length=1, max_length=limits.ENTRIES)
    citations: list[Span] | None = Field(
        None, min_length=1, max_length=limits.ENTRIES, description="in text order; null: found in the text"
    )

    @model_validator(mode="after")
    def _check_ids(self) -> Self:
        ids = Counter(entry.id for entry in self.bibliography)
        if duplicates := [id_ for id_, count in ids.items() if count > 1]:
            raise ValueError(f"duplicate id {duplicates[0]!r} in the bibliography; ids must be unique")
        return self

    def to_inputs(self) -> list[Any]:
        """Return the document.

        Raises:
            DataError: It has more pairs of a citation and an entry than one request may have.
        """
        text = to_nfc(self.text)
        if self.citations is None:
            citations = find_citations(text, frozenset(entry.id for entry in self.bibliography))
        else:
            citations = [
                {"start": self._moved(span.start), "end": self._moved(span.end), "target": None}
                for span in self.citations
            ]
        bibliography = [{**entry.model_dump(), "year": None} for entry in self.bibliography]
        return [check_pairs({"text": text, "citations": citations, "bibliography": bibliography})]

    def _moved(self, offset: int) -> int:
        """Return an offset of the text as an offset of the text in NFC."""
        return offset if offset > len(self.text) else len(to_nfc(self.text[:offset]))


def check_pairs(document: Document) -> Document:
    """Return the document.

    Raises:
        DataError: It has more pairs of a citation and an entry than one request may have.
    """
    citations, entries = len(document["citations"]), len(document["bibliography"])
    if citations * entries > limits.PAIRS:
        raise DataError(
            f"{citations:,} citations times {entries:,} entries are {citations * entries:,} pairs, more than "
            f"{limits.PAIRS:,}; send fewer paragraphs per request, or leave out entries"
        )
    return document


class RankedEntries(Request):
    """The number of entries per citation."""

    hits: Integer = Field(ge=1, le=limits.ENTRIES, description="maximum number of entries per citation")


class RankedHits(Request):
    """The number of hits per input."""

    hits: Integer = Field(ge=1, le=limits.HITS, description="maximum number of hits per input")


class Answers(BaseModel):
    """One answer per input, in the same order, and the model with its score on the test split."""

    model: dict[str, Any]
    answers: list[Any]


REQUESTS: dict[str, type[Request]] = {  # by form of input
    "sentence": Texts,
    "text": Texts,
    "paper": Papers,
    "query": Queries,
    "paper_name": PaperNames,
    "citations": Citations,
    "document": LongText,
}
RANKED: dict[str, type[Request]] = {"links": RankedEntries, "hits": RankedHits}  # by form of answer
FIELDS = {"sentence": "texts", "text": "texts", "paper": "papers", "query": "queries", "paper_name": "papers"}


def request_schema(question: TaskCommand) -> type[Request]:
    """Return the schema of the request of a command."""
    schema = REQUESTS[question.command.input]
    if not question.is_ranked:
        return schema
    ranked = RANKED[question.command.answer]
    return create_model(f"{ranked.__name__}Of{schema.__name__}", __base__=(ranked, schema), __doc__=schema.__doc__)


def request_examples(question: TaskCommand) -> list[dict[str, Any]]:
    """Return example requests of a command, from the examples of its task."""
    form, examples = question.command.input, list(question.command.examples)
    if form in FIELDS:
        bodies = [{FIELDS[form]: examples}] if examples else []
    elif form == "document":
        bodies = [{"text": text} for text in examples]
    else:
        bodies = examples
    return [{**body, "hits": HITS} if question.is_ranked else body for body in bodies]


def make_api(queue: BatchQueue, commands: dict[str, TaskCommand]) -> APIRouter:
    """Return the endpoints of all commands."""
    errors: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorBody, "description": meaning} for status, meaning in MEANINGS.items()
    }
    api = APIRouter(prefix="/api", responses=errors, tags=["models"])
    for name, question in commands.items():
        _add_endpoint(api, queue, name, question)
    return api


def _add_endpoint(api: APIRouter, queue: BatchQueue, name: str, question: TaskCommand) -> None:
    async def answer(request: Request) -> Answers:
        asked = Question(command=name, model=request.run, hits=getattr(request, "hits", 0))
        reply = await queue.ask(asked, request.to_inputs())
        return Answers(model=reply.about, answers=reply.answers)

    body = Body(examples=cast(list[Any], request_examples(question)))
    answer.__annotations__["request"] = Annotated[request_schema(question), body]
    api.post(f"/{name}", name=name, summary=question.command.title, description=question.command.help)(answer)
