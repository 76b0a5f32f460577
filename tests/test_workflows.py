"""Workflows give the code of a pull request no secrets and no write access, and fit each other."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from papertrail.experiments.compare import MARK
from tests.fixtures.commands import ROOT

FILES = {file.stem: file.read_text(encoding="utf-8") for file in sorted((ROOT / ".github/workflows").glob("*.yml"))}


def read(name: str) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(FILES[name])  # YAML 1.2: `on` is text


@pytest.mark.parametrize("name", FILES)
def test_actions_are_pinned_by_commit(name: str) -> None:
    used = [step["uses"] for job in read(name)["jobs"].values() for step in job["steps"] if "uses" in step]
    assert [action for action in used if not re.search(r"@[0-9a-f]{40}$|^docker://.+:\d+\.\d+\.\d+$", action)] == []


def test_code_of_a_pull_request_has_no_secrets_and_read_access_only() -> None:
    workflow = read("pull-request")
    assert workflow["on"] == "pull_request"  # not pull_request_target, which has secrets
    assert workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow["jobs"].values())
    assert "secrets." not in FILES["pull-request"]
    assert "github.token" not in FILES["pull-request"]


def test_the_workflow_with_write_access_runs_no_code_of_the_pull_request() -> None:
    workflow = read("pull-request-comment")
    assert workflow["permissions"] == {}
    (job,) = workflow["jobs"].values()
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert not any("checkout" in step.get("uses", "") for step in job["steps"])


@pytest.mark.parametrize("name", FILES)
def test_no_script_contains_an_expression(name: str) -> None:
    scripts = [step["run"] for job in read(name)["jobs"].values() for step in job["steps"] if "run" in step]
    assert [
        script for script in scripts if "${{" in script
    ] == []  # it would be expanded before the shell parses the script


def test_workflows_and_script_use_the_same_names() -> None:
    comment = read("pull-request-comment")
    assert comment["on"]["workflow_run"]["workflows"] == [read("pull-request")["name"]]
    assert comment["jobs"]["comment"]["env"]["MARK"] == MARK
    script = Path(ROOT, ".ci/compare").read_text(encoding="utf-8")
    assert "--markdown build/comment/comment.md" in script


GH = """#!/usr/bin/env bash
echo "$*" >> calls
case "$1 $2" in
  "run download") cp -r artifact comment ;;
  "api repos/o/r/pulls/7") echo abc ;;
  "api --paginate") cat earlier ;;
esac
"""


def post(folder: Path, number: str = "7", earlier: str = "", head: str = "abc") -> tuple[int, list[str]]:
    """Run the posting step with a fake `gh`; return its exit code and the calls that write."""
    (folder / "artifact").mkdir()
    (folder / "artifact/number").write_text(number)
    (folder / "artifact/comment.md").write_text(f"{MARK}\n## changes\n")
    (folder / "earlier").write_text(earlier)
    (folder / "gh").write_text(GH)
    (folder / "gh").chmod(0o755)
    (step,) = read("pull-request-comment")["jobs"]["comment"]["steps"]
    environ = {"PATH": f"{folder}:/usr/bin:/bin", "GH_REPO": "o/r", "RUN": "1", "HEAD": head, "MARK": MARK}
    environ |= {"GITHUB_SERVER_URL": "https://github.com"}
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", step["run"]], cwd=folder, env=environ, capture_output=True)
    return done.returncode, [c for c in (folder / "calls").read_text().splitlines() if "--method" in c]


def test_one_comment_is_posted_and_updated(tmp_path: Path) -> None:
    for name, earlier, expected in (
        ("new", "", "POST repos/o/r/issues/7/comments"),
        ("old", "5\n", "PATCH repos/o/r/issues/comments/5"),
    ):
        (tmp_path / name).mkdir()
        assert post(tmp_path / name, earlier=earlier) == (
            0,
            [f"api --silent --method {expected} --field body=@body.md"],
        )
        body = (tmp_path / name / "body.md").read_text()
        assert body.startswith(f"{MARK}\n## changes\n")
        assert body.count(MARK) == 1


@pytest.mark.parametrize(
    ("changes", "code"), [({"number": "7; rm"}, 1), ({"number": "../7"}, 1), ({"head": "other"}, 0)]
)
def test_nothing_is_posted_elsewhere(tmp_path: Path, changes: dict[str, str], code: int) -> None:
    assert post(tmp_path, **changes) == (code, [])
