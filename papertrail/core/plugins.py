"""Modules that are loaded by name: tasks, heads and model kinds."""

import importlib
import pkgutil
from types import ModuleType

from papertrail.core.params.names import choose


def load_plugin(kind: str, package: str, name: str) -> ModuleType:
    """Import the module `name` of a package.

    Args:
        kind: What the module is, for the message, such as "task".
        package: Dotted name of the package.
        name: Name of the module.

    Raises:
        ParamsError: There is no such module.
    """
    return importlib.import_module(f"{package}.{choose(kind, name, plugin_names(package))}")


def plugin_names(package: str) -> list[str]:
    """Return the names of the modules of a package, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__))
