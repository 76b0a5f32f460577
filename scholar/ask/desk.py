"""Where requests wait: one queue and one thread that owns the models.

The oldest request is always served next. Those right behind it that ask the same model the same are answered with it,
in one batch; the first that asks something else ends the batch, so nobody is overtaken.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from scholar.ask import limits
from scholar.errors import ScholarError


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, of which model: requests with equal questions can be answered together.

    Attributes:
        kind: entities, intent, category, interest, link, summarize, search or similar.
        run: the name of a model; None is the best on validation.
        hits: told of each input by search, similar and link; else 0.
    """

    kind: str
    run: str | None
    hits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answers to some inputs, in their order, and what is known about the model that gave them."""

    about: dict[str, Any]
    answers: list[Any]


@dataclass(frozen=True, slots=True, eq=False)  # two that ask the same are two
class Request:
    """One request in the queue."""

    question: Question
    inputs: list[Any]
    reply: asyncio.Future[Reply]


class BusyError(ScholarError):
    """The queue is full."""


class LateError(ScholarError):
    """An answer took too long."""


class UnknownError(ScholarError):
    """There is no paper of that name."""


class Desk:
    """The queue; `answer` is only ever called in one thread of its own, a batch at a time."""

    def __init__(self, answer: Callable[[Question, list[Any]], Reply]) -> None:
        self.answer = answer
        self.waiting: deque[Request] = deque()
        self.arrived = asyncio.Event()
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="models")

    async def ask(self, question: Question, inputs: list[Any]) -> Reply:
        """Wait for the answers to some inputs.

        Raises:
            BusyError: too many are waiting.
            LateError: there was no answer in time; what has not begun is given up.
            ScholarError: what is wrong with the inputs, or with the model.
        """
        if len(self.waiting) >= limits.WAITING:
            raise BusyError(f"{limits.WAITING} requests are waiting already; repeat in {limits.RETRY_SECONDS} seconds")
        request = Request(question, inputs, asyncio.get_running_loop().create_future())
        self.waiting.append(request)
        self.arrived.set()
        try:
            async with asyncio.timeout(limits.ANSWER_SECONDS):
                return await request.reply  # which a timeout cancels
        except TimeoutError:
            raise LateError(
                f"no answer in {limits.ANSWER_SECONDS} seconds, in which others were served or the model was loaded; "
                "repeat, and send less text if that does not help"
            ) from None
        finally:
            with suppress(ValueError):  # it has been begun
                self.waiting.remove(request)

    async def serve(self) -> None:
        """Answer whatever comes, until cancelled."""
        try:
            while True:
                self.arrived.clear()
                while batch := self._take():
                    await self._answer(batch)
                await self.arrived.wait()
        finally:
            self.thread.shutdown(wait=False, cancel_futures=True)

    def _take(self) -> list[Request]:
        """The oldest requests of one question, as many as make a batch; given up ones are left out."""
        batch: list[Request] = []
        while self.waiting:
            request = self.waiting[0]
            size = sum(len(taken.inputs) for taken in batch) + len(request.inputs)
            if batch and (request.question != batch[0].question or size > limits.BATCH_TEXTS):
                break
            self.waiting.popleft()
            if not request.reply.done():
                batch.append(request)
        return batch

    async def _answer(self, batch: list[Request]) -> None:
        inputs = [given for request in batch for given in request.inputs]
        work = asyncio.wrap_future(self.thread.submit(self.answer, batch[0].question, inputs))
        await asyncio.wait([work])
        if work.exception() is not None and len(batch) > 1:
            for request in batch:  # one of them is at fault: the others are not told of it
                await self._answer([request])
            return
        _hand_over(work, batch)


def _hand_over(work: asyncio.Future[Reply], batch: list[Request]) -> None:
    """Give each request its part of the answers, or the error."""
    first = 0
    for request in batch:
        last = first + len(request.inputs)
        if request.reply.done():  # given up meanwhile
            pass
        elif error := work.exception():
            request.reply.set_exception(error)
        else:
            done = work.result()
            request.reply.set_result(Reply(about=done.about, answers=done.answers[first:last]))
        first = last
