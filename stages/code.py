"""Hash the code of every stage -> code/<stage>.json, code/<stage>/<instance>.json."""

from pathlib import Path

from papertrail.core.params import load_params
from papertrail.core.process import run_cli
from papertrail.reproduce.code_hashes import write_code_hashes


def main() -> None:
    """Write the hash of every module that each stage imports."""
    write_code_hashes(Path(), load_params())


if __name__ == "__main__":
    run_cli(main)
