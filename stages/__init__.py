"""One script per stage of dvc.yaml; stages never import each other.

`python -m stages.<name>` runs this file first. It reads params.yaml, sets the CPU instruction caps and the number of
threads before any stage imports a library that reads them, and parses the one argument that a stage may have.
"""

import argparse

from papertrail.core.params import Params, choose, load_params
from papertrail.core.process import run_cli, stop_with_dvc
from papertrail.core.runtime import configure

stop_with_dvc()
run_cli(lambda: configure(load_params().runtime))


def read_name(description: str | None, kind: str, section: str) -> tuple[str, Params]:
    """Parse the command line `NAME` and load params.yaml.

    Args:
        description: Help text of the stage.
        kind: What the name is, such as "model".
        section: Section of params.yaml with the known names.

    Raises:
        ParamsError: The name is unknown.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("name", help=f"a {kind} of params.yaml")
    name = parser.parse_args().name
    params = load_params()
    return choose(kind, name, list(getattr(params, section))), params
