"""Copies of the repository in which profiles run."""

import subprocess
from pathlib import Path

import pytest

from papertrail.core.errors import PapertrailError
from papertrail.experiments.profile import copy_repository

FILES = ("dvc.yaml", ".dvc/config", "dvc.lock", "metrics/a.json", "metrics/seeds/a.json", "papertrail/old.py", "new.py")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small repository; git tracks its files except new.py, and ignores out/."""
    folder = tmp_path / "here"
    write_files(folder, *FILES, "out/model")
    (folder / ".gitignore").write_text("/out/\n", encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", ".gitignore", *FILES[:-1])
    return folder


def write_files(folder: Path, *names: str) -> None:
    """Write files that contain the name of their folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(folder.name, encoding="utf-8")


def list_files(folder: Path) -> set[str]:
    """Return the files of a folder without those of git."""
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in files if not name.startswith(".git/")}


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder."""
    subprocess.run(["git", *arguments], cwd=folder, check=True)


COPIED = {".gitignore", "dvc.yaml", ".dvc/config", "metrics/seeds/a.json", "papertrail/old.py", "new.py"}


def test_a_copy_has_what_git_lists_and_no_results(repository: Path, tmp_path: Path) -> None:
    copy_repository(repository, tmp_path / "deep/copy")
    assert list_files(tmp_path / "deep/copy") == COPIED
    assert (tmp_path / "deep/copy/.git").is_dir()


def test_a_second_copy_deletes_removed_files_and_keeps_results(repository: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    write_files(repository, "papertrail/kept.py")
    copy_repository(repository, copy)
    built = {"out/model", "predictions/a", "dvc.lock", "metrics/a.json", "metrics/seeds/b.json"}
    write_files(copy, *built, "dvc.yaml")
    git(copy, "add", ".")
    git(copy, "-c", "user.name=a", "-c", "user.email=a", "commit", "-q", "-m", "built")
    write_files(copy, "papertrail/new.py", "notes.py", "tried/notes.py")
    own = {"new.py", "notes.py", "tried/notes.py"}  # the user's, outside the folders of the repository
    (repository / "papertrail/old.py").unlink()
    git(repository, "rm", "-q", "--cached", "new.py", "--ignore-unmatch")
    (repository / "new.py").unlink()
    for _ in range(2):  # the second time git still lists removed files
        copy_repository(repository, copy)
        assert list_files(copy) == COPIED - {"papertrail/old.py"} | {"papertrail/kept.py"} | built | own
    assert (copy / "dvc.yaml").read_text(encoding="utf-8") == "here"
    assert {(copy / name).read_text(encoding="utf-8") for name in built} == {"copy"}


@pytest.mark.parametrize("names", [["README.md"], ["dvc.yaml", ".dvc/config"], ["dvc.yaml", ".git/config"]])
def test_a_folder_with_other_files_is_not_changed(repository: Path, tmp_path: Path, names: list[str]) -> None:
    folder = tmp_path / "mine"
    write_files(folder, *names)
    with pytest.raises(PapertrailError, match=f"{folder} has files and is no copy .*; name another folder"):
        copy_repository(repository, folder)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == set(names)
    assert {(folder / name).read_text(encoding="utf-8") for name in names} == {"mine"}


def test_the_repository_is_no_copy_of_itself(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    for folder in (Path(), repository):
        with pytest.raises(PapertrailError, match="is the repository itself; name a folder for a copy"):
            copy_repository(Path(), folder)
