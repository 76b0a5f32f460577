"""Checks and headers of every request and response: host, origin, size, time, and what a browser may do."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from papertrail.serve import limits
from papertrail.serve.errors import ErrorResponse

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address has the query
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",  # pasted text must not stay in a cache
}
ALL_ADDRESSES = ("0.0.0.0", "::")  # listening on all addresses of a machine, whose names are unknown
LOCAL = ("localhost", "127.0.0.1", "::1")


class Connection(H11Protocol):
    """A connection of uvicorn that closes if no request completes its headers within REQUEST_SECONDS.

    The application sees a request when its headers are complete, so it cannot time out incomplete ones.
    """

    timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the first request."""
        super().connection_made(transport)
        self.timer = self.loop.call_later(limits.REQUEST_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        """Stop the timer when headers are complete; start it with the first bytes of the next request."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_timer()
        elif self.timer is None and not self.transport.is_closing():
            self.timer = self.loop.call_later(limits.REQUEST_SECONDS, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def _stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class RequestLimits:
    """ASGI middleware that refuses requests of other hosts and origins, large bodies and slow senders.

    starlette's TrustedHostMiddleware refuses in plain text; here a refusal is JSON or a page, like every other error.
    """

    def __init__(self, app: ASGIApp, host: str, show: Callable[[Request, ErrorResponse], Response]) -> None:
        """Wrap an application.

        Args:
            app: The application.
            host: Address that the server listens on.
            show: Renders an error for a request.
        """
        self.app = app
        self.hosts = None if host in ALL_ADDRESSES else {host.strip("[]").lower(), *LOCAL}
        self.show = show

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the application, or refuse it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        error = self._refuse(scope)
        if error is None:
            try:
                async with asyncio.timeout(limits.REQUEST_SECONDS):
                    return await self.app(scope, _limited(receive), send_with_headers)
            except TimeoutError:
                error = ErrorResponse(
                    504, f"request not sent and answered within {limits.REQUEST_SECONDS} seconds; retry"
                )
        if not started:
            await self.show(Request(scope), error)(scope, receive, send_with_headers)
        return None

    def _refuse(self, scope: Scope) -> ErrorResponse | None:
        """Return why a request is refused before its body is read, None if it is not."""
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if self.hosts and _host_name(headers.get("host", "")) not in self.hosts:
            # another site may resolve its own name to 127.0.0.1 and read the answers
            return ErrorResponse(400, f"host '{headers.get('host', '')}' is not this server; use its address")
        if scope["method"] == "POST" and headers.get("sec-fetch-site") == "cross-site":
            return ErrorResponse(403, "the form was sent by a page of another site; use the page of this server")
        if not length.isdecimal() or int(length) > limits.BODY_BYTES:
            return too_large()
        return None


def too_large() -> ErrorResponse:
    """Return the error for a body that is too long."""
    return ErrorResponse(413, f"the request has more than {limits.BODY_BYTES:,} bytes; send less text")


def _host_name(host: str) -> str:
    """Return the name of a Host header: `[::1]:8000` -> `::1`, `LocalHost:8000` -> `localhost`."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower()


def _limited(receive: Receive) -> Receive:
    """Return a receiver that stops at BODY_BYTES, whatever Content-Length says."""
    read = 0

    async def receive_limited() -> Any:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limits.BODY_BYTES:
            raise HTTPException(413, too_large().message)
        return message

    return receive_limited
