"""Errors as a client gets them: a status, and {"error": {"status", "message"}} or a page."""

from dataclasses import dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from scholar.ask import limits
from scholar.ask.desk import BusyError, LateError, UnknownError
from scholar.errors import DataError, ParamsError, ScholarError

STATUS: dict[type[ScholarError], int] = {  # the first that an error is; others tell of a model that is not there
    BusyError: 503,
    LateError: 504,
    UnknownError: 404,
    ParamsError: 404,  # a name that params.yaml does not have
    DataError: 422,
    ScholarError: 503,
}
MEANINGS = {
    400: "not a request that can be read",
    404: "no model or paper of that name",
    413: f"more than {limits.BODY_BYTES:,} bytes",
    415: "another Content-Type than application/json",
    422: "an input that cannot be answered: wrong, too long or too many",
    503: "too many requests are waiting (see Retry-After), or the model is not here (the message says what makes it)",
    504: f"no answer in {limits.ANSWER_SECONDS} seconds",
}


class Error(BaseModel):
    """What went wrong, where, and what to do."""

    status: int
    message: str


class Problem(BaseModel):
    """What every request gets that is not answered."""

    error: Error


@dataclass(frozen=True, slots=True)
class Told:
    """An error as a status and words."""

    status: int
    message: str

    @property
    def headers(self) -> dict[str, str]:
        """When to come back, where that helps."""
        return {"Retry-After": f"{limits.RETRY_SECONDS}"} if self.status == 503 else {}

    def to_json(self) -> JSONResponse:
        """The response of an endpoint."""
        return JSONResponse({"error": {"status": self.status, "message": self.message}}, self.status, self.headers)


def tell(error: ScholarError) -> Told:
    """The status and the words of an error."""
    return Told(next(status for kind, status in STATUS.items() if isinstance(error, kind)), str(error))


def tell_refused(error: HTTPException) -> Told:
    """What the framework refuses; of a body that its parser gave up, the reason."""
    if isinstance(error.__cause__, ValueError | RecursionError):  # bytes, numbers, nesting
        reason = str(error.__cause__).partition(";")[0]
        return Told(error.status_code, f"body: not JSON in UTF-8 that can be read ({reason})")
    return Told(error.status_code, error.detail)


def tell_invalid(error: RequestValidationError, content_type: str) -> Told:
    """Every problem of a request, a line each: `body.texts.0: what was expected (got ...)`."""
    if isinstance(error.body, bytes):  # FastAPI parses no other
        return Told(415, f"Content-Type: expected application/json (got {content_type!r:.80})")
    problems = error.errors()
    if problems[0]["type"] == "json_invalid":
        reason, place = problems[0]["ctx"]["error"], problems[0]["loc"][1] + 1
        return Told(400, f"body: not valid JSON ({reason} at character {place})")
    lines = []
    for problem in problems:
        place = ".".join(str(part) for part in problem["loc"])
        lines.append(f"{place}: {problem['msg'][0].lower()}{problem['msg'][1:]}{_got(problem)}")
    return Told(422, "\n".join(lines))


def _got(problem: Any) -> str:
    given = problem.get("input")
    return f" (got {given!r:.80})" if isinstance(given, str | int | float) else ""
