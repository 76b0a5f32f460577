"""The models that are asked, each loaded when it is first needed and kept; used in one thread."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from scholar.ask.desk import Question, Reply, UnknownError
from scholar.ask.models import Model, about, describe_revision, load, pick, require
from scholar.errors import DataError, ScholarError
from scholar.params import Params

TASKS = {
    "entities": "ner",
    "intent": "citation_intent",
    "category": "paper_category",
    "interest": "paper_interest",
    "link": "citation_linking",
    "summarize": "summarization",
    "search": "semantic_search",
    "similar": "semantic_search",
}


class Shown(BaseModel):
    """A model that can be asked for, whether it is here, and what makes it if not."""

    run: str
    task: str
    answers: list[str]
    here: bool
    missing: str


class Shelf:
    """Models by task and name: at most those of params.yaml, so memory has an end."""

    def __init__(self, params: Params, root: Path = Path()) -> None:
        self.params = params
        self.root = root
        self.revision = describe_revision(root) or "unknown"
        self.named: dict[tuple[str, str | None], tuple[str, str | None, str]] = {}  # task, asked -> model, index, why
        self.loaded: dict[tuple[str, str | None], Model] = {}

    def answer(self, question: Question, inputs: list[Any]) -> Reply:
        """The answers of a model to some inputs.

        Raises:
            ParamsError: no model of the task has that name.
            UnknownError: the index has no paper of that name.
            DataError: an input cannot be answered.
            ScholarError: the model is not here.
        """
        from scholar.ask import answers

        model, why = self._load(TASKS[question.kind], question.run)
        ask = getattr(answers, question.kind)
        try:
            given = ask(model, inputs, question.hits) if question.hits else ask(model, inputs)
        except DataError as error:
            raise UnknownError(str(error)) if question.kind == "similar" else error from None
        return Reply(about={**about(model), "chosen": why}, answers=given)

    def warm(self) -> None:
        """Load the libraries, which takes longer than any answer, before somebody waits for one."""
        import scholar.ask.answers  # noqa: F401  after the caps are set

    def list_models(self) -> list[Shown]:
        """Every model that can be asked for, in the order of params.yaml."""
        shown = []
        for name, trained in self.params.trained.items():
            answers = [kind for kind, task in TASKS.items() if task == trained.task]
            missing = self._missing(name)
            model = Shown(run=name, task=trained.task, answers=answers, here=not missing, missing=missing)
            shown += [model] if answers else []
        return shown

    def _load(self, task: str, run: str | None) -> tuple[Model, str]:
        """The model, and why this one: asked for by one request, it may be the best for the next."""
        if (task, run) not in self.named:
            self.named[task, run] = pick(self.params, task, run, self.root)
        name, index, why = self.named[task, run]
        key = name, index
        if key not in self.loaded:
            try:
                self.loaded[key] = load(self.params, task, index or name, self.root)
            except DataError as error:  # no fault of the inputs
                raise ScholarError(str(error)) from None
        return self.loaded[key], why

    def _missing(self, name: str) -> str:
        try:
            require(self.params, name, self.root)
        except DataError as error:
            return str(error)
        return ""
