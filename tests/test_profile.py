"""Profiles: overlays of params.yaml."""

from pathlib import Path

import pytest

from scholar.errors import ParamsError
from scholar.params import load_params, read_yaml, validate
from scholar.profile import apply_overlay
from scholar.task import load_task

SHIPPED = sorted((Path(__file__).parents[1] / "profiles").glob("*.yaml"))


@pytest.fixture
def params(tmp_path: Path, repo: Path) -> Path:
    file = tmp_path / "params.yaml"
    file.write_bytes((repo / "params.yaml").read_bytes())
    return file


def test_only_the_named_value_changes_and_comments_stay(params: Path) -> None:
    before = params.read_text(encoding="utf-8").splitlines()
    apply_overlay({"runs": {"ner-base": {"epochs": 7}}}, params)
    after = params.read_text(encoding="utf-8").splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [("    epochs: 2", "    epochs: 7")]


@pytest.mark.parametrize("overlay", [{"runs": {"nre-base": {"epochs": 7}}}, {"seed": "seven"}])
def test_a_bad_overlay_leaves_the_file_as_it_was(params: Path, overlay: dict[str, object]) -> None:
    before = params.read_bytes()
    with pytest.raises(ParamsError):
        apply_overlay(overlay, params)
    assert params.read_bytes() == before
    assert list(params.parent.iterdir()) == [params]


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda file: file.stem)
def test_shipped_profiles_fit(params: Path, repo: Path, profile: Path) -> None:
    before = load_params(params)
    apply_overlay(read_yaml(profile), params)
    after = load_params(params)
    assert after != before
    for name, block in after.datasets.items():
        validate(load_task(block["task"]).settings, block, name)
