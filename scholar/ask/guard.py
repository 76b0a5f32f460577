"""What every request passes first and every answer last: size, time, whose page it is, and what a browser may do."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from scholar.ask import limits
from scholar.ask.problems import Told

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # a query stands in the address
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",  # pasted text stays in no cache
}
ANYWHERE = ("0.0.0.0", "::")  # addresses that stand for all of a machine's, whose names nobody knows


class Connection(H11Protocol):
    """A connection as uvicorn keeps it, but for not longer than a request may take while none has begun.

    The application hears of a request when its headers are whole, so it cannot give up those that never are.
    """

    late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self.late = self.loop.call_later(limits.REQUEST_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        """Stop waiting when headers are whole; begin anew with the first bytes of the next ones."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self.late is None and not self.transport.is_closing():
            self.late = self.loop.call_later(limits.REQUEST_SECONDS, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _stop_waiting(self) -> None:
        if self.late is not None:
            self.late.cancel()
            self.late = None


class Guard:
    """An ASGI layer around the whole application."""

    def __init__(self, app: ASGIApp, host: str, show: Callable[[Request, Told], Response]) -> None:
        """Args:
        app: what answers.
        host: the address that is listened on.
        show: how an error looks to who asked.
        """
        self.app = app
        self.hosts = None if host in ANYWHERE else {host.strip("[]").lower(), "localhost", "127.0.0.1", "::1"}
        self.show = show

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it is refused."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun = False

        async def send_guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refused = self._refuse(scope)
        if refused is None:
            try:
                async with asyncio.timeout(limits.REQUEST_SECONDS):
                    return await self.app(scope, _limited(receive), send_guarded)
            except TimeoutError:
                refused = Told(504, f"not sent and answered in {limits.REQUEST_SECONDS} seconds; repeat")
        if not begun:
            await self.show(Request(scope), refused)(scope, receive, send_guarded)
        return None

    def _refuse(self, scope: Scope) -> Told | None:
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if self.hosts and _name(headers.get("host", "")) not in self.hosts:
            # a page elsewhere may let its own name point to 127.0.0.1 and read the answers
            return Told(400, f"host '{headers.get('host', '')}' is not this server; use its address")
        if scope["method"] == "POST" and headers.get("sec-fetch-site") == "cross-site":
            return Told(403, "sent by a page of another site; use this one")
        if not length.isdecimal() or int(length) > limits.BODY_BYTES:
            return too_large()
        return None


def too_large() -> Told:
    """A body that is longer than any request needs."""
    return Told(413, f"the request has more than {limits.BODY_BYTES:,} bytes; send less text")


def _name(host: str) -> str:
    """`[::1]:8000` -> `::1`, `LocalHost:8000` -> `localhost`."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower()


def _limited(receive: Receive) -> Receive:
    """Read no more than a body may have, whatever its header says."""
    read = 0

    async def receive_limited() -> Any:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limits.BODY_BYTES:
            raise HTTPException(413, too_large().message)
        return message

    return receive_limited
