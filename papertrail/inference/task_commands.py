"""The commands that tasks declare, by name. Light: the command line reads them before it imports a model library."""

from dataclasses import dataclass

from papertrail.data.task import Command, load_tasks

RANKED = ("links", "hits")  # answers that are lists of results, of which the k best are returned


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCommand:
    """A command and the name of the task whose models answer it."""

    task: str
    command: Command

    @property
    def is_ranked(self) -> bool:
        """Whether the answer is a list of results whose length the user chooses."""
        return self.command.answer in RANKED


def load_commands() -> dict[str, TaskCommand]:
    """Return the commands of all tasks by name, in the order of the names of the tasks.

    Raises:
        ValueError: Two tasks declare a command of the same name.
    """
    commands: dict[str, TaskCommand] = {}
    for task_name, task in load_tasks().items():
        for command in task.commands:
            if command.name in commands:
                raise ValueError(f"command '{command.name}' is in tasks {commands[command.name].task} and {task_name}")
            commands[command.name] = TaskCommand(task=task_name, command=command)
    return commands
