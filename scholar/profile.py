"""Profiles: overlays of params.yaml that hold only the values that differ.

`python -m scholar.profile NAME` writes profiles/NAME.yaml into params.yaml, where `git diff` shows it. With
`--run FOLDER` params.yaml stays as it is: the repository is copied to FOLDER, the profile applied there, and the
pipeline run in one warm process.
"""

import argparse
import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from scholar.errors import ParamsError, ScholarError, run
from scholar.params import PARAMS, choose, load_params, read_yaml

log = logging.getLogger(__name__)

PROFILES = Path("profiles")


def main() -> None:
    """Apply a profile here, or try it in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a file of profiles/, without .yaml")
    parser.add_argument(
        "--run", metavar="FOLDER", type=Path, help="leave params.yaml alone; run the pipeline in FOLDER"
    )
    arguments = parser.parse_args()
    overlay = read_yaml(
        PROFILES / f"{choose('profile', arguments.name, sorted(p.stem for p in PROFILES.glob('*.yaml')))}.yaml"
    )
    if arguments.run is None:
        apply_overlay(overlay, PARAMS)
        return
    copy_repository(Path(), arguments.run)
    apply_overlay(overlay, arguments.run / PARAMS)
    cache = str(Path(".dvc/cache").resolve())  # it may have the sources already
    subprocess.run(["dvc", "config", "--local", "cache.dir", cache], cwd=arguments.run, check=True)
    if subprocess.run([sys.executable, "-m", "scholar.warm"], cwd=arguments.run).returncode:
        raise ScholarError(f"{arguments.run}: a stage failed; its messages stand above")


def apply_overlay(overlay: dict[str, Any], file: Path) -> None:
    """Write the values of an overlay into a params file, keeping its comments; say each change.

    Raises:
        ParamsError: the overlay names a value that the file does not have, or the result is not valid. The file is then
            left as it was.
    """
    yaml = YAML()  # keeps comments and order
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)  # as params.yaml is written
    yaml.width = 10_000
    yaml.representer.add_representer(type(None), _write_null)
    params = yaml.load(file.read_text(encoding="utf-8"))
    _merge(params, overlay, "")
    part = file.with_name(file.name + ".part")
    with part.open("w", encoding="utf-8") as stream:
        yaml.dump(params, stream)
    try:
        load_params(part)
    except ParamsError:
        part.unlink()
        raise
    part.replace(file)


def _write_null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _merge(params: Any, overlay: dict[str, Any], path: str) -> None:
    for key, value in overlay.items():
        place = f"{path}{key}"
        if key not in params:
            raise ParamsError(f"profile: {place}: not in params.yaml (known there: {', '.join(params)})")
        if isinstance(value, dict) and isinstance(params[key], dict):
            _merge(params[key], value, f"{place}.")
        elif params[key] != value:
            log.info("%s: %s -> %s", place, params[key], value)
            params[key] = value


def copy_repository(root: Path, folder: Path) -> None:
    """Copy what git tracks, or would, into a folder that is a repository of its own; its earlier outputs stay.

    Results are left out, but for studies of seeds, which no stage makes.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    for name in sorted(listed.stdout.decode().split("\0")):
        source, target = root / name, folder / name
        if (
            name
            and source.is_file()
            and (name.startswith("metrics/seeds/") or not name.startswith(("metrics/", "dvc.lock")))
        ):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "-q", str(folder)], check=True)


if __name__ == "__main__":
    run(main)
