"""Serve the models of this repository: JSON endpoints and a page without scripts."""

import argparse
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

from papertrail.core.errors import MachineError, PapertrailError
from papertrail.core.params import load_params
from papertrail.core.runtime import configure
from papertrail.inference.task_commands import TaskCommand, load_commands
from papertrail.serve import limits
from papertrail.serve.api import make_api
from papertrail.serve.errors import ErrorResponse, from_error, from_http_error, from_validation_error
from papertrail.serve.middleware import Connection, RequestLimits
from papertrail.serve.model_store import ModelStatus, ModelStore
from papertrail.serve.pages import make_pages, show_error
from papertrail.serve.queue import BatchQueue, Question, Reply

log = logging.getLogger(__name__)


class Health(BaseModel):
    """The state of the server and its models."""

    status: str
    waiting: int
    models: list[ModelStatus]


class Version(BaseModel):
    """The git revision of code and models."""

    revision: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `papertrail serve`."""
    host = "address to listen on (default: %(default)s, this machine only)"
    parser.add_argument("--host", default="127.0.0.1", help=host)
    parser.add_argument("--port", type=_port, default=8000, help="port to listen on (default: %(default)s)")


def _port(text: str) -> int:
    """Parse a port, for argparse; 0 takes a free one."""
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {number}")
    return number


def run(arguments: argparse.Namespace) -> None:
    """Serve until interrupted. A missing model does not stop the server; requests for it get an error.

    Raises:
        MachineError: The port is taken, or the host is no address of this machine.
        ParamsError: params.yaml is invalid.
    """
    host: str = arguments.host
    params, commands = load_params(), load_commands()
    configure(params.runtime)
    with bind(host, arguments.port) as bound:  # before the libraries are imported, which takes seconds
        store = ModelStore(params, commands)
        store.warm_up()
        config = uvicorn.Config(
            make_app(store.answer, store.list_models, commands, store.revision, host),
            http=Connection,
            log_level="warning",  # no line per request, because the address has the query
            server_header=False,
            limit_concurrency=limits.CONNECTIONS,
        )
        log.info("http://%s:%d (Ctrl-C stops it)", f"[{host}]" if ":" in host else host, bound.getsockname()[1])
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has stopped
            uvicorn.Server(config).run(sockets=[bound])


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address but does not listen yet.

    Raises:
        MachineError: The port is taken, or the host is no address of this machine.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # also directly after another server stopped
    try:
        bound.bind((host, port))
    except (OSError, TypeError) as error:  # TypeError: no valid name of a host
        bound.close()
        reason = error.strerror if isinstance(error, OSError) else error
        raise MachineError(
            f"port {port} of {host} is unavailable ({reason}); choose another with --port, or with --host an address "
            "of this machine"
        ) from None
    return bound


def make_app(
    answer: Callable[[Question, list[Any]], Reply],
    models: Callable[[], list[ModelStatus]],
    commands: dict[str, TaskCommand],
    revision: str,
    host: str,
) -> FastAPI:
    """Build the application.

    Args:
        answer: Returns the answers of a model; called in one thread.
        models: Returns the models and whether they are here.
        commands: Commands of the tasks by name.
        revision: Git revision of code and models.
        host: Address that the server listens on.
    """
    queue = BatchQueue(answer)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        serving = asyncio.create_task(queue.serve())
        yield
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    app = FastAPI(
        title="Papertrail",
        summary="Answers of trained models of scholarly NLP.",
        version=revision,
        lifespan=lifespan,
        docs_url=None,  # both documentation pages of FastAPI load scripts from other sites; use /openapi.json
        redoc_url=None,
    )
    app.include_router(make_api(queue, commands))
    app.include_router(make_pages(queue, models, commands))
    _add_status(app, queue, models, revision)
    _add_error_handlers(app)
    app.add_middleware(RequestLimits, host=host, show=_show_error)
    return app


def _add_status(app: FastAPI, queue: BatchQueue, models: Callable[[], list[ModelStatus]], revision: str) -> None:
    @app.get("/api/health", tags=["server"])
    async def health() -> Health:
        """The state of the server, the number of waiting requests, and the models."""
        return Health(status="ok", waiting=len(queue.waiting), models=models())

    @app.get("/api/version", tags=["server"])
    async def version() -> Version:
        """The git revision of code and models."""
        return Version(revision=revision)


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(PapertrailError)
    async def known(request: Request, error: PapertrailError) -> Response:
        return _show_error(request, from_error(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _show_error(request, from_validation_error(error, request.headers.get("content-type", "")))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        response = _show_error(request, from_http_error(error))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        # the log has the traceback; the client must not see it
        return _show_error(
            request, ErrorResponse(500, f"{HTTPStatus(500).phrase}; the log of the server has the error")
        )


def _show_error(request: Request, error: ErrorResponse) -> Response:
    """Return an error as JSON for endpoints, else as a page."""
    if request.url.path.startswith(("/api/", "/openapi.json")):
        return error.to_json()
    return show_error(error)
