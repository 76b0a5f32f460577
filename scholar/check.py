"""Is params.yaml one that every stage accepts? `python -m scholar.check`, without loading torch.

DVC removes the outputs of a stage before it starts it, so `make repro` asks here first. What only the data can tell,
such as a label that is not in the parameters, is told by the stage that reads them.
"""

from collections.abc import Iterator
from pathlib import Path

from scholar.errors import ParamsError, run
from scholar.params import PARAMS, Params, choose, load_params, validate
from scholar.runtime import configure


def main() -> None:
    """Check params.yaml, and that this machine can keep what it promises."""
    params = load_params()
    configure(params.runtime)
    check(params, PARAMS)


def check(params: Params, file: Path) -> None:
    """Every data set fits its task and has a source; every model has an encoder, every run a head and its inputs.

    Raises:
        ParamsError: every problem in one message, a line each with its place in `file`.
    """
    if problems := [f"{file}: {problem}" for problem in _problems(params)]:
        raise ParamsError("\n".join(problems))


def _problems(params: Params) -> Iterator[str]:
    from scholar.task import known_names, load_task  # loads numpy, which reads the caps

    columns = {}
    for name, block in params.datasets.items():
        task_name, tasks = str(block.get("task")), known_names("scholar.tasks")
        yield from _unknown(f"datasets.{name}.task", "task", task_name, tasks)
        if task_name not in tasks:
            continue
        task = load_task(task_name)
        try:
            settings = validate(task.settings, block, f"datasets.{name}")
        except ParamsError as error:
            yield from str(error).split("\n")
            continue
        columns[name] = list(task.features(settings))
        yield from _unknown(f"datasets.{name}.source", "source", settings.source, list(params.sources))
    for name, given in params.runs.items():
        yield from _unknown(f"runs.{name}.head", "head", given.head, known_names("scholar.heads"))
        for column in given.inputs if given.data in columns else []:
            yield from _unknown(f"runs.{name}.inputs", f"column of {given.data}", column, columns[given.data])
    encoders = {
        "pretraining.encoder": params.pretraining.encoder,
        **{f"runs.{name}.encoder": given.encoder for name, given in params.runs.items()},
        **{f"retrievers.{name}.encoder": given.encoder for name, given in params.retrievers.items()},
        **{f"summarizers.{name}.encoder": given.encoder for name, given in params.summarizers.items()},
    }
    folders = [
        *(f"data/raw/{name}" for name in params.sources),
        *(f"models/{n}" for n in ("pretrained", *params.trained)),
    ]
    for place, encoder in encoders.items():
        if not any(Path(encoder).is_relative_to(folder) for folder in folders):
            yield from _unknown(place, "encoder", encoder, folders)


def _unknown(place: str, kind: str, name: str, known: list[str]) -> Iterator[str]:
    try:
        choose(kind, name, known)
    except ParamsError as error:
        yield f"{place}: {error}"


if __name__ == "__main__":
    run(main)
