"""The queue of requests and the one thread that runs the models.

The oldest request is always served next. The requests directly behind it that ask the same question of the same model
join its batch. The first different request ends the batch, so no request overtakes another.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from papertrail.core.errors import PapertrailError
from papertrail.serve import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of which model; requests with equal questions can be answered in one batch.

    Attributes:
        command: Name of a command of a task.
        model: Name of a model; None is the best on validation.
        hits: Maximum number of results of each input; 0 for answers without results.
    """

    command: str
    model: str | None
    hits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answers to some inputs, in their order, and facts about the model."""

    about: dict[str, Any]
    answers: list[Any]


@dataclass(frozen=True, slots=True, eq=False)  # requests are compared by identity
class Request:
    """A request in the queue."""

    question: Question
    inputs: list[Any]
    reply: asyncio.Future[Reply]


class BusyError(PapertrailError):
    """The queue is full."""


class LateError(PapertrailError):
    """An answer took too long."""


class UnknownError(PapertrailError):
    """No paper has that name."""


class BatchQueue:
    """A queue of requests; `answer` is called in one thread, one batch at a time."""

    def __init__(self, answer: Callable[[Question, list[Any]], Reply]) -> None:
        self.answer = answer
        self.waiting: deque[Request] = deque()
        self.arrived = asyncio.Event()
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="models")

    async def ask(self, question: Question, inputs: list[Any]) -> Reply:
        """Wait for the answers to some inputs.

        Raises:
            BusyError: Too many requests are waiting.
            LateError: There was no answer in time; a request that still waits is dropped.
            PapertrailError: An input is invalid, or the model is missing.
        """
        if len(self.waiting) >= limits.WAITING:
            raise BusyError(f"{limits.WAITING} requests are already waiting; retry in {limits.RETRY_SECONDS} seconds")
        request = Request(question, inputs, asyncio.get_running_loop().create_future())
        self.waiting.append(request)
        self.arrived.set()
        try:
            async with asyncio.timeout(limits.ANSWER_SECONDS):
                return await request.reply  # a timeout cancels it
        except TimeoutError:
            raise LateError(
                f"no answer within {limits.ANSWER_SECONDS} seconds, because other requests were served or the model "
                "was loaded; retry, or send less text"
            ) from None
        finally:
            with suppress(ValueError):  # its batch has started
                self.waiting.remove(request)

    async def serve(self) -> None:
        """Answer requests until cancelled."""
        try:
            while True:
                self.arrived.clear()
                while batch := self._next_batch():
                    await self._answer(batch)
                await self.arrived.wait()
        finally:
            self.thread.shutdown(wait=False, cancel_futures=True)

    def _next_batch(self) -> list[Request]:
        """Take the oldest requests with one question, up to the size of a batch, without those that timed out."""
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
        inputs = [value for request in batch for value in request.inputs]
        work = asyncio.wrap_future(self.thread.submit(self.answer, batch[0].question, inputs))
        await asyncio.wait([work])
        if work.exception() is not None and len(batch) > 1:
            for request in batch:  # so that only the sender of a wrong input gets the error
                await self._answer([request])
            return
        _deliver(work, batch)


def _deliver(work: asyncio.Future[Reply], batch: list[Request]) -> None:
    """Give each request its part of the answers, or the error."""
    first = 0
    for request in batch:
        last = first + len(request.inputs)
        if request.reply.done():  # it timed out meanwhile
            pass
        elif error := work.exception():
            request.reply.set_exception(error)
        else:
            reply = work.result()
            request.reply.set_result(Reply(about=reply.about, answers=reply.answers[first:last]))
        first = last
