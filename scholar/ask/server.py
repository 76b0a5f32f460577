"""`papertrail serve`: the models of this repository behind JSON endpoints and a page without scripts."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from scholar.ask import limits
from scholar.ask.api import make_api
from scholar.ask.desk import Desk, Question, Reply
from scholar.ask.guard import Connection, Guard
from scholar.ask.page import make_pages, show_error
from scholar.ask.problems import Told, tell, tell_invalid, tell_refused
from scholar.ask.shelf import Shelf, Shown
from scholar.errors import MachineError, ScholarError
from scholar.params import load_params
from scholar.runtime import configure

log = logging.getLogger(__name__)


class Health(BaseModel):
    """Whether requests are answered, and by which models."""

    status: str
    waiting: int
    models: list[Shown]


class Version(BaseModel):
    """Which code answers."""

    revision: str


def main(host: str, port: int) -> None:
    """Serve until interrupted.

    Raises:
        MachineError: the port is taken, or the host is no address of this machine.
        ScholarError: params.yaml is wrong. A missing model stops nothing: whoever asks it is told what makes it.
    """
    params = load_params()
    configure(params.runtime)
    with take(host, port) as bound:  # before the libraries, which take seconds
        shelf = Shelf(params)
        shelf.warm()
        config = uvicorn.Config(
            make_app(shelf.answer, shelf.list_models, shelf.revision, host),
            http=Connection,
            log_level="warning",  # no line per request: queries are nobody else's business
            server_header=False,
            limit_concurrency=limits.CONNECTIONS,
        )
        log.info("http://%s:%d (Ctrl-C ends it)", f"[{host}]" if ":" in host else host, bound.getsockname()[1])
        with suppress(KeyboardInterrupt):  # uvicorn ends at it, and then raises it again
            uvicorn.Server(config).run(sockets=[bound])


def take(host: str, port: int) -> socket.socket:
    """A socket at an address, which nobody can connect to until it is listened on.

    Raises:
        MachineError: the port is taken, or the host is no address of this machine.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # also right after another server ended
    try:
        bound.bind((host, port))
    except (OSError, TypeError) as error:  # TypeError: what cannot be a name of a host
        bound.close()
        reason = error.strerror if isinstance(error, OSError) else error
        raise MachineError(
            f"port {port} of {host} cannot be taken ({reason}); choose another with --port, or with --host an address "
            "of this machine"
        ) from None
    return bound


def make_app(
    answer: Callable[[Question, list[Any]], Reply], models: Callable[[], list[Shown]], revision: str, host: str
) -> FastAPI:
    """The application.

    Args:
        answer: the answers of a model, called in one thread.
        models: what there is to ask, and whether it is here.
        revision: of the code and the models.
        host: the address that it is reached at.
    """
    desk = Desk(answer)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        serving = asyncio.create_task(desk.serve())
        yield
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    app = FastAPI(
        title="Papertrail",
        summary="Trained models of scholarly NLP, asked one by one.",
        version=revision,
        lifespan=lifespan,
        docs_url=None,  # both pages of FastAPI load scripts from elsewhere; /openapi.json describes the same
        redoc_url=None,
    )
    app.include_router(make_api(desk))
    app.include_router(make_pages(desk, models))

    @app.get("/api/health", tags=["server"])
    async def health() -> Health:
        """Whether requests are answered, how many wait, and which models there are."""
        return Health(status="ok", waiting=len(desk.waiting), models=models())

    @app.get("/api/version", tags=["server"])
    async def version() -> Version:
        """The git revision of the code and the models."""
        return Version(revision=revision)

    _tell_errors(app)
    app.add_middleware(Guard, host=host, show=_show)
    return app


def _tell_errors(app: FastAPI) -> None:
    @app.exception_handler(ScholarError)
    async def told(request: Request, error: ScholarError) -> Response:
        return _show(request, tell(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _show(request, tell_invalid(error, request.headers.get("content-type", "")))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        response = _show(request, tell_refused(error))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        # the server's fault: the log has the traceback, the client does not
        return _show(request, Told(500, f"{HTTPStatus(500).phrase}: a fault of the server, told in its log"))


def _show(request: Request, told: Told) -> Response:
    """An error in the form of what was asked for."""
    if request.url.path.startswith(("/api/", "/openapi.json")):
        return told.to_json()
    return show_error(told)
