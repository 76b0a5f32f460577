"""The commands of all tasks by name."""

from dataclasses import replace

import pytest

from papertrail.data.task import load_tasks
from papertrail.inference import task_commands
from papertrail.inference.task_commands import load_commands


def test_every_command_has_its_task() -> None:
    for name, question in load_commands().items():
        assert question.command.name == name
        assert question.command in load_tasks()[question.task].commands


def test_two_commands_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    task = next(task for task in load_tasks().values() if task.commands)
    monkeypatch.setattr(task_commands, "load_tasks", lambda: {"first": task, "second": replace(task)})
    with pytest.raises(ValueError, match=r"command '\w+' is in tasks first and second"):
        load_commands()
