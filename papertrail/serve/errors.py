"""Errors as responses: a status with {"error": {"status", "message"}}, or a page."""

from dataclasses import dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from papertrail.core.errors import DataError, PapertrailError, ParamsError
from papertrail.serve import limits
from papertrail.serve.queue import BusyError, LateError, UnknownError

STATUS: dict[type[PapertrailError], int] = {  # the first class that matches counts
    BusyError: 503,
    LateError: 504,
    UnknownError: 404,
    ParamsError: 404,  # a name that is not in params.yaml
    DataError: 422,
    PapertrailError: 503,  # a model that is missing
}
MEANINGS = {
    400: "the request cannot be read",
    404: "no model or paper has that name",
    413: f"more than {limits.BODY_BYTES:,} bytes",
    415: "Content-Type is not application/json",
    422: "an input is invalid, too long or too many",
    503: "too many requests are waiting (see Retry-After), or the model is missing (the message says how to make it)",
    504: f"no answer within {limits.ANSWER_SECONDS} seconds",
}


class ErrorDetail(BaseModel):
    """Status and message of an error: what is wrong, where, and what to do."""

    status: int
    message: str


class ErrorBody(BaseModel):
    """The body of every response with an error."""

    error: ErrorDetail


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error as status and message."""

    status: int
    message: str

    @property
    def headers(self) -> dict[str, str]:
        """Return when to retry, if that helps."""
        return {"Retry-After": f"{limits.RETRY_SECONDS}"} if self.status == 503 else {}

    def to_json(self) -> JSONResponse:
        """Return the response of an endpoint."""
        return JSONResponse({"error": {"status": self.status, "message": self.message}}, self.status, self.headers)


def from_error(error: PapertrailError) -> ErrorResponse:
    """Return status and message of an error of the package."""
    return ErrorResponse(next(status for kind, status in STATUS.items() if isinstance(error, kind)), str(error))


def from_http_error(error: HTTPException) -> ErrorResponse:
    """Return status and message of a request that the framework refuses."""
    if isinstance(error.__cause__, ValueError | RecursionError):  # of the JSON parser: bytes, numbers, nesting
        reason = str(error.__cause__).partition(";")[0]
        return ErrorResponse(error.status_code, f"body: not JSON in UTF-8 that can be read ({reason})")
    return ErrorResponse(error.status_code, error.detail)


def from_validation_error(error: RequestValidationError, content_type: str) -> ErrorResponse:
    """Return every problem of a request, one per line: `body.texts.0: what was expected (got ...)`."""
    if isinstance(error.body, bytes):  # FastAPI parses JSON only
        return ErrorResponse(415, f"Content-Type: expected application/json (got {content_type!r:.80})")
    problems = error.errors()
    if problems[0]["type"] == "json_invalid":
        reason, place = problems[0]["ctx"]["error"], problems[0]["loc"][1] + 1
        return ErrorResponse(400, f"body: not valid JSON ({reason} at character {place})")
    lines = []
    for problem in problems:
        place = ".".join(str(part) for part in problem["loc"])
        lines.append(f"{place}: {problem['msg'][0].lower()}{problem['msg'][1:]}{_got(problem)}")
    return ErrorResponse(422, "\n".join(lines))


def _got(problem: Any) -> str:
    value = problem.get("input")
    return f" (got {value!r:.80})" if isinstance(value, str | int | float) else ""
