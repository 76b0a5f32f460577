"""The models of the server. Each is loaded when it is first asked and kept; used in one thread."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from papertrail.core.errors import DataError, PapertrailError
from papertrail.core.params import Params
from papertrail.inference.load import Model, about, describe_revision, load, require
from papertrail.inference.task_commands import TaskCommand
from papertrail.models.choice import Choice, pick
from papertrail.serve.queue import Question, Reply, UnknownError


class ModelStatus(BaseModel):
    """A model, the commands that it answers, whether it is here, and if not, how to make it."""

    run: str
    task: str
    answers: list[str]
    here: bool
    missing: str


class ModelStore:
    """Models by task and name: at most those of params.yaml, so memory is bounded."""

    def __init__(self, params: Params, commands: dict[str, TaskCommand], root: Path = Path()) -> None:
        self.params = params
        self.commands = commands
        self.root = root
        self.revision = describe_revision(root) or "unknown"
        self.choices: dict[tuple[str, str | None], Choice] = {}  # by task and requested name
        self.loaded: dict[tuple[str, str | None], Model] = {}  # by model and index

    def answer(self, question: Question, inputs: list[Any]) -> Reply:
        """Return the answers of a model to some inputs.

        Raises:
            ParamsError: No model of the task has that name.
            UnknownError: The index has no paper of that name.
            DataError: An input cannot be answered.
            PapertrailError: The model is missing.
        """
        from papertrail.inference.predict import predict

        asked = self.commands[question.command]
        model = self._load(asked.task, question.model)
        try:
            answers = predict(model, asked.command, inputs, question.hits)
        except DataError as error:
            raise UnknownError(str(error)) if asked.command.input == "paper_name" else error from None
        return Reply(about=about(model), answers=answers)

    def warm_up(self) -> None:
        """Import the libraries, which takes longer than any answer, before the first request."""
        import papertrail.inference.predict  # noqa: F401  after the instruction caps are set

    def list_models(self) -> list[ModelStatus]:
        """Return every model that answers a command, in the order of params.yaml."""
        models = []
        for name, settings in self.params.models.items():
            answers = [command for command, asked in self.commands.items() if asked.task == settings.task]
            missing = self._missing(name)
            status = ModelStatus(run=name, task=settings.task, answers=answers, here=not missing, missing=missing)
            models += [status] if answers else []
        return models

    def _load(self, task: str, name: str | None) -> Model:
        """Return the requested model, with the reason for this choice: a named model may also be the best."""
        if (task, name) not in self.choices:
            self.choices[task, name] = pick(self.params, task, name, self.root)
        choice = self.choices[task, name]
        key = choice.name, choice.index
        if key not in self.loaded:
            try:
                self.loaded[key] = load(self.params, task, choice.index or choice.name, self.root)
            except DataError as error:  # the inputs are not at fault
                raise PapertrailError(str(error)) from None
        return replace(self.loaded[key], reason=choice.reason)

    def _missing(self, name: str) -> str:
        try:
            require(self.params, name, self.root)
        except DataError as error:
            return str(error)
        return ""
